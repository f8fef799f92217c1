#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make distro: the package on kernels that the distribution built. In a fresh chroot of a
# suite apt installs the package and dkms builds the modules, QEMU boots the unmodified
# image with them and runs the selftests, and the package is purged.
#
# usage: distro.sh [KERNEL...]: only those of the table below, and no other flavours

# Mounts of a chroot are gone when the script is.
[ -n "${SHMBUF_MOUNTS:-}" ] || { SHMBUF_MOUNTS=private exec unshare --mount "$0" "$@"; }

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"

# Kernel, chroot, and the suites of the chroot.
table='
6.12 stable stable stable-security stable-backports
7.2 stable stable stable-security stable-backports
7.3 unstable unstable experimental
'
flavours=(cloud-amd64 amd64 rt-amd64)

# A main repository has no suite of security updates, which has a repository of its own.
sources() {
	local suite repo
	for suite; do
		for repo in $(repositories); do
			case $suite,$repo in *-security,*security* | *-security,*) [[ $suite,$repo = *-security,*security* ]] ;; *) [[ $repo != *security* ]] ;; esac || continue
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
	apt_install dkms udev
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
}

# The modules in the order in which they load. Tests want some of the distribution's.
pack_modules() {
	local name path
	rm -rf "$programs"
	cp -a "$build/distro/root" "$programs"
	mkdir "$programs/modules"
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

# The lines of the table of limits that hold for a kernel: its tests are expected to fail.
limits() { sed -n "s/^| $1 | .* | \`\([^\`]*\)\` |\$/\1/p" "$top/dkms/README.md"; }

# A test that fails is a limit if the table has it, and a test of the table has to fail.
count_distro() {
	local status=0 test
	run_selftests GUEST_MODULES=/modules/list "$@" || status=1
	skipped_tests "$console" || status=1
	limits "$number" >"$logs/limits"
	sed -nE 's/^not ok [0-9]+ ([^ #]*).*/\1/p' "$console" | sort -u >"$logs/failed"
	while read -r test; do
		grep -qxF "$test" "$logs/failed" && say "limit: $test" || { say "$test is a limit in the table, and passes"; status=1; }
	done <"$logs/limits"
	say "failed:" $(grep -vxFf "$logs/limits" "$logs/failed")
}
