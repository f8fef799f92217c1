#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make kunit, selftests, matrix: the tests on one row of kunit/targets, or on all. With
# MINUTES, PROGRAMS of tests/ instead of the selftests, each for a part of the time, with
# ARGUMENTS, such as "-s 7". CPUS is the number of processors.
#
# usage: tests.sh kunit|selftests|all TARGET...

. "$(dirname "$0")/lib.sh"

# Instead of the selftests. A program may be silent for all of its time.
long_programs() {
	local program each time
	check "$target-build" "$target: build the kernel" build_kernel || return
	check "$target-programs" "$target: build the programs" build_programs || return
	set -- ${PROGRAMS:-$(basename -s .c "$top"/tests/*.c)}
	each=$(((MINUTES + $# - 1) / $#))
	export SILENCE=$((each * 60 + 1200))
	for program; do
		time=(-m "$each")
		[ "$program" != race ] || time=($((each * 60)))
		check "$target-$program" "$target: $program for $each minutes" \
			count_tap run_program "$program" "$(guest_folder)/kselftest/shmbuf/$program" \
			${ARGUMENTS:-} "${time[@]}" || true
		grep -E '^(ok|# .*(operations|replay|as expected))' "$logs/$target-$program.log" || true
	done
}

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
	if [ -n "${MINUTES:-}" ]; then
		long_programs || true
	else
		check_target "$what" || true
	fi
done
[ $# = 1 ] || print_table
finish
