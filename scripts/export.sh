#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make export: write patches/ and the mirrored folders from the tree.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"

need git
lock_cache
get_source
tree=$(work_tree)
[ -d "$tree" ] || die "there is no tree to export; make one with: make tree"
[ ! -d "$tree/.git/rebase-merge" ] && [ ! -d "$tree/.git/rebase-apply" ] ||
	die "a rebase or am is under way in $tree; finish it first"
[ -z "$(git -C "$tree" status --porcelain | head -n 1)" ] ||
	die "$tree has uncommitted changes; commit them (git commit --fixup) or stash them first"
[ "$(series_hash)" = "$(cat "$tree/.git/shmbuf-series" 2>/dev/null)" ] || [ -n "${FORCE:-}" ] ||
	die "patches/ changed since the tree was made, and the export would undo that; see 'make tree', or: make export FORCE=1"
subjects=$(git -C "$tree" log --format=%s base..HEAD)
if grep -Eq '^(fixup|squash|amend)! ' <<<"$subjects"; then
	die "there are fixups left; fold them in: git -C $tree rebase -i --autosquash base"
fi
if git -C "$tree" log --format=%b base..HEAD | grep -q '^Signed-off-by:'; then
	die "a commit carries Signed-off-by, which only the person who posts the series can add (make post); remove it"
fi
export_series "$tree"
say "exported $(numbered_patches | wc -l) patches from $tree"
