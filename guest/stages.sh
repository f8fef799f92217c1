# SPDX-License-Identifier: GPL-2.0
# Sourced after target.sh by scripts/check.sh: its stages that boot a guest. $work is a
# folder that the QEMUs of two guests share.

# each_selftest COMMAND...: lines of a shell that run each of them by a command, and fail if
# one fails.
each_selftest() {
	printf '%s\n' status=0 "for test in $programs/kselftest/shmbuf/shmbuf_*; do" \
		"$* \$test; case \$? in 0 | 4) ;; *) status=1 ;; esac" done 'exit $status'
}

# A process of the group that may open the node, without other rights.
without_root() {
	may_skip=1 count_tap run_script unprivileged 'chgrp 65534 /dev/shmbuf' 'chmod 660 /dev/shmbuf' \
		"$(each_selftest setpriv --reuid=65534 --regid=65534 --clear-groups)"
}

# Each test is skipped with a reason, and none fails.
without_device() {
	run_script nodevice 'rm /dev/shmbuf' "$(each_selftest)" || return
	grep -q ' SKIP cannot open /dev/shmbuf' "$console"
	! grep -E '^(not )?ok |^Bail' "$console" | grep -v ' # SKIP .'
}

# A million records, and a producer that is unloaded while a program waits for it.
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
	count_tap run_script frames "insmod $kernel/samples/shmbuf/shmbuf-frames.ko || exit" \
		"python3 $top/guest/frames.py"
}

# The block of README.md in a language.
block() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$top/README.md" | sed '1d;$d'; }

# The program and the commands of README.md. modprobe finds a list of what is built in.
readme() {
	local modules=$work/modules release
	release=$(cat "$kernel/include/config/kernel.release") || return
	mkdir -p "$modules/lib/modules/$release"
	cp "$kernel"/modules.* "$modules/lib/modules/$release"
	depmod -b "$modules" "$release" || return
	block c | gcc -O2 -Wall -Werror -isystem "$programs/usr/include" -o "$programs/readme" -x c - || return
	run_script readme 'set -e' "cd $top" "PATH=$programs:\$PATH" "export MODPROBE_OPTIONS='-d $modules'" \
		'mount -t tmpfs none /mnt; cp -a /etc/. /mnt; mount -n --move /mnt /etc' 'mkdir -p /etc/udev/rules.d' \
		"$(block sh)" 'test -s /etc/udev/rules.d/60-shmbuf.rules && umount -n /etc' readme || return
	grep -q '^frames .* 8M pages' "$console"
	grep '^hello through a shared page' "$console"
}

# The tool, and the examples of waiting. The tool also compiles without a shared library, and on 32 bits.
tool() {
	local cc
	for cc in 'gcc -static' i686-linux-gnu-gcc; do
		$cc -O2 -Wall -Wextra -Werror -isystem "$programs/usr/include" -o "$work/shmbuf" \
			"$top/tools/shmbuf/shmbuf.c" || return
	done
	buffers=selftest:64K count_tap run_program tool /usr/bin/python3 "$top/guest/tool.py" "$programs"
}

# The programs of the document in other languages. Root gets the languages.
other_languages() {
	rm -rf "$programs/languages"
	"$top/guest/languages.py" "$top/Documentation/userspace-api/shmbuf.rst" "$programs/languages"
	may_skip=1 buffers=selftest:64K count_tap \
		run_program languages /bin/sh "$top/guest/languages.sh" "$programs/languages"
}

# A buffer of the boot list that cannot be made does not affect another.
boot_list() {
	buffers=first:64K,first:64K,large:1T,block:64M:stream,paper:4K:paper,last:64K:contig, \
		run_script list 'for name in first last; do test -c /dev/shmbuf-$name || exit; done' \
		'for name in large block paper; do ! test -e /dev/shmbuf-$name || exit; done' || return
	grep '"large": cannot allocate 1073741824 KiB; memory of the machine: [0-9]* KiB' "$console"
	grep '"block": cannot allocate 65536 KiB; largest contiguous block: [0-9]* KiB' "$console"
	grep '"paper": no such backing' "$console"
	grep '"first": -EEXIST' "$console"
}

# The test of mm for such mappings.
pfnmap() { count_tap run_program pfnmap /pfnmap -- /dev/shmbuf-ivshmem0; }

# Test usbmon with a USB gadget of the same guest.
usbmon() {
	local gadget=$kernel/drivers/usb/gadget
	count_tap run_script usbmon 'mount -t tmpfs none /mnt || exit' 'export TMPDIR=/mnt' \
		'head -c 4M /dev/urandom >/mnt/disk' "insmod $gadget/libcomposite.ko || exit" \
		"insmod $gadget/function/usb_f_mass_storage.ko || exit" \
		"insmod $gadget/legacy/g_mass_storage.ko file=/mnt/disk || exit" \
		"python3 $top/guest/usbmon.py || exit" 'umount /mnt'
}

# Test comedi with comedilib's example and test program, unmodified.
comedi() {
	local demo=/usr/share/doc/libcomedi-dev/demo
	[ -f $demo/mmap.c ] ||
		{ say "$demo is missing: allow it in /etc/dpkg/dpkg.cfg.d, and reinstall libcomedi-dev"; return 1; }
	gcc -O2 -o "$programs/comedi-mmap" $demo/{common,mmap}.c -lcomedi -lm || return
	count_tap run_script comedi "insmod $kernel/drivers/comedi/drivers/comedi_test.ko || exit" \
		"python3 $top/guest/comedi.py $programs/comedi-mmap"
}

# count_peers COMMAND...: like count_tap, for what the guests said, in $work/said.
count_peers() {
	local status=0
	"$@" >"$work/said" 2>&1 || status=1
	cat "$work/said"
	count_lines "$work/said" || status=1
	return $status
}

# two_guests WHAT: both at the same time, each with $devices.
two_guests() {
	local who pids=() status=0
	for who in first second; do
		(run_program "$1-$who" /peer "$1" "$who") >"$work/$who" 2>&1 &
		pids+=($!)
	done
	wait "${pids[0]}" || status=1
	wait "${pids[1]}" || status=1
	cat "$work"/{first,second}
	return $status
}

share_file() {
	truncate -s 16M "$work/shared"
	devices=(-object "memory-backend-file,id=shared,size=16M,share=on,mem-path=$work/shared"
		-device ivshmem-plain,memdev=shared,id=iv)
}

exchange() {
	local devices
	share_file
	two_guests exchange
}

doorbell() {
	local server
	"$top/guest/ivshmem-server.py" "$work/server" 4 2 &
	server=$!
	# The server ignores SIGINT.
	trap "kill $server" EXIT
	until [ -S "$work/server" ]; do kill -0 $server && sleep 0.1 || return; done
	local devices=(-chardev "socket,path=$work/server,id=server"
		-device ivshmem-doorbell,vectors=2,chardev=server)
	two_guests doorbell
}

# dma NAME WORDS OPTION...: a device that does DMA, edu, beside ivshmem.
dma() {
	local words=$2 devices=(-machine q35 "${devices[@]}" -device edu,dma_mask=0xffffffffffffffff "${@:3}")
	count_tap run_program "$1" /edu
}

# The monitor reads a pipe.
unplug() {
	local devices guest
	share_file
	mkfifo "$work"/monitor.{in,out}
	devices+=(-chardev "pipe,id=monitor,path=$work/monitor" -mon chardev=monitor,mode=readline)
	rm -f "$kernel/console.unplug.log"
	run_program unplug /peer unplug &
	guest=$!
	until grep -q '^peer: ready' "$kernel/console.unplug.log" 2>/dev/null; do
		kill -0 $guest 2>/dev/null && sleep 0.1 || break
	done
	# Opened for writing only, the pipe of a QEMU that has ended would block. (A shell
	# loses the number in "1<>" when it prints a function.)
	{ echo device_del iv >&7; } 7<>"$work/monitor.in"
	wait $guest
}
