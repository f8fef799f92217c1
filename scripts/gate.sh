#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make gate: the tools of a maintainer, and each patch on each kernel that the series is
# for: no warning at W=1, built in, as a module and not at all, its KUnit suites pass.
#
# usage: gate.sh [STAGE...], of: sync checkpatch language doc maintainers uapi post sparse
#	 cocci htmldocs builds; all of them without one
#        gate.sh at-patch y|m|n|x86, by "git rebase -x"

. "$(dirname "$0")/lib.sh"
. "$top/scripts/static.sh"

gate_make() { make -C "$linux" ARCH="$gate_arch" O="$gate" -j"$jobs" "$@"; }

# configure y|m|n|x86: UML with the driver built in, as a module, or not at all, or x86_64
# with stack frames of 512 bytes at most.
configure() {
	gate=$build/gate-$1 gate_arch=um
	mkdir -p "$gate"
	if [ "$1" = x86 ]; then
		gate_arch=x86_64
		gate_make -s x86_64_defconfig
		"$linux/scripts/config" --file "$gate/.config" --set-val FRAME_WARN 512 \
			-m SHMBUF -m SHMBUF_IVSHMEM -e SAMPLES -m SAMPLE_SHMBUF
	else
		cat "$top"/kunit/{common,io,uml,smp,lockdep,sample}.config \
			"$linux/tools/testing/kunit/configs/arch_uml.config" >"$gate/.config"
		printf 'CONFIG_%s\n' "KUNIT=${1/n/y}" KUNIT_ALL_TESTS=y "SHMBUF=$1" >>"$gate/.config"
	fi
	gate_make -s olddefconfig
	[ "$1" = n ] || grep '^CONFIG_SHMBUF=' "$gate/.config"
}

# What a patch touches, with warnings as errors. The kernel is linked when it boots.
at_patch() {		# y|m|n|x86
	configure "$1"
	gate_make -s prepare
	gate_make W=1e drivers/misc/shmbuf/ samples/
	# A missing export has no other symptom.
	[ "$1" != m ] || gate_make lib/kunit/kunit.ko drivers/misc/shmbuf/{shmbuf,tests/shmbuf_kunit}.ko
	if [ "$1" = y ]; then
		gate_make -s linux
		kernel=$gate count_kunit
	fi
}

each_patch() {		# y|m|n|x86
	trap 'git -C "$linux" rebase --abort 2>/dev/null; git -C "$linux" checkout -q -f series' EXIT
	cd "$linux"
	git checkout -q -f --detach series
	git rebase -x "$top/scripts/gate.sh at-patch $1" base
	say "counted: $(git rev-list --count base..series) passed, 0 failed"
}

need_targets uml
need g++ gcc-i686-linux-gnu libc6-dev-i386-cross b4 codespell coccinelle ocaml python3-sphinx dpkg-dev
lock_cache
if [ "${1:-}" = at-patch ]; then
	get_source
	. "$top/scripts/target.sh"
	use_target uml
	at_patch "$2"
	exit
fi

all=(sync checkpatch language doc maintainers uapi post sparse cocci htmldocs)
declare -A commands=([sync]=check_mirror [doc]=kernel_doc [uapi]=uapi_header [sparse]=run_sparse
	[cocci]=run_coccicheck [htmldocs]=run_htmldocs)
[ $# -gt 0 ] || set -- "${all[@]}" builds
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sources=${LINUX_SOURCE:-linux-source-7.3 linux-source-7.2}
[ -z "${KSRC:-}" ] || sources=$want
for LINUX_SOURCE in $sources; do
	export LINUX_SOURCE
	want=$LINUX_SOURCE
	get_source
	. "$top/scripts/target.sh"
	use_target uml
	name=$(basename "$linux")
	check "am-$name" "$name: apply the series with git am" apply_series "$linux" || continue
	for stage in "$@"; do
		if [ "$stage" = builds ]; then
			for mode in x86 y m n; do
				check "$name-$mode" "$name: each patch, $mode" each_patch $mode || true
			done
		# The tools read the same series on each kernel.
		elif [ "$LINUX_SOURCE" = "${sources%% *}" ]; then
			check "$stage" "$stage" "${commands[$stage]:-$stage}" || true
		fi
	done
done
finish
