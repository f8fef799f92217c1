# SPDX-License-Identifier: GPL-2.0
# Sourced after target.sh: the clients of converted drivers, on a target that has the
# drivers; and guests that share memory by ivshmem, on a target that has that one. $work
# is a folder for what the QEMUs have in common.

# usbmon [SECONDS]: test usbmon with a USB gadget of the same guest.
usbmon() {
	local gadget=$kernel/drivers/usb/gadget
	count_tap run_script usbmon 'mount -t tmpfs none /mnt || exit' 'export TMPDIR=/mnt' \
		'head -c 4M /dev/urandom >/mnt/disk' "insmod $gadget/libcomposite.ko || exit" \
		"insmod $gadget/function/usb_f_mass_storage.ko || exit" \
		"insmod $gadget/legacy/g_mass_storage.ko file=/mnt/disk || exit" \
		"python3 $top/guest/usbmon.py ${1:-} || exit" 'umount /mnt'
}

# comedi [SECONDS]: test comedi with comedilib's example and test program, unmodified.
comedi() {
	local demo=/usr/share/doc/libcomedi-dev/demo
	[ -f $demo/mmap.c ] || { say "$demo is missing: allow /usr/share/doc in /etc/dpkg/dpkg.cfg.d and reinstall libcomedi-dev"; return 1; }
	gcc -O2 -o "$programs/comedi-mmap" $demo/{common,mmap}.c -lcomedi -lm || return
	count_tap run_script comedi "insmod $kernel/drivers/comedi/drivers/comedi_test.ko || exit" \
		"python3 $top/guest/comedi.py $programs/comedi-mmap ${1:-}"
}

# count_peers COMMAND...: like count_tap, for what the guests said, in $work/said.
count_peers() {
	local status=0
	"$@" >"$work/said" 2>&1 || status=1
	cat "$work/said"
	awk '/^ok [0-9]/ { p++ } /^not ok [0-9]/ { f++ }
	     END { printf "counted: %d passed, %d failed\n", p, f; exit !p }' "$work/said" || status=1
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
	local devices=(-chardev "socket,path=$work/server,id=server" -device ivshmem-doorbell,vectors=2,chardev=server)
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
