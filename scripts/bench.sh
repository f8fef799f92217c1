#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make bench: costs of shmbuf and of its peers. On x86_64 twice, by counting the
# guest's instructions; under UML by the clock; and under UML once more for contended
# locks. Results are bench/results.{json,txt} and bench/*.svg.
#
# "clients" compares usbmon and comedi before and after their conversion instead.
#
# usage: bench.sh [check | clients]

. "$(dirname "$0")/lib.sh"

case ${1:-} in
clients) need_targets bench-clients ;;
*) need_targets bench bench-uml bench-locks; need gnuplot-nox ;;
esac
lock_cache
get_source
. "$top/scripts/target.sh"
results=$top/bench/results.json
runs=()

# measure RUN TARGET ARGUMENT...: one boot; $program is in the guest.
measure() {
	use_target "$2"
	check "bench-$1" "$2: measure ${*:3}" run_program "$1" "$(guest_folder)/bench" "${@:3}" || finish
	runs+=("$1=$(describe "$2")=$kernel/console.$1.log")
}

describe() {
	local options='UML, 2 CPUs, seccomp=on'
	[ "$1" != bench ] || options='QEMU TCG, 1 CPU, -icount shift=0,sleep=off'
	say "kunit/{$configs}.config, gcc $("${cross}gcc" -dumpfullversion), $options"
}

kernel_version() {
	local package
	package=$(git -C "$linux" log -1 --format=%s base)
	say "Linux $(make -s -C "$linux" kernelversion), $package, patches/ $(series_hash | cut -c1-12)"
}

check_bars() {
	local status=0
	"$top/bench/report.py" check "$results" >"$logs/bars" || status=1
	cat "$logs/bars"
	awk '/^ok/ { p++ } /^not ok/ { f++ } END { printf "counted: %d passed, %d failed\n", p, f }' "$logs/bars"
	return $status
}

write_results() {
	"$top/bench/report.py" read "$results.new" "$(kernel_version)" "make bench" "${runs[@]}"
	mv "$results.new" "$results"
	"$top/bench/report.py" text "$results" >"$top/bench/results.txt"
	"$top/bench/report.py" charts "$results" "$top/bench"
}

# build_clients COMMIT: a kernel of that state of the series, and the program.
build_clients() {
	local program
	git -C "$linux" checkout -q "$1"
	build_kernel
	rm -rf "$programs"
	mkdir -p "$programs"/{dev,proc,sys}
	make -C "$linux" -s ARCH="$arch" O="$kernel" headers
	for program in guest/init bench/clients; do
		gcc -O2 -Wall -Werror -static -isystem "$kernel/usr/include" -o "$programs/${program#*/}" "$top/$program.c"
	done
	cp "$kernel/drivers/comedi/drivers/comedi_test.ko" "$programs"
	pack_initramfs
}

# No operation may cost more than before.
compare_clients() {
	awk '!/^(usbmon|comedi)\./ { next }
	     NR == FNR { before[$1] = $2; next }
	     { p += $2 <= before[$1]; f += $2 > before[$1]
	       printf "%s: %d instructions before, %d after, %.2f\n", $1, before[$1], $2, $2 / before[$1] }
	     END { printf "counted: %d passed, %d failed\n", p, f; exit f || !p }' "$kernel"/console.{before,after}.log
}

clients() {
	local state commit before
	before=$(git -C "$linux" log -1 --format=%H --grep='^usb: usbmon: keep the ring' base..series)
	[ "$before" ] || die "the series has no conversion of usbmon"
	use_target bench-clients
	for state in before after; do
		commit=series
		[ $state != before ] || commit=$before~
		check "clients-build-$state" "$state: build the kernel" build_clients "$commit" || finish
		check "clients-$state" "$state: measure" run_program $state /clients /comedi_test.ko || finish
	done
	STAGE_TAIL=10 check clients "no operation costs more than before" compare_clients || true
	cat "$logs/clients.log"
	finish
}

check am "apply the series with git am" apply_series "$linux" || finish
[ "${1:-}" != clients ] || clients
for name in bench bench-uml bench-locks; do
	use_target "$name"
	check "$name-build" "$name: build the kernel" build_kernel || finish
	check "$name-programs" "$name: build the programs" build_bench || finish
done
measure x86_64 bench -i pages dmabuf frames ops wake copy scale
measure again bench -i pages dmabuf frames ops wake copy scale
measure uml bench-uml copy wake cpus
measure locks bench-locks locks
check report "write bench/results.json, results.txt and charts" write_results || finish
[ "${1:-}" != check ] || STAGE_TAIL=60 check bars "each bar is met" check_bars || true
cat "$top/bench/results.txt"
finish
