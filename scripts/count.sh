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

finish() {
	say "total time $((SECONDS / 60)) min $((SECONDS % 60)) s"
	say "$passed passed, $failed failed"
	[ $failed = 0 ]
	exit
}
