#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make export: write the patches and the mirrored folders from the tree. Cover letters and
# patches/parts stay as they are.

. "$(dirname "$0")/lib.sh"

lock_cache
get_source
tree=$(work_tree)
[ -d "$tree" ] || die "there is no tree to export; make one with: make tree"
[ -z "$(git -C "$tree" status --porcelain | head -n 1)" ] && [ ! -d "$tree/.git/rebase-merge" ] ||
	die "$tree has uncommitted changes or a rebase; commit them (git absorb, git commit --fixup) first"
[ "$(series_hash)" = "$(cat "$tree/.git/shmbuf-series")" ] || [ -n "${FORCE:-}" ] ||
	die "patches/ changed since the tree was made, and the export would undo that; see: make tree"
if git -C "$tree" log --format=%s base..HEAD | grep -E '^(fixup|squash|amend)! '; then
	die "there are fixups left: git -C $tree rebase -i --autosquash base"
fi
export_series "$tree"
say "exported $(git -C "$tree" rev-list --count base..HEAD) patches from $tree; does patches/parts still fit?"
