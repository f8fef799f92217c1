#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The tools' own tests, part of make check: in a scratch copy of the checkout, with a cache
# of its own, on a tree of only the files that the series touches.

. "$(dirname "$0")/lib.sh"

get_source
. "$top/scripts/target.sh"
work=$(mktemp -d "$cache/glue.XXXXXX")
trap 'cd /; rm -rf "$work"' EXIT
exec 9>&-

# expect PATTERN COMMAND...: the command succeeds (PATTERN "ok"), or fails with a message.
expect() {
	local status=0
	"${@:2}" >"$work/out" 2>&1 </dev/null || status=1
	if [ "$status$1" = 0ok ] || { [ $status = 1 ] && grep -Eq -- "$1" "$work/out"; }; then
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
	say "not ok: ${*:2}: no \"$1\""
	cat "$work/out"
}

export SHMBUF_CACHE=$work/cache KSRC=$work/linux
mkdir "$work/copy" "$KSRC"
cd "$top"
git ls-files -z -co --exclude-standard | tar -c --null -T - | tar -x -C "$work/copy"
touched=$(sed -n 's|^diff --git a/\(.*\) b/.*|\1|p' patches/*.patch | sort -u)
git -C "$linux" ls-tree -r --name-only base Makefile .gitignore .gitattributes $touched |
	xargs git -C "$linux" archive base | tar -x -C "$KSRC"
# With .gitattributes, hunks have the same function names as in the real tree.
sed -i '/^\.\*$/d' "$KSRC/.gitignore"
cd "$work/copy"
git init -q
git add -A -f
git commit -q -m copy

# A round trip changes no byte, and does not write to KSRC.
touch "$work/before"
expect ok make -s tree
tree=$(tail -n 1 "$work/out")
expect ok make -s export
expect ok git diff --exit-code
expect ok test -z "$(find "$KSRC" -newer "$work/before" -type f)"

# git absorb finds the patch that has the line, and the export has the edit there.
file=drivers/misc/shmbuf/mmap.c
patch=$(grep -l '^+.*a VMA was split, or copied' patches/*)
sed -i 's|a VMA was split, or copied|a VMA was cut, or copied|' "$tree/$file"
expect 'uncommitted changes' make -s export
git -C "$tree" add -u
expect ok git -C "$tree" absorb --base base
expect 'fixups left' make -s export
expect ok env GIT_SEQUENCE_EDITOR=: git -C "$tree" rebase -q -i --autosquash base
echo >>patches/0001-*
expect 'has work that patches/ does not' make -s tree
expect 'would undo that' make -s export
git checkout -q .
expect ok make -s export
expect ok test "$(grep -l '^+.*a VMA was cut' patches/*)" = "$patch"
expect ok grep 'a VMA was cut' $file
git checkout -q .
expect ok make -s tree

# The folders, and the parts.
sync() {
	rm -rf "$work"/{series,here}
	top=$PWD linux=$tree in_own_shell check_mirror
}
expect ok sync
echo '/* edited */' >>$file
expect 'edited' sync
rm $file
expect 'Only in .*: mmap.c' sync
git checkout -q $file
sed -i '$s/^\(\S* \S*\) \S*/\1 7/' patches/parts
expect 'patches/parts' sync
git checkout -q patches/parts

# Messages that help.
expect 'does not exist' make -s tree KSRC="$work/nowhere"
mkdir "$work/old"
expect 'not a kernel source tree' make -s tree KSRC="$work/old"
printf 'VERSION = 6\nPATCHLEVEL = 12\n' >"$work/old/Makefile"
expect 'is Linux 6.12; the series needs' make -s tree KSRC="$work/old"
expect 'person who posts is missing' make -s post AUTHOR=me@example.com
expect 'which target' make -s kunit
expect 'no target "vax"' make -s kunit TARGET=vax
SHMBUF_CACHE=$work/cache2 expect 'check the network, or use KSRC' env -u KSRC http_proxy=http://127.0.0.1:9 \
	https_proxy=http://127.0.0.1:9 make -s tree

# A test that is skipped.
skips() { logs=$work arch=$1 in_own_shell skipped_tests "$work/tap"; }
printf '%s # SKIP no\n' 'ok 1 a.b' 1..0 '[    1.0]     ok 3 c' >"$work/tap"
expect ok skips x86
expect ok test "$(grep -c '^skipped: ' "$work/out")" = 3
expect 'skipped under UML' skips um
printf 'ok 1 a # SKIP\n' >"$work/tap"
expect 'skipped without a reason' skips x86

# A hung guest is stopped and leaves no process; a slow guest is not stopped.
guest() {
	printf '%s\n' '#!/bin/bash' 'echo $$ >"$0.pid"' "$@" >"$work/linux.guest"
	install -D "$work/linux.guest" "$work/guest/linux"
	arch=um kernel=$work/guest programs=$work configs='' SILENCE=3 in_own_shell boot fake
}
expect 'the kernel hung and was stopped' guest 'trap "" TERM INT' 'echo booted' 'sleep 1000'
expect 'No such process' kill -0 "$(cat "$work/guest/linux.pid")"
expect ok guest 'for ((i = 0; i < 10; i++)); do echo $i; sleep 0.5; done' 'echo "guest: exit status 0"' \
	'echo "reboot: Power down"'
expect 'did not reach its end' guest 'echo booted'

say "counted: $passed passed, $failed failed"
[ $failed = 0 ]
