#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make distclean: remove the cache, unless somebody's work is in it.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/series.sh"

lock_cache
for tree in "$cache"/tree/*; do
	if [ -d "$tree/.git" ] && tree_has_work "$tree"; then
		die "$tree has work that patches/ has not; export it (make export) or remove that folder yourself"
	fi
done
rm -rf "${cache:?}"
say "removed $cache"
