# SPDX-License-Identifier: GPL-2.0
# Sourced by the other scripts: where files are, stages and their logs, packages.

set -euo pipefail
export LC_ALL=C
# An interrupted run ends, even if the interrupted command ignores the signal.
trap 'exit 130' INT TERM
# The options of the make that started this are not for the kernel's.
unset MAKEFLAGS MFLAGS MAKELEVEL
# The distribution's interpreters come first, as they have the packaged modules.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${SHMBUF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shmbuf}
checkout_id=$(basename "$top")-$(printf %s "$top" | sha1sum | cut -c1-8)
logs=$cache/log/$checkout_id

# Needed for building and testing, beyond a minimal Debian.
build_packages=(build-essential bc bison flex ccache git git-absorb perl python3 python3-ply python3-git rsync
	xz-utils ca-certificates)

say() { printf '%s\n' "$*"; }

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# "set -e" has no effect in a function that is called from a condition. Therefore each
# stage is a shell of its own, with the functions and variables of this one.
in_own_shell() {
	bash -euo pipefail -c "trap 'exit 130' INT TERM
		$(declare -p | grep '^declare -[-aAix]* [a-z]'; declare -f)
		\"\$@\"" bash "$@" 9>&-
}

# On a terminal, rewrite the line of a stage with its time. Ends with the script.
show_time() {		# LINE
	local start=$SECONDS
	while sleep 2 && kill -0 $$ 2>/dev/null; do
		printf '\r%.60s %d s ' "$1" $((SECONDS - start))
	done
}

# stage NAME TITLE COMMAND...: run it with its output in a log. After a failure, show
# the end of the log and its path.
stage() {
	local name=$1 title=$2 log=$logs/$1.log start=$SECONDS status=0 clock='' line
	shift 2
	mkdir -p "$logs"
	line=$(printf '[%3d:%02d] %s ...' $((SECONDS / 60)) $((SECONDS % 60)) "$title")
	printf '%s ' "$line"
	if [ -t 1 ]; then
		show_time "$line" 9>&- &
		clock=$!
	fi
	in_own_shell "$@" >"$log" 2>&1 </dev/null || status=$?
	if [ -n "$clock" ]; then
		kill "$clock"
		wait "$clock" 2>/dev/null || true
		printf '\r\033[K%s ' "$line"
	fi
	if [ $status = 0 ]; then
		say "ok ($((SECONDS - start)) s)"
		return
	fi
	say "FAILED ($((SECONDS - start)) s)"
	tail -n "${STAGE_TAIL:-20}" "$log" | sed 's/^/    /' >&2 || true
	say "error: $title failed; full log: $log; free disk: $(free_mib "$cache") MiB" >&2
	return 1
}

free_mib() { df --output=avail -m "$1" | tail -n 1 | tr -d ' '; }

# target_row NAME: name, architecture, compiler, configurations and packages.
target_row() {
	awk -v name="$1" '!/^#/ && $1 == name { print; found = 1 } END { exit !found }' "$top/kunit/targets" ||
		die "no target \"$1\"; kunit/targets lists all"
}

# need_targets NAME...: all packages that building and testing there needs.
need_targets() {
	local name row packages=()
	for name; do
		row=$(target_row "$name")
		packages+=("${row##* }")
		[ "${name#uml}" != "$name" ] || packages+=(cpio libelf-dev)
	done
	# shellcheck disable=SC2046
	need "${build_packages[@]}" $(printf '%s\n' "${packages[@]}" | tr , '\n' | grep -vx -e - | sort -u)
}

# need PACKAGE...: install what is missing when root, else name it in one line.
need() {
	local missing=() p
	for p; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "missing packages; install them with: sudo apt-get install ${missing[*]}"
	stage packages "install ${missing[*]}" install_packages "${missing[@]}" ||
		die "check the network and apt's configuration, then: apt-get install ${missing[*]}"
}

install_packages() {
	apt-get update || say "apt-get update failed; trying with the present lists"
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-remove --no-install-recommends "$@"
}

# One run at a time in the shared tree and the shared build folders.
lock_cache() {
	mkdir -p "$logs" || die "cannot write to $cache: set SHMBUF_CACHE to a folder that you own"
	# A stage that is one of our commands has the lock already.
	[ "${SHMBUF_LOCKED:-}" != "$cache" ] || return 0
	export SHMBUF_LOCKED=$cache
	exec 9>"$cache/lock"
	flock -n 9 && return
	say "waiting for another run that uses $cache ..."
	flock 9
}

. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"
