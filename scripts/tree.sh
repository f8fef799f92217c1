#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make tree: a git tree of the kernel with the series applied, one commit a
# patch, to work in. It belongs to this checkout and is never thrown away while
# it holds work that patches/ has not.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"

make_tree() {
	rm -rf "$tree".part
	git clone -q --shared --no-checkout "$linux" "$tree".part
	git -C "$tree".part config advice.detachedHead false
	git -C "$tree".part config gc.autoDetach false
	# Whoever posts the series puts a name on it (see CONTRIBUTING.md).
	git -C "$tree".part config user.name 'shmbuf developers'
	git -C "$tree".part config user.email shmbuf@example.org
	apply_series "$tree".part
	mv -T "$tree".part "$tree"
}

need git ca-certificates
lock_cache
get_source
tree=$(work_tree)
mkdir -p "$cache/tree"

if [ ! -d "$tree" ]; then
	trap 'rm -rf "$tree".part' EXIT
	stage tree "make a tree with the series" make_tree
elif tree_has_work "$tree"; then
	[ "$(cat "$tree/.git/shmbuf-series")" = "$(series_hash)" ] ||
		die "patches/ changed, and $tree has work that patches/ has not; keep one: 'make export' takes the tree's, 'git -C $tree reset --hard refs/shmbuf/exported' drops it"
	say "the tree has work that is not exported yet; left as it is"
elif ! tree_is_current "$tree"; then
	stage tree "apply patches/ to the tree anew" apply_series "$tree"
fi
say "$tree"
