#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make coverage: lines and branches of the driver that KUnit reaches, and KUnit with the
# selftests, as text and HTML. A kernel with coverage_uml.config, which is a process,
# writes its counters when it ends.

. "$(dirname "$0")/lib.sh"

# measure NAME PERCENT COMMAND...: the report after the command. Fails below PERCENT of lines.
measure() {
	local status=0
	"${@:3}" || status=1
	mkdir -p "$report/$1"
	gcovr --root "$linux" --object-directory "$kernel" --filter "$linux/drivers/misc/shmbuf/" \
		--exclude "$linux/drivers/misc/shmbuf/tests/" --exclude-unreachable-branches --fail-under-line "$2" \
		--print-summary --txt "$report/$1/lines.txt" --html-details "$report/$1/index.html" \
		"$kernel/drivers/misc/shmbuf" || status=1
	cat "$report/$1/lines.txt"
	return $status
}

need_targets uml-gcov
lock_cache
get_source
. "$top/scripts/target.sh"
use_target uml-gcov
report=$cache/coverage/$checkout_id
check am "apply the series with git am" apply_series "$linux" || finish
check coverage-build "build the kernel, profiled" build_kernel || finish
check coverage-programs "build the programs" build_programs || finish
find "$kernel" -name '*.gcda' -delete
check coverage-kunit "KUnit: 90 % of lines" measure kunit 90 count_kunit || true
check coverage-all "KUnit and the selftests: 95 % of lines" measure all 95 count_tap run_selftests || true
cat "$report"/*/lines.txt
say "in HTML: $report/kunit/index.html and $report/all/index.html"
finish
