#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make gate: all that a maintainer's machines would find: the mails and their text,
# the tools that read the code, and every patch on each kernel that the series is
# for, without a warning at W=1, built in, as a module and not at all, its KUnit
# suites passing from the first patch on.
#
# usage: gate.sh [STAGE...], of: sync checkpatch doc maintainers uapi b4 post sparse cocci
# htmldocs limits builds; all of them without one.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"
. "$top/scripts/static.sh"
. "$top/scripts/limits.sh"

[ $# -gt 0 ] || set -- sync checkpatch doc maintainers uapi b4 post sparse cocci htmldocs limits builds
stages=" $* "
wanted() { [[ $stages == *" $1 "* ]]; }

um_make() { make -C "$linux" ARCH=um O="$build/gate-$mode" -j"$jobs" "$@"; }

configure() {
	mkdir -p "$build/gate-$mode"
	{
		cat "$top"/kunit/{common,io,uml,smp,lockdep}.config "$linux/tools/testing/kunit/configs/arch_uml.config"
		say CONFIG_MODULES=y CONFIG_MODULE_UNLOAD=y "CONFIG_KUNIT=${mode/n/y}" CONFIG_KUNIT_ALL_TESTS=y "CONFIG_SHMBUF=$mode" | tr ' ' '\n'
		[ "$mode" = n ] || say CONFIG_SAMPLES=y CONFIG_SAMPLE_SHMBUF=m | tr ' ' '\n'
	} >"$build/gate-$mode/.config"
	um_make olddefconfig
	[ "$mode" = n ] || grep -q "^CONFIG_SHMBUF=$mode" "$build/gate-$mode/.config" || { say "CONFIG_SHMBUF=$mode is not possible"; return 1; }
}

# Whole at the end of the series: of the patches before it, only what they touch is
# built, and the kernel linked when it is to boot.
gate_kernel() {
	git -C "$linux" checkout -q -f series
	configure
	um_make
}

# Only a module has a reference count that can be wrong.
test_module() {
	local ko=$build/gate-m/drivers/misc/shmbuf
	kernel=$build/gate-m
	run_script module 'set -e' \
		"insmod $ko/shmbuf.ko buffers=good:64K,bad" '! ls /dev/shmbuf-* || exit 1' \
		"$programs/kselftest/shmbuf/shmbuf_test" "python3 $top/guest/module.py" "insmod $ko/shmbuf.ko" \
		"insmod $kernel/samples/shmbuf/shmbuf-producer.ko" "python3 $top/guest/module.py /dev/shmbuf-sample" \
		'rmmod shmbuf-producer' "python3 $top/guest/module.py"
	! grep -q '^not ok' "$console"
}

# Silent about what it does not build; so that it builds all again, W=1 or not.
build_patch() {		# commit
	git -C "$linux" checkout -q -f "$1"
	configure
	um_make prepare
	rm -f "$build/gate-$mode"/drivers/misc/shmbuf/{,tests/}*.o
	um_make W=1 drivers/misc/ samples/ 2>&1 | tee "$work/warnings"
	none 'warning:' "$work/warnings"
	[ "$mode" = n ] || grep -q 'CC .*drivers/misc/shmbuf/core.o' "$work/warnings"
	# A symbol that is not exported is missed by nobody before that.
	[ "$mode" != m ] || um_make lib/kunit/kunit.ko drivers/misc/shmbuf/shmbuf.ko drivers/misc/shmbuf/tests/shmbuf_kunit.ko
}

# What UML has not: caches, huge entries, PCI.
build_patch_x86() {	# commit
	git -C "$linux" checkout -q -f "$1"
	configure_x86
	rm -f "$build"/limits/drivers/misc/shmbuf/*.o
	make -C "$linux" ARCH=x86_64 O="$build/limits" -j"$jobs" W=1 drivers/misc/shmbuf/ samples/ 2>&1 | tee "$work/warnings"
	none 'warning:' "$work/warnings"
	grep -q 'CC .*drivers/misc/shmbuf/core.o' "$work/warnings"
}

kunit_patch() {
	kernel=$build/gate-y
	um_make -s linux
	count_kunit
}

need_targets uml
need kmod g++ gcc-i686-linux-gnu libc6-dev-i386-cross b4 coccinelle ocaml python3-sphinx dpkg-dev
lock_cache
work=$(mktemp -d)
sources=${LINUX_SOURCE:-linux-source-7.3 linux-source-7.2}
[ -z "${KSRC:-}" ] || sources=the-same

if wanted sync; then check sync "patches/ and the folders agree" "$top/scripts/check-sync.sh" || true; fi
first=1
for LINUX_SOURCE in $sources; do
	export LINUX_SOURCE
	want=$LINUX_SOURCE
	get_source
	trap 'rm -rf "$work"; git -C "$linux" checkout -q -f series' EXIT
	. "$top/scripts/target.sh"
	use_target uml
	name=$(basename "$linux")
	check "am-$name" "$name: apply the series with git am" apply_series "$linux" || continue
	if [ $first = 1 ]; then
		first=
		if wanted checkpatch; then check_patches; fi
		if wanted doc; then check doc "kernel-doc -Wall" kernel_doc || true; fi
		if wanted maintainers; then check maintainers "MAINTAINERS has each file" maintainers || true; fi
		if wanted uapi; then check uapi "the UAPI header in C89 to C23, C++, and on 32 bits" uapi_header || true; fi
		if wanted b4; then check b4 "b4 am gives the same patches" b4_am || true; fi
		if wanted post; then check post "make post" check_post || true; fi
		if wanted cocci; then check cocci "coccicheck" run_coccicheck || true; fi
		if wanted htmldocs; then check htmldocs "htmldocs" run_htmldocs || true; fi
	fi
	if wanted limits || wanted sparse; then
		if check "limits-build-$name" "$name: build the module for x86_64" build_module_x86; then
			if wanted limits; then check "limits-$name" "$name: text, functions and stack frames within their limits" check_limits || true; fi
			if ! wanted sparse; then :
			elif grep -q '__force.*VM_FAULT_OOM' "$linux/include/linux/mm_types.h"; then
				check "sparse-$name" "$name: sparse" run_sparse || true
			else say "$name: no sparse: the kernel's own VM_FAULT_RESULT_TRACE, which trace.h uses, has warnings"
			fi
		fi
	fi
	wanted builds || continue
	check "gate-$name-programs" "$name: build the programs" build_programs || continue
	commits=$(git -C "$linux" rev-list --reverse base..series)
	[ -n "$commits" ] || die "the series is empty"
	for commit in $commits; do
		subject=$(git -C "$linux" log -1 --format=%s "$commit")
		check "gate-$name-x86-${commit:0:12}" "$name: W=1 on x86_64 at \"$subject\"" build_patch_x86 "$commit" || true
	done
	for mode in y m n; do
		check "gate-$name-$mode" "$name: build the kernel, SHMBUF=$mode" gate_kernel || continue
		[ $mode != m ] ||
			check "gate-$name-module" "$name: load, test, unload, twice" test_module || true
		for commit in $commits; do
			subject=$(git -C "$linux" log -1 --format=%s "$commit")
			check "gate-$name-$mode-${commit:0:12}" "$name: W=1, SHMBUF=$mode, at \"$subject\"" build_patch "$commit" || continue
			[ $mode != y ] ||
				check "gate-$name-kunit-${commit:0:12}" "$name: KUnit there" kunit_patch || true
		done
	done
	git -C "$linux" checkout -q -f series
done
finish
