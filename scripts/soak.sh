#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make soak: shmbuf_fuzz, shmbuf_race and torture, a third of MINUTES each, or those that
# PROGRAMS names. It may also name usbmon and comedi, on a target with kunit/clients.config.
# With SEED, ROUNDS of OPERATIONS of shmbuf_fuzz, to see again what a seed has shown. CPUS
# is how many processors the machine has.
#
# usage: soak.sh [TARGET]

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"

[ -n "${MINUTES:-}${SEED:-}" ] || die "how long? For instance: make soak MINUTES=30, or SEED=1 ROUNDS=10 OPERATIONS=1000000"
[[ ${MINUTES:-0}${SEED:-0}${ROUNDS:-0}${OPERATIONS:-0} =~ ^[0-9]+$ ]] || die "MINUTES, SEED, ROUNDS and OPERATIONS are numbers"
name=${1:-uml}
need_targets "$name"
lock_cache
get_source
. "$top/scripts/target.sh"
. "$top/scripts/guests.sh"
use_target "$name"

rm -f "$logs"/soak-*.log

# soak PROGRAM ARGUMENT...
soak() { count_tap run_program "soak-$1" "$(guest_folder)/kselftest/shmbuf/$1" "${@:2}"; }

check am "apply the series with git am" apply_series "$linux" || finish
check "$name-build" "$name: build the kernel" build_kernel || finish
check "$name-programs" "$name: build the programs" build_programs || finish
if [ -n "${SEED:-}" ]; then
	export SILENCE=86400
	check soak-fuzz "$name: random operations from seed $SEED" \
		soak shmbuf_fuzz -s "$SEED" -r "${ROUNDS:-1}" -n "${OPERATIONS:-1000000}" || true
else
	MINUTES=$((10#$MINUTES))
	export SILENCE=$((MINUTES * 60 + 1200))
	read -ra programs_to_run <<<"${PROGRAMS:-fuzz race torture}"
	each=$(((MINUTES + ${#programs_to_run[@]} - 1) / ${#programs_to_run[@]}))
	for program in "${programs_to_run[@]}"; do
		case $program in
		fuzz) check soak-fuzz "$name: random operations" soak shmbuf_fuzz -m "$each" -n 100000 || true ;;
		race) check soak-race "$name: races" soak shmbuf_race $((each * 60)) || true ;;
		torture) check soak-torture "$name: all of mm's operations" \
			count_tap run_program soak-torture "$(guest_folder)/torture" -m "$each" || true ;;
		usbmon | comedi) check "soak-$program" "$name: $program, mapped, resized and closed" \
			"$program" $((each * 60)) || true ;;
		*) die "no program $program; there are fuzz, race, torture, usbmon and comedi" ;;
		esac
	done
fi
grep -hE '^(ok|# .*(operations|replay|as expected))' "$logs"/soak-*.log || true
finish
