#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make check: patches, tools, and the tests on three of the targets. Goes on after
# a failure where the next stage does not need the failed one.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"
. "$top/scripts/static.sh"

# each_selftest COMMAND...: for a shell, to run each of them by a command. It ends
# well when none fails.
each_selftest() {
	printf '%s\n' status=0 "for test in $programs/kselftest/shmbuf/shmbuf_*; do" \
		"$* \$test; case \$? in 0 | 4) ;; *) status=1 ;; esac" done 'exit $status'
}

# Whoever is in the group that may open the node, but may do nothing else.
without_root() {
	may_skip=1 count_tap run_script unprivileged 'chgrp 65534 /dev/shmbuf' 'chmod 660 /dev/shmbuf' \
		"$(each_selftest setpriv --reuid=65534 --regid=65534 --clear-groups)"
}

# Nothing can be tested; that is said, and is no failure.
without_device() {
	run_script nodevice 'rm /dev/shmbuf' "$(each_selftest)" || return
	grep -q ' SKIP cannot open /dev/shmbuf' "$console"
	! grep -E '^(not )?ok |^Bail' "$console" | grep -v ' # SKIP .'
}

# A million records, and a producer that goes while a program waits for it.
sample() {
	run_script sample "insmod $kernel/samples/shmbuf/shmbuf-producer.ko batch=4096 || exit" \
		"$programs/shmbuf-hello || exit" "$programs/shmbuf-consumer 1000000 || exit" \
		"$programs/shmbuf-consumer 1000000000000 & sleep 1" \
		'rmmod shmbuf_producer || exit; ! test -e /dev/shmbuf-sample || exit' \
		'wait $!; test $? = 1' || return
	grep -q '^hello through a shared page' "$console"
	grep -q 'shmbuf-consumer: the producer has gone' "$console"
	grep '1000000 records, none lost, none torn' "$console"
}

# A driver with a device node of its own and two buffers.
frames() {
	count_tap run_script frames "insmod $kernel/samples/shmbuf/shmbuf-frames.ko || exit" "python3 $top/guest/frames.py"
}

# What "make run" shows, and what README.md has of it.
demo() {
	demonstrate || return
	"$top/scripts/readme.py" "$top" excerpt "$console"
}

# The program and the commands of README.md. modprobe finds a list of what is built in.
readme() {
	local modules=$work/modules release
	release=$(cat "$kernel/include/config/kernel.release") || return
	mkdir -p "$modules/lib/modules/$release"
	cp "$kernel"/modules.* "$modules/lib/modules/$release"
	depmod -b "$modules" "$release" || return
	"$top/scripts/readme.py" "$top" c >"$work/readme.c" || return
	gcc -O2 -Wall -Werror -isystem "$programs/usr/include" -o "$programs/readme" "$work/readme.c" || return
	run_script readme 'set -e' "cd $top" "PATH=$programs:\$PATH" "export MODPROBE_OPTIONS='-d $modules'" \
		'mount -t tmpfs none /mnt; cp -a /etc/. /mnt; mount -n --move /mnt /etc; mkdir -p /etc/udev/rules.d' "$("$top/scripts/readme.py" "$top" sh)" \
		'test -s /etc/udev/rules.d/60-shmbuf.rules && umount -n /etc' readme || return
	grep -q '^frames .* 8M pages' "$console"
	grep '^hello through a shared page' "$console"
}

# The package, and that apt would install it.
package() {
	OUT=$work/dist "$top/scripts/dkms.sh" || return
	apt-get install --simulate "$work"/dist/shmbuf-*.deb
}

# The tool, and the examples of waiting. The tool also compiles without a shared library, and on 32 bits.
tool() {
	local cc
	for cc in 'gcc -static' i686-linux-gnu-gcc; do
		$cc -O2 -Wall -Wextra -Werror -isystem "$programs/usr/include" -o "$work/shmbuf" "$top/tools/shmbuf/shmbuf.c" || return
	done
	buffers=selftest:64K count_tap run_program tool /usr/bin/python3 "$top/guest/tool.py" "$programs"
}

# The programs of the document in other languages. Root gets the languages.
languages=(python3 nodejs golang-go rustc librust-memmap2-dev default-jdk-headless)
other_languages() {
	rm -rf "$programs/languages"
	"$top/scripts/languages.py" "$top/Documentation/userspace-api/shmbuf.rst" "$programs/languages"
	may_skip=1 buffers=selftest:64K count_tap run_program languages /bin/sh "$top/guest/languages.sh" "$programs/languages"
}

# A buffer of the boot list that cannot be made takes no other with it.
boot_list() {
	buffers=first:64K,first:64K,large:1T,block:64M:stream,paper:4K:paper,last:64K:contig, \
		run_script list 'for name in first last; do test -c /dev/shmbuf-$name || exit; done' \
		'for name in large block paper; do ! test -e /dev/shmbuf-$name || exit; done' || return
	grep '"large": cannot allocate 1073741824 KiB; memory of the machine: [0-9]* KiB' "$console"
	grep '"block": cannot allocate 65536 KiB; largest contiguous block: [0-9]* KiB' "$console"
	grep '"paper": no such backing' "$console"
	grep '"first": -EEXIST' "$console"
}

# What mm wants of such mappings.
pfnmap() { count_tap run_program pfnmap /pfnmap -- /dev/shmbuf-ivshmem0; }

targets=(uml uml-kasan x86_64)
need_targets "${targets[@]}"
need g++ b4 debhelper dh-dkms
[ "$(id -u)" != 0 ] || need python3-numpy "${languages[@]}"
lock_cache
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check sync "patches/ and the folders agree" "$top/scripts/check-sync.sh" || true
get_source
. "$top/scripts/target.sh"
. "$top/scripts/guests.sh"
check am "apply the series with git am" apply_series "$linux" || finish
check_patches
check doc "kernel-doc -Wall" kernel_doc || true
check uapi "the UAPI header in C89 to C23, C++, and on 32 bits" uapi_header || true
check b4 "b4 am gives the same patches" b4_am || true
check post "make post" check_post || true
check glue "the tools' own tests" "$top/scripts/test-glue.sh" || true
consoles=()
for name in "${targets[@]}"; do
	use_target "$name"
	check_target all || true
	consoles+=("$kernel"/console.{kunit,selftests}.log)
done
use_target uml
check unprivileged "selftests without root" without_root || true
check nodevice "selftests without the device" without_device || true
check demo "the demonstration of make run" demo || true
check readme "the program and the commands of README.md" readme || true
check package "the package, and that apt would install it" package || true
check sample "sample: a driver, a program, a million records" sample || true
check layers "each file of the driver calls only those before it" layers || true
check frames "sample: a driver with a node of its own and two buffers" frames || true
check usbmon "tcpdump on usbmon with a buffer" usbmon || true
check comedi "comedilib on comedi with buffers" comedi || true
check list "buffers made at boot" boot_list || true
check tool "the tool, and the examples of waiting" tool || true
check languages "the document's programs in other languages" other_languages || true
use_target x86_64
check pfnmap "mm's selftest pfnmap on a region" pfnmap || true
check exchange "two guests exchange data" count_peers exchange || true
check doorbell "two guests ring each other's doorbell" count_peers doorbell || true
check dma "a device imports buffers and does DMA" dma dma peers -cpu EPYC || true
check dma-iommu "the same behind an IOMMU" dma dma-iommu "peers intel_iommu=on" -cpu EPYC -device intel-iommu || true
check dma-bounce "the same, and SYNC copies" dma dma-bounce swiotlb=force || true
check unplug "a guest's memory is unplugged" count_peers unplug || true
check rows "each row of kunit/ROWS.md has its tests" "$top/scripts/rows.py" "$top/kunit/ROWS.md" "${consoles[@]}" || true
# A chroot takes root, and the right to mount.
if [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then
	check distro "the package on kernels of the distribution: the newest, and 6.12" "$top/scripts/distro.sh" 7.3 6.12 || true
else
	say "skipped: the package on kernels of the distribution, which takes root and mounts (make distro)"
fi
print_table
finish
