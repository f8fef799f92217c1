# SPDX-License-Identifier: GPL-2.0
# Sourced after get_source: a row of kunit/targets, its kernel, KUnit and the
# selftests in it. kunit.py builds the kernel; the selftests boot the same one.

build=$cache/build/$(basename "${linux:?}")
jobs=$(nproc)

export PATH=/usr/lib/ccache:$PATH CCACHE_DIR=$cache/ccache CCACHE_MAXSIZE=8G

# Of a machine with the driver for it; tests have others.
devices=(-object memory-backend-ram,id=shared,size=64M,share=on -device ivshmem-plain,memdev=shared)

# use_target NAME: what the functions below work on.
use_target() {
	local row
	row=$(target_row "$1")
	read -r target arch cross configs _ <<<"$row"
	[ "$cross" != - ] || cross=
	kernel=$build/$target
	case $arch in
	um) programs=$build/user ;;
	*) programs=$kernel/root ;;
	esac
	mkdir -p "$kernel" "$programs"
}

kunit_py() {		# command [option...]
	cd "$linux"
	./tools/testing/kunit/kunit.py "$1" "${@:2}"
}

build_kernel() {
	local fragment options=()
	for fragment in ${configs//,/ }; do
		options+=(--kunitconfig="$top/kunit/$fragment.config")
	done
	case ,$configs, in *,bench,*) ;; *) options+=(--kunitconfig=drivers/misc/shmbuf/tests) ;; esac
	case ,$configs, in *,kmsan,*) options+=(--make_options LLVM=-19) ;; esac
	[ "$target" != uml-gcov ] || options+=(--kunitconfig=tools/testing/kunit/configs/coverage_uml.config)
	kunit_py build --arch="$arch" ${cross:+--cross_compile="$cross"} --build_dir="$kernel" \
		--jobs="$jobs" "${options[@]}"
}

# build_selftests FOLDER GCC OPTION...: what kselftest packs, in a folder, and the programs
# of tests/ beside it. On 32 bits the harness itself has that cast.
build_selftests() {
	local folder=$1 program name
	rm -rf "$folder" "$folder".{build,install}
	make -C "$linux/tools/testing/selftests" gen_tar O="$headers" OUTPUT= TARGETS=shmbuf FORCE_TARGETS=1 \
		BUILD="$folder.build" KSFT_INSTALL_PATH="$folder.install" \
		USERCFLAGS='-Werror -Wno-pointer-to-int-cast' "${@:3}"
	mkdir "$folder"
	tar -x -f "$folder.install/kselftest-packages/kselftest.tar.gz" -C "$folder"
	rm -rf "$folder".{build,install}
	for program in "$top"/tests/*.c; do
		name=$(basename "$program" .c)
		"$2" -O2 -Wall -Werror -Wno-unused-result -Wno-pointer-to-int-cast -pthread \
			$([ "$arch" = um ] || say -static) -isystem "$headers/usr/include" \
			-I "$linux/tools/testing/selftests" -I "$linux/tools/testing/selftests/shmbuf" \
			-o "$folder/shmbuf/$name" "$program"
		# Without arguments, all but torture take a moment.
		[ "$name" = torture ] || say "shmbuf:$name" >>"$folder/kselftest-list.txt"
	done
}

# The selftests, and PID 1 to run them. Under UML they are programs of the host;
# elsewhere without libraries, in an initramfs, as the guest has no other file.
build_programs() {
	local headers=$programs options=() program
	if [ "$arch" = um ]; then
		make -C "$linux" -s O="$headers" headers
		for program in guest/{init,mapper} samples/shmbuf/shmbuf-{consumer,hello,realtime} tools/shmbuf/shmbuf; do
			gcc -O2 -Wall -Werror -isystem "$headers/usr/include" -o "$programs/${program##*/}" "$top/$program.c"
		done
	else
		headers=$kernel
		options=(ARCH="$arch" CROSS_COMPILE="$cross" USERLDFLAGS=-static)
		rm -rf "$programs"
		mkdir -p "$programs"/{dev,proc,sys}
		make -C "$linux" -s ARCH="$arch" CROSS_COMPILE="$cross" O="$headers" headers
		"${cross}gcc" -O2 -Wall -Werror -static -o "$programs/init" "$top/guest/init.c"
	fi
	build_selftests "$programs/kselftest" "${cross}gcc" "${options[@]}"
	case ,$configs, in *,compat,*)
		build_selftests "$programs/kselftest32" i686-linux-gnu-gcc "${options[@]}" \
			ARCH=i386 CROSS_COMPILE=i686-linux-gnu- ;;
	esac
	local tests=$linux/tools/testing/selftests
	case ,$configs, in *,ivshmem,*)
		"${cross}gcc" -O2 -static -D_GNU_SOURCE= -isystem "$headers/usr/include" -I "$tests" \
			-o "$programs/pfnmap" "$tests"/mm/{pfnmap,vm_util}.c
		"${cross}gcc" -O2 -Wall -Werror -static -isystem "$headers/usr/include" -o "$programs/peer" "$top/guest/peer.c" ;;
	esac
	case ,$configs, in *,edu,*)
		build_edu
		"${cross}gcc" -O2 -Wall -Werror -Wno-unused-result -static -isystem "$headers/usr/include" \
			-I "$tests" -I "$tests/shmbuf" -o "$programs/edu" "$top/tests/edu/test.c" ;;
	esac
	[ "$arch" = um ] || pack_initramfs
}

# The driver of the device that imports buffers. It is no part of the series.
build_edu() {
	rm -rf "$kernel/edu"
	cp -r "$top/tests/edu" "$kernel"
	make -C "$linux" -s ARCH="$arch" CROSS_COMPILE="$cross" O="$kernel" M="$kernel/edu" modules
	cp "$kernel/edu/edu.ko" "$programs"
}

pack_initramfs() {
	(cd "$programs" && find . | cpio -o -H newc --quiet | gzip -1) >"$kernel/initramfs"
}

# PID 1 and the measuring program alone.
build_bench() {
	local headers=$programs options=() program
	[ "$arch" = um ] || options=(-static) headers=$kernel
	mkdir -p "$programs"/{dev,proc,sys,tmp}
	make -C "$linux" -s ARCH="$arch" CROSS_COMPILE="$cross" O="$headers" headers
	for program in guest/init bench/bench; do
		"${cross}gcc" -O2 -Wall -Werror "${options[@]}" -isystem "$headers/usr/include" \
			-I "$top/tests/edu" -o "$programs/${program#*/}" "$top/$program.c"
	done
	[ "$arch" = um ] || build_edu
	[ "$arch" = um ] || pack_initramfs
}

# What no kernel may print, whatever the tests in it said.
scan_kernel_log() {	# log
	[ -s "$1" ] || { say "the kernel printed nothing"; return 1; }
	! grep -nE 'WARNING:|BUG[: ]|Oops|Kernel panic|[Kk]ernel BUG|Call [Tt]race:|KASAN:|UBSAN:|KCSAN:|INFO: (task|rcu|possible|trying)|possible (circular|recursive) locking|inconsistent lock state|suspicious RCU usage|Bad (page|rss-counter)|refcount_t:|unreferenced object|segfault|Busy inodes|vmstat_refresh:' "$1" ||
		{ say "the kernel reported a mistake of its own (see above)"; return 1; }
}

# until_silent LOG COMMAND...: runs a command with its output in a log, and ends the
# command with status 124 if the log does not grow for $SILENCE seconds. The loop counts
# its own rounds, as a machine that is suspended or overloaded stops these too. The
# command does not outlive the loop, and the loop does not outlive the script.
until_silent() (
	log=$1 pid='' last='' silent=0 status=0
	shift
	trap 'exit 130' INT TERM
	trap 'kill $pid 2>/dev/null' EXIT
	"$@" </dev/null >"$log" 2>&1 &
	pid=$!
	while sleep 1 && kill -0 $pid 2>/dev/null; do
		kill -0 $$ 2>/dev/null || exit 130
		size=$(stat -c %s "$log")
		[ "$size" = "$last" ] && silent=$((silent + 1)) || silent=0
		last=$size
		[ $silent -ge "${SILENCE:-1200}" ] || continue
		kill $pid
		wait $pid || true
		status=124
		break
	done
	[ $status = 124 ] || wait $pid || status=$?
	trap - EXIT
	exit $status
)

# boot NAME WORD...: boot with words for the kernel's command line; the console
# goes to a log that $console names.
boot() {
	local status=0 machine
	console=$kernel/console.$1.log
	if [ "$arch" = um ]; then
		until_silent "$console" boot_uml "${@:2}" || status=$?
	else
		machine=$("$top/scripts/machine.py" "$linux" "$arch")
		mapfile -t machine <<<"$machine"
		until_silent "$console" boot_qemu "${@:2}" || status=$?
	fi
	sed -i 's/\r//g' "$console"
	case $status in 124 | 137) say "the kernel hung and was stopped"; return 1 ;; esac
	scan_kernel_log "$console" || return 1
	case ,$configs, in *,kmemleak,*)
		grep -q '^guest: looked for leaks' "$console" || { say "kmemleak does not work"; return 1; }
	esac
	# s390 restarts without a word.
	[ "$arch" = s390 ] || grep -qE 'reboot: (Power down|Restarting system)' "$console" ||
		{ say "the kernel did not reach its end"; return 1; }
	grep -q '^guest: exit status 0' "$console" || { say "the programs in the guest failed"; return 1; }
}

# The host's files are the root file system, read-only. BOOT_TIMEOUT, in seconds, ends
# a kernel that may print for ever. On SIGTERM, timeout kills a kernel that stays.
boot_uml() {
	exec timeout --foreground --kill-after=10 "${BOOT_TIMEOUT:-0}" "$kernel/linux" \
		root=/dev/root rootfstype=hostfs rootflags=/ ro init="$programs/init" \
		seccomp=on ncpus="${CPUS:-2}" mem=2G rcupdate.rcu_cpu_stall_timeout=300 con=null con0=fd:0,fd:1 uml_dir="$kernel/" "$@"
}

# Not with KVM, which is not everywhere, and where it is need not work. The 32-bit
# processor that QEMU would take has no NX bit and no page attribute table.
boot_qemu() {
	local hardware=(-m 2048 -smp "${CPUS:-2}")
	case ,$configs, in *,bench,*) hardware=(-m 3072 -device edu -icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm) ;; esac
	case ,$configs, in *,kmsan,*) hardware[1]=5120 ;; esac
	case ,$configs, in *,ivshmem,*) hardware+=("${devices[@]}") ;; esac
	exec timeout --foreground --kill-after=10 "${BOOT_TIMEOUT:-0}" "${machine[@]:2}" -nodefaults -nographic -no-reboot \
		-accel tcg "${hardware[@]}" $([ "$arch" != i386 ] || say -cpu Penryn) -kernel "$kernel/${machine[0]}" -initrd "$kernel/initramfs" \
		-append "${machine[1]} panic=-1 rcupdate.rcu_cpu_stall_timeout=300 GUEST_RESTART=1 $*"
}

# Every KUnit case of the series. kunit.py reads the log only, as it would take
# KVM where there is a /dev/kvm, believe a kernel that warns while all tests pass,
# and wait for ever for one that hangs.
run_kunit() {
	local status=0
	boot kunit kunit.enable=1 'kunit.filter_glob=shmbuf*' || status=1
	# A message of the kernel between the two lines with which a test begins confuses kunit.py.
	awk '/KTAP version 1$/ { print; start = 1; next }
	     start && !/(# Subtest: |1\.\.[0-9]|ok [0-9])/ { next }
	     { start = 0; print }' "$console" >"$console.ktap"
	kunit_py parse "$console.ktap" || status=1
	return $status
}

# Where the guest has the programs.
guest_folder() { [ "$arch" != um ] || say "$programs"; }

run_selftests() {		# word...
	local tests=$(guest_folder)/kselftest status=0
	set -- shmbuf.buffers=selftest:64K SHMBUF_IVSHMEM_TEST=1 vivid.n_devs=2 vivid.allocators=0,1 "$@"
	case ,$configs, in *,compat,*) tests+=:/kselftest32 ;; esac
	boot selftests kunit.enable=0 GUEST_TESTS="$tests" "$@" || status=1
	! grep -E '^guest: after .* -1 (buffers|KiB charged)' "$console" || { say "the guest cannot tell what is left"; status=1; }
	cat "$console"
	return $status
}

# run_program NAME PROGRAM ARGUMENT...: a program of the guest. $buffers is a list of
# buffers to publish at boot, $words is for the kernel's command line.
run_program() {
	local status=0
	boot "$1" kunit.enable=0 ${buffers:+shmbuf.buffers="$buffers"} ${words:-} "GUEST_RUN=\"${*:2}\"" || status=1
	cat "$console"
	return $status
}

# run_script NAME COMMAND...: what a shell runs, under UML.
run_script() {
	local script=$programs/run.$1.sh
	printf '%s\n' "${@:2}" >"$script"
	run_program "$1" /bin/sh "$script"
}

# Under UML. With a demonstration that fails, the command fails.
demonstrate() { run_program demo /bin/bash "$top/guest/demo.sh" "$programs"; }
