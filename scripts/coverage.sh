#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make coverage: which lines and branches of the driver KUnit under UML reaches,
# and which with the selftests added, as text and HTML. Fails below the bars.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"

# measure NAME COMMAND...: boot with KUnit, run the commands; then the guest puts
# its counters next to the objects, and they become a report.
measure() {
	local script=$programs/run.coverage.sh
	find "$objects" -name '*.gcda' -delete
	printf '%s\n' 'set -e' "${@:2}" 'mkdir /dev/shm/objects' \
		"mount -t hostfs -o $objects none /dev/shm/objects" \
		"cd /sys/kernel/debug/gcov/$objects" \
		'for f in *.gcda; do cat $f >/dev/shm/objects/$f; done' >"$script"
	boot coverage kunit.enable=1 'kunit.filter_glob=shmbuf*' "GUEST_RUN=\"/bin/sh $script\"" ||
		{ tail -n 40 "$console"; return 1; }
	if grep -E '^(\[ *[0-9.]+\] )? *not ok ' "$console"; then return 1; fi
	mkdir -p "$report/$1"
	cd "$linux"
	gcovr --root "$linux" --object-directory "$objects" --filter drivers/misc/shmbuf/ \
		--exclude drivers/misc/shmbuf/tests/ --exclude-unreachable-branches \
		--txt "$report/$1/lines.txt" --html-details "$report/$1/index.html" \
		--json-summary "$report/$1/summary.json" "$objects"
	gcovr --root "$linux" --object-directory "$objects" --filter drivers/misc/shmbuf/ \
		--exclude drivers/misc/shmbuf/tests/ --exclude-unreachable-branches \
		--branches --txt "$report/$1/branches.txt" "$objects"
	cat "$report/$1"/{lines,branches}.txt
}

# bar NAME FILE FIELD PERCENT: is a figure of the summary at least that?
bar() {
	python3 - "$report/$1/summary.json" "${@:2}" <<-'END'
		import json, sys
		path, name, field, least = sys.argv[1:]
		figures = json.load(open(path))
		if name != "all":
		    figures = next(f for f in figures["files"] if f["filename"].endswith(name))
		print(f"{name} {field}: {figures[field]} %, at least {least} %")
		sys.exit(figures[field] < float(least))
	END
}

need_targets uml-gcov
lock_cache
get_source
. "$top/scripts/target.sh"
use_target uml-gcov
objects=$kernel/drivers/misc/shmbuf
report=$cache/coverage/$checkout_id

rm -rf "${report:?}"
check am "apply the series with git am" apply_series "$linux" || finish
check coverage-build "build the kernel, profiled" build_kernel || finish
check coverage-programs "build the programs" build_programs || finish
if check coverage-kunit "KUnit" measure kunit; then
	check bar-kunit "KUnit: 90 % of lines" bar kunit all line_percent 90 || true
	check bar-geometry "KUnit: all lines of geometry" bar kunit geometry.c line_percent 100 || true
	check bar-branches "KUnit: all branches of geometry" bar kunit geometry.c branch_percent 100 || true
fi
if check coverage-all "KUnit and the selftests" measure all "cd $programs/kselftest/shmbuf" ./shmbuf_test ./shmbuf_fail_nth ./shmbuf_fuzz; then
	check bar-all "both: 95 % of lines" bar all all line_percent 95 || true
fi
cat "$report"/*/lines.txt 2>/dev/null || true
say "in HTML: $report/kunit/index.html and $report/all/index.html"
finish
