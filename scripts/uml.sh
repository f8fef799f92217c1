# SPDX-License-Identifier: GPL-2.0
# Sourced: build the UML kernel, run KUnit in it, boot it with the host's files.

build=$cache/build/$(basename "${linux:?}")
uml=$build/uml
user=$build/user
jobs=$(nproc)

export PATH=/usr/lib/ccache:$PATH CCACHE_DIR=$cache/ccache CCACHE_MAXSIZE=4G

kunit_py() {		# command [option...]
	local command=$1
	shift
	cd "$linux"
	./tools/testing/kunit/kunit.py "$command" --build_dir="$uml" "$@"
}

build_uml() {
	mkdir -p "$uml"
	kunit_py build --jobs="$jobs" \
		--kunitconfig=drivers/misc/shmbuf/tests --kunitconfig="$top/kunit/uml.config"
}

# The tests and the demonstration are programs of the host, linked with its C
# library, and compiled against the headers of the tree with the series.
build_user() {
	mkdir -p "$user"
	make -C "$linux" -s O="$user" headers
	rm -rf "$user/kselftest"
	make -C "$linux/tools/testing/selftests" O="$user" TARGETS=shmbuf FORCE_TARGETS=1
	local program
	for program in init demo; do
		gcc -O2 -Wall -Werror -isystem "$user/usr/include" -o "$user/$program" "$top/guest/$program.c"
	done
}

# What no kernel may print, whatever the tests in it said.
scan_kernel_log() {	# log
	! grep -nE 'WARNING:|BUG:|Oops|Kernel panic|[Kk]ernel BUG|Call Trace:|KASAN:|UBSAN:|KCSAN:|INFO: (task|rcu|possible)|possible (circular|recursive) locking|inconsistent lock state|suspicious RCU usage|Bad (page|rss-counter)|refcount_t:|unreferenced object|segfault|Busy inodes' "$1" ||
		{ say "the kernel reported a mistake of its own (see above)"; return 1; }
}

# Runs every KUnit case of the series; kunit.py's own exit status is not enough,
# a kernel can warn while all tests pass.
run_kunit() {
	local status=0
	rm -f "$uml/test.log"
	kunit_py exec --timeout=300 --kernel_args=seccomp=on --kernel_args=ncpus=2 \
		--kernel_args="uml_dir=$uml/" 'shmbuf*' || status=$?
	[ -s "$uml/test.log" ] || { say "the kernel printed nothing"; return 1; }
	scan_kernel_log "$uml/test.log" || status=1
	return $status
}

# boot_uml COMMANDS: boot with the host's files, read-only, as root file system
# and run a shell script; its output is the console's.
boot_uml() {
	local script=$user/run.$1.sh console=$user/console.$1.log status=0
	printf '%s\n' "${@:2}" >"$script"
	timeout --kill-after=10 "${BOOT_TIMEOUT:-600}" "${boot_kernel:-$uml/linux}" \
		root=/dev/root rootfstype=hostfs rootflags=/ ro init="$user/init" \
		seccomp=on ncpus=2 mem=2G con=null con0=fd:0,fd:1 uml_dir="$uml/" \
		kunit.enable=0 GUEST_RUN="$script" </dev/null >"$console" 2>&1 || status=$?
	cat "$console"
	guest_ended_well "$console" "$status"
}

guest_ended_well() {	# log exit-status
	case $2 in 124 | 137) say "the kernel hung and was stopped"; return 1 ;; esac
	scan_kernel_log "$1" || return 1
	grep -qE 'reboot: (Power down|Restarting system)' "$1" || { say "the kernel did not reach its end"; return 1; }
	grep -q '^guest: exit status 0' "$1" || { say "the commands in the guest failed"; return 1; }
}

run_selftests() {
	boot_uml selftests "cd $user/kselftest/shmbuf" 'status=0' \
		'for t in ./*_test; do $t || status=1; done' 'exit $status'
}

run_demo() { boot_uml demo "exec $user/demo"; }
