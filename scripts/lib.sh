# SPDX-License-Identifier: GPL-2.0
# Sourced by the other scripts: where things live, how progress and failure look.

set -euo pipefail
export LC_ALL=C
# An interrupted run ends, whatever the command that was interrupted made of it.
trap 'exit 130' INT TERM
# The options of the make that started this are not for the kernel's.
unset MAKEFLAGS MFLAGS MAKELEVEL
# The distribution's interpreters come first, they have the packaged modules.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${SHMBUF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shmbuf}
checkout_id=$(basename "$top")-$(printf %s "$top" | sha1sum | cut -c1-8)
logs=$cache/log/$checkout_id

# What building and testing needs beyond a minimal Debian.
build_packages=(build-essential bc bison flex ccache git git-absorb perl python3 python3-ply python3-git rsync xz-utils ca-certificates)

# Commits that the tools make must not depend on who runs them: the same
# series gives the same commits, and nothing needs building again.
stable_ident() {
	export GIT_COMMITTER_NAME='shmbuf developers' GIT_COMMITTER_EMAIL=shmbuf@example.org
	export GIT_AUTHOR_NAME=$GIT_COMMITTER_NAME GIT_AUTHOR_EMAIL=$GIT_COMMITTER_EMAIL
}

say() { printf '%s\n' "$*"; }

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

elapsed() { printf '[%3d:%02d]' $((SECONDS / 60)) $((SECONDS % 60)); }

free_mib() { df --output=avail -m "$1" | tail -n 1 | tr -d ' '; }

# "set -e" has no effect in a function that is called from a condition, so each
# stage is a shell of its own, with the functions and variables of this one.
in_own_shell() {
	bash -euo pipefail -c "trap 'exit 130' INT TERM
		$(declare -p | grep '^declare -[-aAix]* [a-z]'; declare -f)
		\"\$@\"" bash "$@" 9>&-
}

# show_progress LINE STAMP [FOLDER]: rewrites a line of the terminal with the elapsed
# time and the number of object files in FOLDER that are newer than STAMP. A line that
# wraps could not be rewritten. The loop ignores SIGINT, and ends with the script.
show_progress() {
	local start=$SECONDS width objects=
	{ read -r _ width < <(stty size </dev/tty); } 2>/dev/null && [ "$width" -gt 40 ] || width=80
	while sleep 2 && kill -0 $$ 2>/dev/null; do
		[ -z "${3:-}" ] || objects=$(find "$3" -name '*.o' -newer "$2" 2>/dev/null | wc -l)
		printf '\r%s%d:%02d%s ' "${1:0:width-25}" $(((SECONDS - start) / 60)) $(((SECONDS - start) % 60)) "${objects:+, $objects objects}"
	done
}

# stage NAME TITLE COMMAND...: run it with its output in a log; on failure show
# the end of the log and where the rest is.
stage() {
	local name=$1 title=$2 log=$logs/$1.log start=$SECONDS line status=0 progress='' folder=''
	shift 2
	mkdir -p "$logs" || die "cannot write to $cache: set SHMBUF_CACHE to a folder that you own"
	line="$(elapsed) $title ... "
	printf '%s' "$line"
	if [ -t 1 ]; then
		touch "$log.begin"
		[ "$1" != build_kernel ] || folder=$kernel
		show_progress "$line" "$log.begin" "$folder" 9>&- &
		progress=$!
	fi
	in_own_shell "$@" >"$log" 2>&1 </dev/null || status=$?
	if [ -n "$progress" ]; then
		kill $progress 2>/dev/null || true
		wait $progress 2>/dev/null || true
		rm -f "$log.begin"
		printf '\r\033[K%s' "$line"
	fi
	if [ $status = 0 ]; then
		say "ok ($((SECONDS - start)) s)"
		return 0
	fi
	say "FAILED ($((SECONDS - start)) s)"
	tail -n "${STAGE_TAIL:-20}" "$log" | sed 's/^/    /' >&2 || true
	if [ "$(free_mib "$cache")" -lt 64 ]; then
		say "error: the disk under $cache is full: free some space, or set SHMBUF_CACHE to a folder with 6 GiB free" >&2
	fi
	say "error: $title failed; full log: $log" >&2
	return 1
}

all_targets() { awk '!/^#/ && NF { print $1 }' "$top/kunit/targets"; }

# target_row NAME: name, architecture, compiler, configurations and packages.
target_row() {
	awk -v name="$1" '!/^#/ && $1 == name { print; found = 1 } END { exit !found }' "$top/kunit/targets" ||
		die "no target \"$1\"; there are: $(all_targets | paste -sd ' ')"
}

# need_targets NAME...: all packages that building and testing there needs.
need_targets() {
	local name row packages
	for name; do
		row=$(target_row "$name")
		packages+=${row##* },
		[ "${name#uml}" != "$name" ] || packages+=cpio,libelf-dev,
	done
	packages=${packages//-,/}
	# shellcheck disable=SC2046
	need "${build_packages[@]}" $(tr , '\n' <<<"$packages" | sort -u)
}

# need PACKAGE...: install what is missing when root, else name it in one line.
need() {
	local missing=() p
	if ! command -v dpkg-query >/dev/null; then
		say "note: not a Debian system, so packages are not checked; needed, by their Debian names: $*" >&2
		return 0
	fi
	for p in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "missing packages; install them with: sudo apt-get install ${missing[*]}"
	stage packages "install ${missing[*]}" install_packages "${missing[@]}" ||
		die "could not install packages; check the network and apt's configuration, then: apt-get install ${missing[*]}"
}

install_packages() {
	apt-get update || say "apt-get update failed; trying with the lists that are there"
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-remove --no-install-recommends "$@"
}

# One run at a time in the shared tree and the shared build folders.
lock_cache() {
	mkdir -p "$cache" 2>/dev/null || die "cannot write to $cache: set SHMBUF_CACHE to a folder that you own"
	# A stage that is one of our commands has it already.
	[ "${SHMBUF_LOCKED:-}" != "$cache" ] || return 0
	export SHMBUF_LOCKED=$cache
	exec 9>"$cache/lock"
	flock -n 9 && return
	say "waiting for another run that uses $cache ..."
	flock 9
}
