# SPDX-License-Identifier: GPL-2.0
# Sourced: stages that are tests, and the closing line.

passed=0
failed=0

# check NAME TITLE COMMAND...: a stage that counts as one test, or as many as
# the last line "counted: N passed, N failed" of its log says.
check() {
	local log=$logs/$1.log status=0 counts
	stage "$@" || status=1
	counts=$(sed -n 's/^counted: \([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' "$log" | tail -n 1)
	[ -n "$counts" ] || counts="$((1 - status)) $status"
	# A stage that failed has failed, even when each of its tests passed.
	[ $status = 0 ] || [ "${counts#* }" != 0 ] || counts="${counts% *} 1"
	passed=$((passed + ${counts% *}))
	failed=$((failed + ${counts#* }))
	return $status
}

# count_kunit COMMAND...: run it, and count what kunit.py says it ran, such as
# "Testing complete. Ran 77 tests: passed: 77".
count_kunit() {
	local status=0 line total good
	"$@" | tee "$logs/kunit.out" || status=1
	line=$(grep 'Testing complete. Ran' "$logs/kunit.out" | tail -n 1)
	total=$(sed -n 's/.*Ran \([0-9]*\) tests.*/\1/p' <<<"$line")
	good=$(sed -n 's/.*passed: \([0-9]*\).*/\1/p' <<<"$line")
	[ "${total:-0}" -gt 0 ] || { say "no KUnit test ran"; return 1; }
	say "counted: ${good:-0} passed, $((total - ${good:-0})) failed"
	return $status
}

# count_selftests COMMAND LOG: run it, and count the results in TAP in the log.
# A test that is skipped in a guest made for it is a failure.
count_selftests() {
	local status=0
	"$1" || status=1
	awk '/^ok [0-9]/ { if (/ # SKIP/) s++; else p++ } /^not ok [0-9]/ { f++ }
	     END { printf "counted: %d passed, %d failed, %d skipped\n", p, f, s; exit !(p > 0 && !s) }' \
		"$2" || { say "no selftest ran, or one was skipped"; status=1; }
	return $status
}

finish() {
	say "total time $((SECONDS / 60)) min $((SECONDS % 60)) s"
	say "$passed passed, $failed failed"
	[ $failed = 0 ]
	exit
}
