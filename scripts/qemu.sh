# SPDX-License-Identifier: GPL-2.0
# Sourced after uml.sh: the same tests in an x86_64 kernel under QEMU, which
# has what UML has not: huge pages, and all the debugging.

x86=$build/x86_64

build_x86() {
	mkdir -p "$x86"
	cd "$linux"
	./tools/testing/kunit/kunit.py build --arch=x86_64 --build_dir="$x86" --jobs="$jobs" \
		--kunitconfig=drivers/misc/shmbuf/tests --kunitconfig="$top/kunit/x86_64.config"
}

# Programs without libraries, in an initramfs: the guest has no other file.
build_initramfs() {
	local root=$x86/root test
	build_user
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys}
	cp /bin/busybox "$root/bin/"
	ln -s busybox "$root/bin/sh"
	gcc -O2 -Wall -Werror -static -o "$root/init" "$top/guest/init.c"
	rm -rf "$x86/kselftest"
	make -C "$linux/tools/testing/selftests" O="$user" OUTPUT= TARGETS=shmbuf FORCE_TARGETS=1 \
		BUILD="$x86/kselftest" USERLDFLAGS=-static
	for test in "$x86"/kselftest/shmbuf/*_test; do cp "$test" "$root/"; done
}

# kunit.py would prefer KVM where there is a /dev/kvm, even one that does not
# work, so it only reads what a kernel said that was booted like for the others.
run_kunit_x86() {
	local status=0
	kunit='kunit.enable=1 kunit.filter_glob=shmbuf*' boot_qemu kunit 'exit 0' >/dev/null || status=1
	cd "$linux"
	./tools/testing/kunit/kunit.py parse "$x86/console.kunit.log" || status=1
	scan_kernel_log "$x86/console.kunit.log" || status=1
	return $status
}

boot_qemu() {		# name command...
	local console=$x86/console.$1.log status=0
	printf '%s\n' "${@:2}" >"$x86/root/run.sh"
	(cd "$x86/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$x86/initramfs"
	timeout --kill-after=10 "${BOOT_TIMEOUT:-900}" qemu-system-x86_64 -nodefaults -nographic -no-reboot \
		-m 2048 -smp 2 -accel tcg -bios qboot.rom -serial stdio \
		-kernel "$x86/arch/x86/boot/bzImage" -initrd "$x86/initramfs" \
		-append "console=ttyS0 panic=-1 ${kunit:-kunit.enable=0} GUEST_RUN=/run.sh GUEST_RESTART=1" \
		</dev/null >"$console" 2>&1 || status=$?
	sed -i 's/\r$//' "$console"
	cat "$console"
	guest_ended_well "$console" "$status"
}

run_selftests_x86() {
	boot_qemu selftests 'status=0' \
		'echo clear >/sys/kernel/debug/kmemleak' \
		'for t in /*_test; do $t || status=1; done' \
		'echo scan >/sys/kernel/debug/kmemleak' 'busybox sleep 6' \
		'echo scan >/sys/kernel/debug/kmemleak' \
		'busybox cat /sys/kernel/debug/kmemleak' 'exit $status'
}
