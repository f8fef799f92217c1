# SPDX-License-Identifier: GPL-2.0
# Sourced: stages that are tests, and the closing line.

passed=0
failed=0

# What ran, how long it took and what came of it, a line each.
results=()

# check NAME TITLE COMMAND...: a stage that counts as one test, or as many as
# the last line "counted: N passed, N failed" of its log says.
check() {
	local log=$logs/$1.log status=0 counts start=$SECONDS
	stage "$@" || status=1
	counts=$(sed -n 's/^counted: \([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' "$log" | tail -n 1)
	[ -n "$counts" ] || counts="$((1 - status)) $status"
	# A stage that failed has failed, even when each of its tests passed.
	[ $status = 0 ] || [ "${counts#* }" != 0 ] || counts="${counts% *} 1"
	passed=$((passed + ${counts% *}))
	failed=$((failed + ${counts#* }))
	results+=("$1 $((SECONDS - start)) $counts $(grep -c '^skipped: ' "$log" || true)")
	return $status
}

# skipped_tests LOG: "skipped: TEST # SKIP REASON" of each test in TAP that was
# skipped. Each has to say why; and UML, where root runs them, has no reason but
# to be UML. KUnit has lines without a reason for what consists of skipped tests.
skipped_tests() {
	sed -nE 's/^(\[ *[0-9.]+\] )? *((ok [0-9]+|1\.\.0)( .*)? # SKIP.*)/skipped: \2/p' "$1" |
		awk '{ again = reason && / # SKIP $/; reason = / # SKIP ./ || again } !again' | tee "$logs/skipped"
	! grep ' # SKIP *$' "$logs/skipped" || { say "skipped without a reason"; return 1; }
	[ "$arch" != um ] || [ -n "${may_skip:-}" ] || ! grep -v ' # SKIP .*UML' "$logs/skipped" ||
		{ say "skipped under UML"; return 1; }
}

# Counts what kunit.py says: "Testing complete. Ran 77 tests: passed: 75, skipped: 2".
count_kunit() {
	local status=0 line total good skipped
	run_kunit >"$logs/kunit.out" 2>&1 || status=1
	cat "$logs/kunit.out"
	skipped_tests "$console" || status=1
	line=$(grep 'Testing complete. Ran' "$logs/kunit.out" | tail -n 1 || true)
	total=$(sed -n 's/.*Ran \([0-9]*\) tests.*/\1/p' <<<"$line")
	good=$(sed -n 's/.*passed: \([0-9]*\).*/\1/p' <<<"$line")
	skipped=$(sed -n 's/.*skipped: \([0-9]*\).*/\1/p' <<<"$line")
	[ "${good:-0}" -gt 0 ] || { say "no KUnit test passed"; return 1; }
	say "counted: $good passed, $((total - good - ${skipped:-0})) failed"
	return $status
}

# count_tap COMMAND...: counts the results in TAP of what it boots.
count_tap() {
	local status=0
	"$@" || status=1
	skipped_tests "$console" || status=1
	awk '/^ok [0-9]/ && !/ # SKIP/ { p++ } /^not ok [0-9]/ { f++ }
	     END { printf "counted: %d passed, %d failed\n", p, f; exit !p }' "$console" ||
		{ say "no selftest passed"; status=1; }
	return $status
}

count_selftests() { count_tap run_selftests; }

# check_target kunit|selftests|all: build the target in use and run the tests.
check_target() {
	rm -f "$kernel"/console.{kunit,selftests}.log
	check "$target-build" "$target: build the kernel" build_kernel || return
	check "$target-programs" "$target: build the programs" build_programs || return
	[ "$1" = selftests ] ||
		check "$target-kunit" "$target: KUnit" count_kunit || true
	[ "$1" = kunit ] ||
		check "$target-selftests" "$target: selftests" count_selftests || true
}

# A row for each target: what passed, failed and was skipped, and seconds.
print_table() {
	say
	printf '%s\n' "${results[@]}" | awk '
		function cell(what) { return (t, what) in passed ? sprintf("%4d %4d %4d %4d s", passed[t, what], failed[t, what], skipped[t, what], time[t, what]) : "       not run       " }
		BEGIN { printf "%-14s %7s   %-21s   %-21s\n%-14s %7s   %s   %s\n", "", "build", "KUnit", "selftests", "target", "", "pass fail skip   time", "pass fail skip   time" }
		{ what = t = $1; sub(/.*-/, "", what); sub(/-[a-z]*$/, "", t) }
		what !~ /^(build|kunit|selftests)$/ { next }
		!(t in seen) { seen[t] = 1; order[++n] = t }
		{ time[t, what] = $2; passed[t, what] = $3; failed[t, what] = $4; skipped[t, what] = $5 }
		END { for (i = 1; i <= n; i++) { t = order[i]; printf "%-14s %7s   %s   %s\n", t, failed[t, "build"] ? "FAILED" : time[t, "build"] " s", cell("kunit"), cell("selftests") } }'
	say
}

finish() {
	say "total time $((SECONDS / 60)) min $((SECONDS % 60)) s"
	say "$passed passed, $failed failed"
	[ $failed = 0 ]
	exit
}
