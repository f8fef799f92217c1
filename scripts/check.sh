#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make check: patches, tools, and the tests on three of the targets. Goes on after a
# failure if the next stage does not need the failed one.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/static.sh"

# The package, and that apt would install it.
package() {
	OUT=$work/dist "$top/dkms/packages.sh" || return
	apt-get install --simulate "$work"/dist/shmbuf-*.deb
}

languages=(python3 nodejs golang-go rustc librust-memmap2-dev default-jdk-headless)
targets=(uml uml-kasan x86_64)
need_targets "${targets[@]}"
need g++ b4 codespell debhelper dh-dkms
[ "$(id -u)" != 0 ] || need python3-numpy "${languages[@]}"
lock_cache
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

get_source
. "$top/scripts/target.sh"
. "$top/guest/stages.sh"
check am "apply the series with git am" apply_series "$linux" || finish
check sync "patches/ and the folders agree" check_mirror || true
check checkpatch "checkpatch --strict" checkpatch || true
check language "the language rules, and codespell" language || true
check doc "kernel-doc -Wall" kernel_doc || true
check uapi "the UAPI header in C and C++, and on 32 bits" uapi_header || true
check post "make post, and b4" post || true
check glue "the tools' own tests" "$top/scripts/test-glue.sh" || true
for name in "${targets[@]}"; do
	use_target "$name"
	check_target all || true
done
use_target uml
check unprivileged "selftests without root" without_root || true
check nodevice "selftests without the device" without_device || true
check demo "the demonstration of make run" demonstrate || true
check readme "the program and the commands of README.md" readme || true
check package "the package, and that apt would install it" package || true
check sample "sample: a driver, a program, a million records" sample || true
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
check dma-iommu "the same behind an IOMMU" \
	dma dma-iommu "peers intel_iommu=on" -cpu EPYC -device intel-iommu || true
check dma-bounce "the same, and SYNC copies" dma dma-bounce swiotlb=force || true
check unplug "a guest's memory is unplugged" count_peers unplug || true
# A chroot takes root, and the right to mount.
if [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then
	check distro "the package on the newest kernel of the distribution, and 6.12" \
		"$top/dkms/distro.sh" 7.3 6.12 || true
else
	say "skipped: the package on kernels of the distribution, which takes root and mounts (make distro)"
fi
print_table
finish
