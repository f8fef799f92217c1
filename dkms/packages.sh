#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make dkms: writes shmbuf-dkms_VERSION_all.deb, shmbuf-dev_VERSION_all.deb,
# shmbuf-tools_VERSION_ARCH.deb and shmbuf-VERSION.tar.xz to OUT, the folder dist/ of the
# checkout by default. The time of the last commit is the version, and that of each file.

. "$(dirname "$0")/../scripts/lib.sh"

need build-essential debhelper dh-dkms git xz-utils
out=$(realpath -m "${OUT:-$top/dist}")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct)} || die "$top is not a git checkout: set SOURCE_DATE_EPOCH"
export SOURCE_DATE_EPOCH
version=0.$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d.%H%M%S)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/shmbuf-$version

# The driver, its headers, the samples and the tool as they are in the series, and dkms/.
collect() {
	umask 022
	mkdir -p "$tree"/{include/{linux,uapi/linux},tools}
	cp "$top"/drivers/misc/shmbuf/{*.[ch],Makefile} "$tree"
	cp "$top/include/linux/shmbuf.h" "$tree/include/linux"
	cp "$top/include/uapi/linux/shmbuf.h" "$tree/include/uapi/linux"
	cp -r "$top"/dkms/* "$tree"
	rm "$tree"/{packages,distro}.sh
	cp "$top"/samples/shmbuf/*.{c,h,py} "$tree/samples"
	cp -r "$top"/tools/shmbuf/{shmbuf.c,shmbuf.1,bash-completion} "$tree/tools"
	sed -i "s/@VERSION@/$version/" "$tree/dkms.conf"
	chmod -R u=rwX,go=rX "$tree"
	find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --exclude=debian -cJf "shmbuf-$version.tar.xz" "shmbuf-$version"
}

build_packages() {
	cd "$tree"
	printf 'shmbuf (%s) unstable; urgency=medium\n\n  * Snapshot of the series.\n\n -- shmbuf developers <shmbuf@example.org>  %s\n' \
		"$version" "$(date -uR -d "@$SOURCE_DATE_EPOCH")" >debian/changelog
	printf 'usr/src/shmbuf-%s usr/src/shmbuf\n' "$version" >debian/shmbuf-dkms.links
	dpkg-buildpackage -b -uc -us
}

cd "$work"
stage dkms-tree "collect the files of the package" collect
stage dkms-deb "build the packages" build_packages
mkdir -p "$out"
mv "$work"/*.deb "$work"/*.tar.xz "$out"
(cd "$out" && ls -- *"$version"*)
