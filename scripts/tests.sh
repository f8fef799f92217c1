#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make kunit, selftests, matrix: the tests on one row of kunit/targets, or on all.
#
# usage: tests.sh kunit|selftests|all TARGET...

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"

what=$1
shift
[ "$*" ] || die "which target? For instance: make $what TARGET=uml (kunit/targets lists all)"

need_targets "$@"
lock_cache
get_source
. "$top/scripts/target.sh"

check am "apply the series with git am" apply_series "$linux" || finish
for name; do
	use_target "$name"
	check_target "$what" || true
done
[ $# = 1 ] || print_table
finish
