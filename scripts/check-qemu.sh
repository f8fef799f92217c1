#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make qemu: KUnit and selftests on x86_64 with huge pages, KASAN, lockdep,
# DEBUG_VM and kmemleak.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"

x86_packages="qemu-system-x86 busybox-static cpio libelf-dev"
# shellcheck disable=SC2086
need "${build_packages[@]}" $x86_packages
lock_cache
get_source
. "$top/scripts/uml.sh"
. "$top/scripts/qemu.sh"

check am "apply the series with git am" apply_series "$linux" || finish
check build-x86 "build the kernel (x86_64)" build_x86 || finish
check user-x86 "build the selftests" build_initramfs || finish
check kunit-x86 "KUnit on x86_64" count_kunit run_kunit_x86 || true
check selftests-x86 "selftests on x86_64" count_selftests run_selftests_x86 "$x86/console.selftests.log" || true
finish
