#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make mutants: makes the deliberate faults of kunit/mutants, one at a time, and
# demands that KUnit or else the selftests fail. What was caught is remembered
# until the fault, its file or a test changes, so an interrupted run goes on.
#
# usage: mutants.sh [FILE.c...]

. "$(dirname "$0")/../scripts/lib.sh"

need_targets uml x86_64 i386-pae
lock_cache
get_source
. "$top/scripts/target.sh"
driver=$linux/drivers/misc/shmbuf
caught=$cache/mutants

# What a mutant was caught with. (The mutant itself and its file are in its key.)
tests_hash() {
	(
		git -C "$linux" rev-parse base
		cd "$linux"
		find drivers/misc/shmbuf/tests tools/testing/selftests/shmbuf drivers/misc/shmbuf/*.h drivers/misc/shmbuf/[KM]* -type f | sort | xargs cat
		cd "$top" && cat kunit/*.config kunit/targets guest/init.c scripts/target.sh
	) | sha1sum | cut -c1-12
}

# fails WHAT SECONDS COMMAND...: does a test fail, or is it skipped where none may
# be, and it is not just the machine? In several times what the good kernel takes,
# it hangs.
fails() {
	if BOOT_TIMEOUT=$2 "${@:3}" >"$logs/mutant.out" 2>&1; then
		! skipped_tests "$console" || return 1
		say "caught by: $1"
		return 0
	fi
	cat "$logs/mutant.out"
	grep -qE 'KTAP version|as init process' "$console" || return
	if grep -qE '^(\[ *[0-9.]+\] )? *not ok |^Bail out!' "$console" || ! scan_kernel_log "$console" ||
	   grep -q 'the kernel hung' "$logs/mutant.out"; then
		say "caught by: $1"
		return 0
	fi
	return 1
}

image() {		# of the target in use, in its folder
	[ "$arch" = um ] && say linux || "$top/scripts/machine.py" "$linux" "$arch" | sed -n 1p
}

# While it is built, the one before is tested: that stays where it is.
build_mutant() {	# target key
	use_target "$1"
	"$top/kunit/mutants.py" "$top/kunit/mutants" "$driver" "$2"
	git -C "$linux" diff -U0
	# What boots, and no modules.
	make -C "$linux" -s ARCH="$arch" CROSS_COMPILE="$cross" O="$kernel" -j"$jobs" "$(basename "$(image)")"
}

put_aside() {		# target
	use_target "$1"
	rm -rf "$kernel/mutant"
	mkdir "$kernel/mutant"
	cd "$kernel"
	[ "$arch" = um ] || cp initramfs mutant/
	cp --parents "$(image)" mutant/
}

use_mutant() {		# target
	use_target "$1"
	kernel=$kernel/mutant
}

kunit_of_mutant() {	# target
	use_mutant "$1"
	fails KUnit 90 run_kunit
}

# Succeeds when a test fails, and says which did. Nothing is built meanwhile.
selftests_of_mutant() {	# target
	cat "$logs/mutant.kunit"
	! grep -q '^caught by: ' "$logs/mutant.kunit" || return 0
	use_mutant "$1"
	fails selftests 400 run_selftests GUEST_STOP=1 || { say "no test fails"; return 1; }
}

# Of the mutant whose KUnit suites run in the background.
judge() {
	[ -n "$testing" ] || return 0
	local name key place sentence
	read -r name key place sentence <<<"$testing"
	testing=
	wait "$tester" || true
	if check "mutant-$key" "$place: $sentence" selftests_of_mutant "$name"; then
		grep '^caught by: ' "$logs/mutant-$key.log"
		touch "$caught/$tests-$key"
	else
		survivors+=("$place: $sentence ($name)")
	fi
}

check am "apply the series with git am" apply_series "$linux" || finish
mkdir -p "$caught"
tests=$(tests_hash)
"$top/kunit/mutants.py" "$top/kunit/mutants" "$driver" >"$logs/mutants" || die "kunit/mutants does not fit the driver (see above)"
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
survivors=()
ready=
testing=
while read -r key name place sentence <&8; do
	[ $# = 0 ] || [[ " $* " = *" ${place%:*} "* ]] || continue
	if [ -e "$caught/$tests-$key" ]; then
		passed=$((passed + 1))
		continue
	fi
	if [[ " $ready " != *" $name "* ]]; then
		judge
		use_target "$name"
		# The good kernel passes, within the same time.
		before=$failed
		check_target all || true
		[ $failed = $before ] || finish
		ready+=" $name"
	fi
	if in_own_shell build_mutant "$name" "$key" >"$logs/mutant-$key.build.log" 2>&1 </dev/null; then
		judge
		in_own_shell put_aside "$name"
		testing="$name $key $place $sentence"
		in_own_shell kunit_of_mutant "$name" >"$logs/mutant.kunit" 2>&1 </dev/null &
		tester=$!
	else
		failed=$((failed + 1))
		survivors+=("$place: $sentence ($name): does not build, see $logs/mutant-$key.build.log")
	fi
	git -C "$linux" checkout -q -f series
done 8<"$logs/mutants"
judge
[ $passed -gt 1 ] || die "kunit/mutants has no fault in $*"
[ ${#survivors[@]} = 0 ] || { say "not caught:"; printf '  %s\n' "${survivors[@]}"; }
finish
