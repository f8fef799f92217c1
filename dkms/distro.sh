#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make distro: the package on kernels that the distribution built. In a fresh chroot of a
# suite apt installs the package and dkms builds the modules, QEMU boots the unmodified
# image with them and runs the selftests, and the package is purged.
#
# usage: distro.sh [KERNEL...]: only those of the table below, and no other flavours

# Mounts of a chroot are gone when the script is.
[ -n "${SHMBUF_MOUNTS:-}" ] || { SHMBUF_MOUNTS=private exec unshare --mount "$0" "$@"; }

. "$(dirname "$0")/../scripts/lib.sh"

# Kernel, chroot, and the suites of the chroot.
table='
6.12 stable stable stable-security stable-backports
7.2 stable stable stable-security stable-backports
7.3 unstable unstable experimental
'
flavours=(cloud-amd64 amd64 rt-amd64)

# Security updates have a repository of their own.
sources() {
	local suite repo
	for suite; do
		for repo in $(repositories); do
			[[ $suite = *-security && $repo = *security* || $suite != *-security && $repo != *security* ]] || continue
			say "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $repo $suite main"
		done
	done
}

in_chroot() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"; }
apt_install() { in_chroot apt-get install -y --no-install-recommends "$@"; }

make_chroot() {		# suite...
	rm -rf "$root"
	debootstrap --variant=minbase --cache-dir="$cache/distro/archives" --include=ca-certificates "$suite" "$root" "$(repositories | grep -v security | head -n 1)"
	sources "$@" >"$root/etc/apt/sources.list"
	apt-config dump Acquire >"$root/etc/apt/apt.conf.d/00host"
	mount -t proc proc "$root/proc"
	mkdir -p "$root/dev/pts"
	mount --bind "$cache/distro/archives" "$root/var/cache/apt/archives"
	in_chroot apt-get update
	apt_install dkms udev adduser gcc libc6-dev
}

# The newest package of headers of a kernel and flavour, without "linux-headers-".
newest_headers() {	# kernel flavour
	in_chroot apt-cache search --names-only "^linux-headers-$1[.0-9]*([+][a-z0-9.]*)?-$2\$" |
		sed -n 's/^linux-headers-\([^ ]*\).*/\1/p' | sort -V | tail -n 1
}

# Whatever package of these has the image, or the modules.
unpack_image() {
	local part
	rm -rf "$kernel"
	mkdir -p "$kernel"/{arch/x86/boot,deb}
	cd "$kernel/deb"
	for part in image binary modules; do
		in_chroot sh -c "cd /var/tmp && apt-get download linux-$part-$release" || continue
		dpkg-deb -x "$root"/var/tmp/linux-"$part"-*.deb .
		rm "$root"/var/tmp/linux-"$part"-*.deb
	done
	cp "$(find . -name 'vmlinuz*')" "$kernel/arch/x86/boot/bzImage"
	pack_modules
}

# The modules in the order in which they load. Tests want some of the distribution's.
pack_modules() {
	local name path
	rm -rf "$programs"
	cp -a "$build/distro/root" "$programs"
	mkdir "$programs/modules"
	! grep -q shmbuf_compat_mmap "$root"/var/lib/dkms/shmbuf/*/"$release"/*/Module.symvers ||
		cp "$build/distro/fuzz.old" "$programs/kselftest/shmbuf/fuzz"
	for name in loop hwpoison-inject shmbuf shmbuf_ivshmem; do
		path=$(find "$root/lib/modules/$release/updates" "$kernel/deb" -name "$name.ko*" | head -n 1)
		case $path in
		*.xz) xz -dc "$path" >"$programs/modules/$name.ko" ;;
		*.ko) cp "$path" "$programs/modules" ;;
		*) say "no module $name"; continue ;;
		esac
		say "/modules/$name.ko$([ $name != shmbuf ] || say ' buffers=selftest:64K')" >>"$programs/modules/list"
	done
	grep -q shmbuf_ivshmem "$programs/modules/list"
	pack_initramfs
}

# Prints the tests of the table of limits for a kernel, and "sometimes" with a condition.
limits() {
	awk -F '|' -v kernel="$1" '$2 == " " kernel " " { n = split($4, word, "`"); for (i = 2; i < n; i += 2) print word[i] (word[i + 1] ~ /^ \(/ ? " sometimes" : "") }' "$top/dkms/README.md"
}

# Each program has to come to its end, and each test that fails to be in the table; a
# test of the table that passes is no limit any more.
count_distro() {
	local status=0 name when
	run_selftests GUEST_MODULES=/modules/list >"$work/selftests" || status=1
	cat "$work/selftests"
	! grep -q '^the programs in the guest failed' "$work/selftests" || status=0
	skipped_tests "$console" || status=1
	[ "$(grep -c '^guest: run ' "$console")" = "$(grep -cE '^# Totals:|^1\.\.0 # SKIP' "$console")" ] ||
		{ say "a program did not come to its end"; status=1; }
	sed -nE 's/^not ok [0-9]+ ([^#]*[^# ]).*/\1/p' "$console" | sort -u >"$work/failed"
	while read -r name when; do
		if grep -vxF "$name" "$work/failed" >"$work/rest"; [ "$(wc -l <"$work/rest")" -lt "$(wc -l <"$work/failed")" ]; then
			say "limit: $name"
			mv "$work/rest" "$work/failed"
		elif [ -z "$when" ]; then
			say "$name passes, but is in the table of limits"
			status=1
		fi
	done < <(limits "$number")
	[ ! -s "$work/failed" ] || { sed 's/^/failed: /' "$work/failed"; status=1; }
	say "counted: $(grep '^ok [0-9]' "$console" | grep -vc ' # SKIP') passed, $(wc -l <"$work/failed") failed"
	return $status
}

# Without buffers that are published at load time, the module can be unloaded.
count_samples() {
	sed -i 's/ buffers=.*//' "$programs/modules/list"
	cp "$root"/root/samples/shmbuf-{hello,consumer,frames} "$programs/kselftest/shmbuf"
	printf 'shmbuf:%s\n' shmbuf-hello shmbuf-consumer shmbuf-frames >"$programs/kselftest/kselftest-list.txt"
	cp "$root"/root/samples/*.ko "$programs/modules"
	printf '/modules/%s\n' shmbuf-producer.ko shmbuf-frames.ko >>"$programs/modules/list"
	pack_initramfs
	count_tap boot samples GUEST_MODULES=/modules/list GUEST_UNLOAD=1 GUEST_TESTS=/kselftest || { cat "$console"; return 1; }
	cat "$console"
	grep -q '1000000 records, none lost, none torn' "$console"
	grep -q '^hello through a shared page' "$console"
}

# The lines of dkms/README.md for a driver and for a program.
build_samples() {
	in_chroot sh -e -c "cd /root && rm -rf samples && cp -r /usr/src/shmbuf/samples . && make -C /lib/modules/$release/build M=\$PWD/samples modules
		for program in shmbuf-hello shmbuf-consumer; do gcc -static -o samples/\$program samples/\$program.c; done"
	cp "$top/guest/frames.c" "$root/root/samples/frames.c"
	in_chroot gcc -static -o /root/samples/shmbuf-frames /root/samples/frames.c
}

installed() { in_chroot dkms status | grep "^shmbuf/[^,]*, $1, .*: installed" || { cat "$root"/var/lib/dkms/shmbuf/*/build/make.log; return 1; }; }

named_files() { find "$root" -xdev -name '*shmbuf*' -not -path '*/linux-headers-*' | sort; }

# apt builds for the headers that are there, and those that come later bring dkms.
install_package() {
	local first=$1
	shift
	apt_install "linux-headers-$first"
	named_files >"$work/before"
	cp "$work"/deb/*.deb "$root/var/tmp"
	in_chroot sh -c 'apt-get install -y /var/tmp/shmbuf-*.deb'
	installed "$first"
	[ $# = 0 ] || apt_install "${@/#/linux-headers-}"
}

# udev understands the rule, and knows the group.
check_rule() {
	in_chroot addgroup --system shmbuf
	in_chroot udevadm verify --no-summary /usr/src/shmbuf/examples/60-shmbuf.rules
}

# No file with the name is left.
purge_package() {
	in_chroot apt-get purge -y shmbuf-dkms shmbuf-dev shmbuf-tools
	rm -rf "$root"/root/samples "$root"/var/tmp/*
	# The C library has asm/shmbuf.h.
	named_files | diff "$work/before" -
	! grep -r shmbuf "$root"/lib/modules/*/modules.dep
}

# The compatibility for kernels that lack more than those that are packaged, and the
# sentence for those that lack too much.
build_edges() {
	local headers=/usr/src/linux-headers-$release
	in_chroot cp -r /usr/src/shmbuf/. /root/edges
	! grep -q shmbuf_compat_mmap "$root"/var/lib/dkms/shmbuf/*/"$release"/*/Module.symvers ||
		in_chroot make -C "$headers" M=/root/edges shmbuf-found= modules
	in_chroot make -C "$headers" M=/root/edges shmbuf-headers=/none modules >"$work/old" 2>&1 && return 1
	rm -rf "$root/root/edges"
	grep 'shmbuf needs Linux 6.12 or newer' "$work/old"
	echo 6.11.0-amd64 7.10.1 6.12.1 | xargs -n 1 | grep -cE "$(sed -n 's/^BUILD_EXCLUSIVE_KERNEL="\(.*\)"/\1/p' "$top/dkms/dkms.conf")" | grep -x 2
}

# The second time gives the same, and the package has the files of the tarball.
build_twice() {
	OUT=$work/deb "$top/dkms/packages.sh"
	OUT=$work/again "$top/dkms/packages.sh"
	diff -r "$work/deb" "$work/again"
	dpkg-deb -x "$work"/deb/shmbuf-dkms_*.deb "$work/x"
	mkdir "$work/y"
	tar -xJf "$work"/deb/*.tar.xz -C "$work/y"
	diff -r "$work/x/usr/src/"shmbuf-* "$work/y/"shmbuf-*
	if grep -rn COMPAT "$top/drivers/misc/shmbuf"; then return 1; fi
	for file in "$top"/drivers/misc/shmbuf/*.[ch]; do cmp "$file" "$work/y/"shmbuf-*/"${file##*/}"; done
	lines=$(find "$top/dkms/compat" -type f -exec cat {} + | wc -l)
	say "compat/ has $lines lines"
	[ "$lines" -le 350 ]
}

build_distro_programs() {
	local tests=$linux/tools/testing/selftests
	build_programs
	gcc -O2 -Wall -static -pthread -D_GNU_SOURCE= -include "$top/guest/oldmm.h" -isystem "$kernel/usr/include" \
		-I "$tests" -I "$tests/shmbuf" -o "$kernel/fuzz.old" "$top/tests/fuzz.c"
}

row() { rows+=("$(printf '%-32s %-9s %s' "$@")"); }

# boot_release RELEASE: selftests, then samples and unloading, on a kernel's own image.
boot_release() {
	local status=passed counts
	release=$1
	number=$(sed -E 's/^([0-9]+\.[0-9]+).*/\1/' <<<"$1")
	kernel=$build/distro-$number programs=$kernel/root
	check "distro-$number-image" "$release: unpack the image and pack the modules" unpack_image || { row "$release" "$suite" "no image"; return; }
	check "distro-$number-line" "$release: the samples build by the documented line" build_samples || true
	check "distro-$number-selftests" "$release: boot and run the selftests" count_distro || true
	counts=$(sed -n 's/^counted: \([0-9]*\) passed, \([0-9]*\) failed.*/\1 passed, \2 failed/p' "$logs/distro-$number-selftests.log" | tail -n 1)
	check "distro-$number-samples" "$release: boot, samples, and unload" count_samples || status=FAILED
	row "$release" "$suite" "built; selftests: ${counts:-did not run}, $(grep -c '^limit: ' "$logs/distro-$number-selftests.log") limits, $(grep -c '^skipped: ' "$logs/distro-$number-selftests.log") skipped; samples and unloading $status"
	reasons+=("$(sed -n "s/^skipped: .*# SKIP /$number skips: /p" "$logs/distro-$number-selftests.log" | sort | uniq -c)")
}

# test_suite KERNEL...: those of one chroot.
test_suite() {
	local name flavour booted=() others=() k
	root=$cache/distro/$suite
	check "distro-$suite" "a fresh chroot of $suite" make_chroot "${suites[@]}" || return 0
	for k; do
		name=$(newest_headers "$k" cloud-amd64)
		[ -n "$name" ] || { say "$suite has no headers of $k"; failed=$((failed + 1)); continue; }
		booted+=("$name")
	done
	if [ -n "$full" ]; then
		for k in 6.12 6.16 6.17 6.18 6.19 7.0 7.1 7.2 7.3; do
			for flavour in "${flavours[@]}"; do
				name=$(newest_headers "$k" "$flavour")
				[[ -z $name || " ${booted[*]} " = *" $name "* ]] || others+=("$name")
			done
		done
	fi
	check "distro-$suite-install" "$suite: apt builds for ${booted[0]}" install_package "${booted[@]}" "${others[@]}" || return 0
	check "distro-$suite-rule" "$suite: the udev rule of the example" check_rule || true
	for k in "${booted[@]:1}" "${others[@]}"; do
		check "distro-$suite-built" "$suite: dkms built for $k" installed "$k" && name=built || name="NOT BUILT"
		[[ " ${booted[*]} " = *" $k "* ]] || row "$k" "$suite" "$name"
	done
	for k in "${booted[@]}"; do boot_release "$k"; done
	release=${booted[0]}
	check "distro-$suite-edges" "$suite: kernels that lack more, or too much" build_edges || true
	check "distro-$suite-purge" "$suite: nothing is left after a purge" purge_package || true
	umount "$root/var/cache/apt/archives" "$root/proc"
	rm -rf "$root"
}

[ "$(id -u)" = 0 ] || die "run this as root: debootstrap makes device nodes and mounts"
full=
[ $# -gt 0 ] || { full=1; set -- 6.12 7.2 7.3; }
need "${build_packages[@]}" debootstrap cpio qemu-system-x86 debhelper dh-dkms libelf-dev
lock_cache
get_source
. "$top/scripts/target.sh"
use_target x86_64
# A CPU without cmpxchg16b, which QEMU 7.2 gives wrong flags when an interrupt follows it.
devices+=(-cpu qemu64,-cx16)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache/distro/archives/partial"
[ "$(cat "$series_ready" 2>/dev/null)" = "$(series_hash)" ] ||
	stage distro-am "apply the series with git am" apply_series "$linux"
check distro-package "two builds give the same packages" build_twice || finish
configs=ivshmem kernel=$build/distro programs=$build/distro/root
mkdir -p "$kernel"
check distro-programs "build the programs" build_distro_programs || finish
rows=() reasons=()
for suite in $(awk 'NF { print $2 }' <<<"$table" | sort -u); do
	mapfile -t numbers < <(for k; do awk -v k="$k" -v suite="$suite" '$1 == k && $2 == suite { print k }' <<<"$table"; done)
	[ ${#numbers[@]} -gt 0 ] || continue
	read -ra suites < <(awk -v suite="$suite" '$2 == suite { $1 = $2 = ""; print; exit }' <<<"$table")
	test_suite "${numbers[@]}"
done
say
printf '%s\n' "${rows[@]}"
printf '%s\n' "${reasons[@]}"
say
say "counted: $passed passed, $failed failed"
finish
