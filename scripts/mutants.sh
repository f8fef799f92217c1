#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make mutants: makes the deliberate faults of kunit/mutants, one at a time, and
# demands that KUnit or else the selftests fail. What was caught is remembered
# until the fault, its file or a test changes, so an interrupted run goes on.
#
# usage: mutants.sh [FILE.c...]

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"

need "${build_packages[@]}"
lock_cache
get_source
. "$top/scripts/target.sh"
driver=$linux/drivers/misc/shmbuf
caught=$cache/mutants

# A mutant need not run longer than a good kernel by much.
export KUNIT_TIMEOUT=45 BOOT_TIMEOUT=180

tests_hash() { cat "$driver"/tests/* "$linux"/tools/testing/selftests/shmbuf/* "$top"/kunit/*.config "$top/kunit/targets" | sha1sum | cut -c1-12; }

# make_mutant TARGET KEY: succeeds when a test fails, and says which did.
make_mutant() {
	use_target "$1"
	"$top/scripts/mutants.py" "$top/kunit/mutants" "$driver" "$2"
	git -C "$linux" diff -U0
	rebuild_kernel || { say "it does not build: no mutant"; return 1; }
	if ! run_kunit; then
		say "by: KUnit"
	elif ! run_selftests; then
		say "by: selftests"
	else
		say "no test fails"
		return 1
	fi
}

restore() { git -C "$linux" checkout -q -f series; }

check am "apply the series with git am" apply_series "$linux" || finish
mkdir -p "$caught"
tests=$(tests_hash)
"$top/scripts/mutants.py" "$top/kunit/mutants" "$driver" >"$logs/mutants" || die "kunit/mutants does not fit the driver (see above)"
survivors=()
ready=
while read -r key name place sentence <&8; do
	[ $# = 0 ] || [[ " $* " = *" ${place%:*} "* ]] || continue
	if [ -e "$caught/$tests-$key" ]; then
		passed=$((passed + 1))
		continue
	fi
	if [[ " $ready " != *" $name "* ]]; then
		use_target "$name"
		check "mutants-$name" "$name: build the kernel" build_kernel || finish
		check "mutants-$name-programs" "$name: build the programs" build_programs || finish
		ready+=" $name"
	fi
	check "mutant-$key" "$place: $sentence" make_mutant "$name" "$key" || survivors+=("$place: $sentence ($name)")
	restore
	! grep '^by: ' "$logs/mutant-$key.log" || touch "$caught/$tests-$key"
done 8<"$logs/mutants"
[ ${#survivors[@]} = 0 ] || { say "not caught:"; printf '  %s\n' "${survivors[@]}"; }
finish
