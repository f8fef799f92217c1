#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make tree: a git tree of the kernel with the series applied, one commit a patch. It
# belongs to this checkout, and its work is kept until it is exported.

. "$(dirname "$0")/lib.sh"

make_tree() {
	rm -rf "$tree".part
	git clone -q --shared --no-checkout "$linux" "$tree".part
	git -C "$tree".part config advice.detachedHead false
	git -C "$tree".part config gc.autoDetach false
	# The person who posts the series puts a name on it (see CONTRIBUTING.md).
	git -C "$tree".part config user.name 'shmbuf developers'
	git -C "$tree".part config user.email shmbuf@example.org
	apply_series "$tree".part
	mv -T "$tree".part "$tree"
}

need git git-absorb ca-certificates
lock_cache
get_source
tree=$(work_tree)
mkdir -p "$cache/tree"
current=$([ ! -d "$tree" ] || cat "$tree/.git/shmbuf-series" 2>/dev/null || true)
if [ ! -d "$tree" ]; then
	trap 'rm -rf "$tree".part' EXIT
	stage tree "make a tree with the series" make_tree
elif [ "$current" = "$(series_hash)" ]; then
	! tree_has_work "$tree" || say "the tree has work that is not exported yet"
elif tree_has_work "$tree"; then
	die "patches/ changed, and $tree has work that patches/ does not have: make export FORCE=1 takes" \
		"the work, git -C $tree reset --hard refs/shmbuf/exported drops it"
else
	stage tree "apply patches/ to the tree anew" apply_series "$tree"
fi
say "$tree"
