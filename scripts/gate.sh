#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make gate: does every patch build, built in and as a module, without a
# warning at W=1, on each kernel that the series is for? And is the driver small?

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"
. "$top/scripts/limits.sh"

um_make() { make -C "$linux" ARCH=um O="$build/gate-$mode" -j"$jobs" "$@"; }

configure() {
	mkdir -p "$build/gate-$mode"
	{
		cat "$top"/kunit/{common,uml,smp,lockdep}.config
		say CONFIG_MODULES=y CONFIG_MODULE_UNLOAD=y "CONFIG_KUNIT=$mode" CONFIG_KUNIT_ALL_TESTS=y "CONFIG_SHMBUF=$mode" | tr ' ' '\n'
	} >"$build/gate-$mode/.config"
	um_make olddefconfig
	grep -q "^CONFIG_SHMBUF=$mode" "$build/gate-$mode/.config" || { say "CONFIG_SHMBUF=$mode is not possible"; return 1; }
}

# Whole only for the module: built in, "make check" links and boots it.
gate_kernel() {
	git -C "$linux" checkout -q -f series
	configure
	um_make prepare
	[ $mode = y ] || um_make linux modules
}

# Only a module has a reference count that can be wrong.
test_module() {
	local ko=$build/gate-m/drivers/misc/shmbuf
	use_target uml
	build_programs
	kernel=$build/gate-m
	run_script module 'set -e' \
		"insmod $ko/shmbuf.ko buffers=good:64K,bad" '! ls /dev/shmbuf-* || exit 1' \
		"$programs/kselftest/shmbuf/shmbuf_test" "python3 $top/guest/module.py" "insmod $ko/shmbuf.ko" \
		"python3 $top/guest/module.py"
	! grep -q '^not ok' "$console"
}

build_patch() {		# commit
	git -C "$linux" checkout -q -f "$1"
	configure
	um_make prepare
	um_make W=1 drivers/misc/shmbuf/ 2>&1 | tee "$work/warnings"
	! grep -n 'warning:' "$work/warnings"
}

need "${build_packages[@]}" kmod libelf-dev
lock_cache
work=$(mktemp -d)
trap 'rm -rf "$work"; git -C "$linux" checkout -q -f series' EXIT

for LINUX_SOURCE in ${LINUX_SOURCE:-linux-source-7.3 linux-source-7.2}; do
	export LINUX_SOURCE
	want=$LINUX_SOURCE
	get_source
	. "$top/scripts/target.sh"
	name=$(basename "$linux")
	check "am-$name" "$name: apply the series with git am" apply_series "$linux" || continue
	for mode in y m; do
		check "gate-$name-$mode" "$name: build the kernel, SHMBUF=$mode" gate_kernel || continue
		[ $mode = y ] ||
			check "gate-$name-module" "$name: load, test, unload, twice" test_module || true
		for commit in $(git -C "$linux" rev-list --reverse base..series); do
			subject=$(git -C "$linux" log -1 --format=%s "$commit")
			check "gate-$name-$mode-${commit:0:12}" "$name: W=1, SHMBUF=$mode, at \"$subject\"" build_patch "$commit" || true
		done
	done
	git -C "$linux" checkout -q -f series
	if check "limits-build-$name" "$name: build the module for x86_64" build_module_x86; then
		check "limits-$name" "$name: text, functions and stack frames within their limits" check_limits || true
	fi
done
finish
