# SPDX-License-Identifier: GPL-2.0
# Sourced: stages that are tests, and the last line.

passed=0
failed=0

# A line for each stage that is a test, for the table of "make matrix".
results=()

# check NAME TITLE COMMAND...: a stage that counts as one test, or as many as the last
# line "counted: N passed, N failed" of its log says.
check() {
	local log=$logs/$1.log status=0 counts start=$SECONDS
	stage "$@" || status=1
	counts=$(sed -n 's/^counted: \([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' "$log" | tail -n 1)
	[ -n "$counts" ] || counts="$((1 - status)) $status"
	# A stage that failed has failed, even if each of its tests passed.
	[ $status = 0 ] || [ "${counts#* }" != 0 ] || counts="${counts% *} 1"
	passed=$((passed + ${counts% *}))
	failed=$((failed + ${counts#* }))
	results+=("$(printf '%-30s %5d %5d %5d %6d s' "$1" ${counts% *} ${counts#* } \
		"$(grep -c '^skipped: ' "$log" || true)" $((SECONDS - start)))")
	return $status
}

# skipped_tests LOG: "skipped: TEST # SKIP REASON" of each test in TAP that was skipped.
# Each needs a reason. Under UML, as root, the only valid reason is UML itself. KUnit has
# lines without a reason for what consists of skipped tests.
skipped_tests() {
	sed -nE 's/^(\[ *[0-9.]+\] )? *((ok [0-9]+|1\.\.0)( .*)? # SKIP.*)/skipped: \2/p' "$1" |
		awk '{ again = reason && / # SKIP $/; reason = / # SKIP ./ || again } !again' | tee "$logs/skipped"
	if grep ' # SKIP *$' "$logs/skipped"; then
		say "skipped without a reason"
		return 1
	fi
	if [ "$arch" = um ] && [ -z "${may_skip:-}" ] && grep -v ' # SKIP .*UML' "$logs/skipped"; then
		say "skipped under UML"
		return 1
	fi
}

# Takes the counts of kunit.py: "Testing complete. Ran 77 tests: passed: 75, skipped: 2".
count_kunit() {
	local status=0 summary=$logs/kunit.out
	run_kunit >"$summary" 2>&1 || status=1
	cat "$summary"
	skipped_tests "$console" || status=1
	awk '/Testing complete. Ran/ { gsub(/[:,]/, ""); for (i = 4; i <= NF; i++) n[$i] = $(i + 1) }
	     END { printf "counted: %d passed, %d failed\n", n["passed"], n["failed"] + n["crashed"] + n["errors"]
		   exit !n["passed"] }' "$summary" || status=1
	return $status
}

# count_lines FILE: counts the results in TAP.
count_lines() {
	awk '/^ok [0-9]/ && !/ # SKIP/ { p++ } /^not ok [0-9]/ { f++ }
	     END { printf "counted: %d passed, %d failed\n", p, f; exit !p }' "$1"
}

# count_tap COMMAND...: counts the results of what it boots.
count_tap() {
	local status=0
	"$@" || status=1
	skipped_tests "$console" || status=1
	count_lines "$console" || status=1
	return $status
}

# check_target kunit|selftests|all: build the target in use and run the tests.
check_target() {
	check "$target-build" "$target: build the kernel" build_kernel || return
	check "$target-programs" "$target: build the programs" build_programs || return
	[ "$1" = selftests ] || check "$target-kunit" "$target: KUnit" count_kunit || true
	[ "$1" = kunit ] || check "$target-selftests" "$target: selftests" count_tap run_selftests || true
}

print_table() {
	printf '\n%-30s %5s %5s %5s %8s\n' '' pass fail skip time
	printf '%s\n' "${results[@]}" ''
}

finish() {
	say "total time $((SECONDS / 60)) min $((SECONDS % 60)) s"
	say "$passed passed, $failed failed"
	[ $failed = 0 ]
	exit
}
