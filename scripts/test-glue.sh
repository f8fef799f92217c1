#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The tools' own tests, part of make check: in a scratch copy of the checkout,
# with a cache of its own, on a tree that has only the files that the series
# touches, so that each command takes a moment.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"

get_source
work=$(mktemp -d "$cache/glue.XXXXXX")
trap 'cd /; rm -rf "$work"' EXIT
exec 9>&-

passed=0
failed=0
ok() {
	passed=$((passed + 1))
	say "ok - $1"
}
not_ok() {
	failed=$((failed + 1))
	say "not ok - $1"
	sed 's/^/    /' "$work/out"
}

# succeeds TITLE COMMAND...
succeeds() {
	local title=$1
	shift
	if "$@" >"$work/out" 2>&1 </dev/null; then ok "$title"; else not_ok "$title"; fi
}

# refuses TITLE PATTERN COMMAND...: fails, and says something that helps
refuses() {
	local title=$1 pattern=$2
	shift 2
	if "$@" >"$work/out" 2>&1 </dev/null; then
		not_ok "$title (it succeeded)"
	elif grep -Eq -- "$pattern" "$work/out"; then
		ok "$title"
	else
		not_ok "$title (no \"$pattern\")"
	fi
}

skip() { say "skip - $1: $2"; }

# --- the scratch copy -----------------------------------------------------------

export SHMBUF_CACHE=$work/cache KSRC=$work/linux
copy=$work/copy
mkdir "$copy" "$KSRC"
(cd "$top" && git ls-files -co --exclude-standard -z | xargs -0 -I{} sh -c '[ ! -f "$1" ] || printf "%s\0" "$1"' sh {} | tar -c --null -T - | tar -x -C "$copy")
git -C "$copy" init -q
git -C "$copy" add -A -f

touched=$(sed -n 's|^diff --git a/\(.*\) b/.*|\1|p' "$top"/patches/*.patch | sort -u)
for file in Makefile .gitignore .gitattributes $touched; do
	git -C "$linux" cat-file -e "base:$file" 2>/dev/null || continue
	mkdir -p "$KSRC/$(dirname "$file")"
	git -C "$linux" show "base:$file" >"$KSRC/$file"
done
# With .gitattributes, hunks have the same function names as in the real tree.
sed -i '/^\.\*$/d' "$KSRC/.gitignore"
state_of() { (cd "$1" && find . -type f -printf '%p %T@ %s\n' | sort | sha1sum); }
ksrc_before=$(state_of "$KSRC")
cd "$copy"

# --- tree, export, check-sync ---------------------------------------------------

succeeds "make tree on a folder" make -s tree
tree=$(tail -n 1 "$work/out")
commits() { git -C "$tree" rev-list --count base..HEAD; }
succeeds "one commit a patch" test "$(commits)" = "$(find patches -name '*.patch' | wc -l)"
succeeds "KSRC was not written to" test "$ksrc_before" = "$(state_of "$KSRC")"
succeeds "check-sync agrees" make -s check-sync
before=$(cat patches/* $(git ls-files) | sha1sum)
succeeds "make export" make -s export
succeeds "exporting an unchanged tree changes no byte" test "$before" = "$(cat patches/* $(git ls-files) | sha1sum)"

victim=drivers/misc/shmbuf/mmap.c
keep() { rm -rf "$work/keep"; cp -a "$copy" "$work/keep"; }
restore() { find "$copy" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +; cp -a "$work/keep/." "$copy/"; }
keep

echo '/* edited */' >>$victim
refuses "check-sync: an edited file" "$victim differs" make -s check-sync
restore
rm $victim
refuses "check-sync: a file that is gone" "$victim is missing" make -s check-sync
restore
echo x >drivers/misc/shmbuf/new.c
refuses "check-sync: a file that no patch has" 'new.c is in no patch' make -s check-sync
refuses "fold: a new file has no owner" 'no patch owns a new file: drivers/misc/shmbuf/new.c' make -s fold
restore
echo x >>MAINTAINERS.snippet
refuses "check-sync: another MAINTAINERS entry" 'MAINTAINERS.snippet differs' make -s check-sync
restore
rm patches/0002-*
refuses "check-sync: a patch is missing" 'has another number' make -s check-sync
restore
sed -i '0,/^---$/s//Signed-off-by: A <a@example.org>\n---/' patches/0001-*
refuses "check-sync: a signed patch" 'carries Signed-off-by' make -s check-sync
restore
sed -i 's/^\(+.*\)shmbuf_vma_close/\1shmbuf_vma_gone/' patches/0002-*
refuses "check-sync: an edited patch" "$victim differs" make -s check-sync
restore

# --- fold -----------------------------------------------------------------------

sum() { sha1sum <"$1"; }
first=$(sum patches/0001-*)
third=$(sum patches/0003-*)
sed -i 's|a VMA was split, or copied|a VMA was cut, or copied|' $victim
succeeds "fold an edit" make -s fold
succeeds "it is in the patch that owns the line" grep -q '^+.*a VMA was cut' patches/0002-*
succeeds "the patches before it are the same" test "$first" = "$(sum patches/0001-*)"
succeeds "the patches after it are the same" test "$third" = "$(sum patches/0003-*)"
succeeds "check-sync after a fold" make -s check-sync
succeeds "the tree follows" make -s tree
succeeds "the tree has the edit" grep -q 'a VMA was cut' "$tree/$victim"
succeeds "fold with nothing to do" make -s fold
restore
succeeds "the tree follows back" make -s tree

# --- work in the tree -----------------------------------------------------------

sed -i 's|a VMA was split|a VMA was torn|' "$tree/$victim"
refuses "export: uncommitted changes" 'uncommitted changes' make -s export
git -C "$tree" commit -q -a --fixup "$(git -C "$tree" log --format=%h -n 1 -- $victim)"
refuses "export: fixups left" 'fixups left' make -s export
refuses "fold: the tree has work" 'export that first' make -s fold
refuses "distclean: the tree has work" 'has work that patches/ has not' make -s distclean
echo >>patches/0000-cover-letter.txt
refuses "tree: both sides changed" 'keep one' make -s tree
restore
succeeds "tree: work is left alone" make -s tree
succeeds "autosquash" env GIT_SEQUENCE_EDITOR=: git -C "$tree" rebase -q -i --autosquash base
succeeds "export what was squashed" make -s export
succeeds "it is in a patch" grep -q '^+.*a VMA was torn' patches/*.patch
succeeds "check-sync after the export" make -s check-sync
restore
succeeds "the tree follows back again" make -s tree

# --- other sources --------------------------------------------------------------

git -C "$KSRC" init -q
git -C "$KSRC" add -A -f
git -C "$KSRC" -c user.name=x -c user.email=x@example.org commit -q -m x
ksrc_before=$(state_of "$KSRC")
succeeds "make tree on a git checkout" make -s tree
succeeds "the checkout was not written to" test "$ksrc_before" = "$(state_of "$KSRC")"

refuses "KSRC does not exist" 'does not exist' make -s tree KSRC="$work/nowhere"
mkdir "$work/empty"
refuses "KSRC is no kernel" 'not a kernel source tree' make -s tree KSRC="$work/empty"
mkdir "$work/old"
printf 'VERSION = 6\nPATCHLEVEL = 12\n' >"$work/old/Makefile"
refuses "KSRC is too old" 'is Linux 6.12; the series needs' make -s tree KSRC="$work/old"
mkdir "$work/built"
printf 'VERSION = 7\nPATCHLEVEL = 3\n' >"$work/built/Makefile"
touch "$work/built/.config"
refuses "KSRC has been built in" 'make mrproper' make -s tree KSRC="$work/built"
printf 'VERSION = 7\nPATCHLEVEL = 3\n' >"$work/empty/Makefile"
refuses "the series does not apply" 'apply the series with git am failed|make a tree with the series failed' make -s tree KSRC="$work/empty"
succeeds "nothing half-made stays" test -z "$(find "$SHMBUF_CACHE" -maxdepth 2 -name '*.part*')"

# --- README.md, DESIGN.md ----------------------------------------------------------------------

readme() { "$top/scripts/readme.py" "$copy"; }
succeeds "README.md, CONTRIBUTING.md and DESIGN.md are true" readme
sed -i 's/^| memfd | .*/| memfd | x | 1 |/' README.md
refuses "another figure in README.md" 'the walk of memfd is [0-9.]* in' readme
restore
echo '    make believe' >>README.md
refuses "a command in README.md that make check does not run" 'does not run "make believe"' readme
restore
sed -i 's/^check demo /check demonstration /' scripts/check.sh
refuses "a stage that is gone" 'no stage demo for "make run"' readme
restore
sed -i 's/`seal.c`/`zeal.c`/; s/shmbuf_seal()/shmbuf_zeal()/' DESIGN.md
refuses "a file that DESIGN.md does not have" 'seal.c is missing' readme
refuses "a function in DESIGN.md that does not exist" 'shmbuf_zeal\(\) does not exist' readme
restore
printf '$ shmbuf list\n' >"$work/log"
refuses "an excerpt of another demonstration" 'does not print: process' "$top/scripts/readme.py" "$copy" excerpt "$work/log"
succeeds "the program is C" sh -c "'$top/scripts/readme.py' '$copy' c | grep '^int main(void)'"
succeeds "the commands are for a shell" sh -c "'$top/scripts/readme.py' '$copy' sh | sh -n"
succeeds "make help" make -s help

refuses "post without a name" 'who posts\? For instance' make -s post
refuses "post with half a name" 'who posts\? For instance' make -s post AUTHOR=me@example.com
refuses "post for nobody" 'a person has to sign' make -s post AUTHOR='shmbuf developers <shmbuf@example.org>'
refuses "post again without a change log" 'version 2 needs a change log' make -s post AUTHOR='A B <a@b.example>' VERSION=2
refuses "post over something" 'exists; remove it' make -s post AUTHOR='A B <a@b.example>' OUT="$work"

# --- rows and their tests ---------------------------------------------------------

rows() { "$top/scripts/rows.py" "$work/rows" "$work/kunit.log" "$work/selftests.log"; }
printf '| row | what | tests |\n| A1 | this | `suite.test_one` |\n| B2 | that | `node.create` |\n' >"$work/rows"
printf '[    0.10] KTAP version 1\n[    0.10]     # Subtest: suite\n[    0.10]     ok 1 test_one\n' >"$work/kunit.log"
printf 'ok 1 node.create\n' >"$work/selftests.log"
succeeds "each row has its tests" rows
printf 'not ok 1 node.create\n' >"$work/selftests.log"
refuses "a test of a row failed" 'B2: did not pass: node.create' rows
printf 'ok 1 node.create # SKIP no device\n' >"$work/selftests.log"
refuses "a test of a row was skipped" 'B2: did not pass: node.create' rows
printf '| A1 | this | |\n' >"$work/rows"
refuses "a row without a test" 'A1: did not pass: no test named' rows

# --- what was skipped, how long to soak --------------------------------------------

skips() { (. "$top/scripts/count.sh" && logs=$work arch=$1 && skipped_tests "$work/tap"); }
printf 'ok 1 a.b # SKIP no huge pages\nok 2 # SKIP no disk\n1..0 # SKIP no device\n[    1.0]     ok 3 c # SKIP no DMA\nok 4 d\n' >"$work/tap"
succeeds "each kind of skip is seen" test "$(skips x86 | grep -c '^skipped: ')" = 4
refuses "but none under UML" 'skipped under UML' skips um
printf 'ok 1 # SKIP UML has none\n' >"$work/tap"
succeeds "except for being UML" skips um
printf 'ok 1 a # SKIP\n' >"$work/tap"
refuses "a skip without a reason" 'skipped without a reason' skips x86

refuses "no time to soak" 'how long\? For instance' make -s soak
refuses "a time that is none" 'are numbers' make -s soak MINUTES=long

# --- targets and faults -----------------------------------------------------------

refuses "no target" 'which target\? For instance' make -s kunit
refuses "a target that is none" 'no target "vax"; there are: uml ' make -s kunit TARGET=vax
while read -r name arch cross configs packages; do
	for config in ${configs//,/ }; do
		succeeds "$name: kunit/$config.config" test -e "kunit/$config.config"
	done
done < <(grep -v '^#' kunit/targets | grep .)
mutants() { "$top/scripts/mutants.py" "$work/faults" "$work" "$@"; }
printf 'int a;\nif (a)\n\treturn 1;\nreturn 2;\n' >"$work/x.c"
printf '@ x.c: another value\n if (a)\n-\treturn 1;\n+\treturn 3;\n\n@x86_64 x.c: no value\n-return 2;\n' >"$work/faults"
succeeds "faults are listed" mutants
succeeds "with their place" test "$(mutants | sed -n '1s/^[0-9a-f]* //p')" = 'uml x.c:3 another value'
succeeds "and their target" test "$(mutants | sed -n 's/^[0-9a-f]* x86_64 //p')" = 'x.c:4 no value'
succeeds "a fault is made" mutants "$(mutants | head -n 1 | cut -d ' ' -f 1)"
succeeds "that one and no other" test "$(tr -d '\n\t' <"$work/x.c")" = 'int a;if (a)return 3;return 2;'
refuses "a fault that does not fit any more" 'another value: .* is in the file 0 times' mutants
printf '@ x.c no colon\n' >"$work/faults"
refuses "a fault without a sentence" 'not a fault: @ x.c no colon' mutants

unset KSRC
# The choice between the kernels that the suites have.
newest() { test "$(printf '%s\n' "${@:2}" | newest_source || say none)" = "$1"; }
rc='linux-source-7.3 7.3~rc7-1~exp1 experimental r'
release='linux-source-7.3 7.3.4-1~bpo13+1 stable-backports r'
older='linux-source-7.2 7.2.13-1 unstable r'
succeeds "a release before a candidate" newest "$release" "$rc" "$older" "$release"
succeeds "in whatever order" newest "$release" "$release" "$older" "$rc"
succeeds "a candidate before another version" newest "$rc" "$older" "$rc"
succeeds "else the newest that is new enough" newest "$older" "linux-source-6.12 6.12.113-1 stable r" "$older"
succeeds "nothing that is new enough" newest none "linux-source-6.12 6.12.113-1 stable r"
LINUX_SOURCE=linux-source-7.2 want=linux-source-7.2
succeeds "the one that LINUX_SOURCE names" newest "$older" "$rc" "$older" "$release"
succeeds "or none" newest none "$rc" "$release"
unset LINUX_SOURCE
want=linux-source-7.3

# The same for what is in the cache.
cached() { test "$(cache=$work/kernels && cached_source && say "${linux##*/}" || say none)" = "$1"; }
mkdir -p "$work"/kernels/linux-7.{2.13,3-rc7}/.git "$work/kernels/linux-7.3.9.part/.git"
succeeds "a kernel in the cache" cached linux-7.3-rc7
mkdir -p "$work/kernels/linux-7.3/.git" "$work/kernels/linux-7.4.1/.git"
succeeds "a release before its candidate" cached linux-7.3
mkdir -p "$work/kernels/linux-7.3.4/.git"
succeeds "the newest of the wanted version" cached linux-7.3.4
rm -r "$work"/kernels/linux-7.3*
succeeds "else the newest" cached linux-7.4.1
LINUX_SOURCE=linux-source-7.2 want=linux-source-7.2
succeeds "of the version that LINUX_SOURCE names" cached linux-7.2.13
LINUX_SOURCE=linux-source-7.3 want=linux-source-7.3
succeeds "and no other" cached none
unset LINUX_SOURCE
want=linux-source-7.3

# A slow guest takes its time, and a hung guest leaves no process.
. "$top/scripts/target.sh"
mkdir "$work/guest"
guest() {
	(
		arch=um kernel=$work/guest programs=$work configs='' SILENCE=3
		printf '%s\n' '#!/bin/bash' 'echo $$ >"$0.pid"' "$@" >"$kernel/linux"
		chmod +x "$kernel/linux"
		boot fake
	)
}
ended() { ! kill -0 "$(cat "$work/guest/linux.pid")"; }
refuses "a guest that hangs is stopped" 'the kernel hung and was stopped' guest 'echo booted' 'exec sleep 1000'
refuses "also if it ignores signals" 'the kernel hung and was stopped' guest 'trap "" TERM INT' 'echo booted' 'exec sleep 1000'
succeeds "then it has ended" ended
succeeds "a guest that goes on is not stopped" guest 'for ((i = 0; i < 20; i++)); do echo $i; sleep 0.5; done' \
	'echo "guest: exit status 0"; echo "reboot: Power down"'
refuses "a guest that ends early" 'the kernel did not reach its end' guest 'echo booted'

if [ "$(id -u)" = 0 ]; then
	export SHMBUF_CACHE=$work/cache2
	refuses "no network" 'check the network, or use KSRC' env http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 make -s tree
	succeeds "no network leaves nothing to trust" test -z "$(find "$SHMBUF_CACHE" -maxdepth 1 -name 'linux-[0-9]*')"
	printf 'ID=plan9\nPRETTY_NAME="Plan 9"\n' >"$work/os-release"
	refuses "another distribution" 'only Debian .* this is Plan 9; use KSRC' \
		unshare -m sh -c "mount --bind '$work/os-release' \"\$(realpath /etc/os-release)\" && make -s tree"
	mkdir "$work/small"
	small() { unshare -m sh -c "mount -t tmpfs -o size=$1 small '$work/small' && shift && exec env SHMBUF_CACHE='$work/small' \"\$@\"" sh "$@"; }
	refuses "too little space" 'need 6 GiB, .* free; free some space' small 100m make -s tree
	refuses "the disk fills up" 'the disk under .* is full' small 600k env SHMBUF_MIN_MIB=0 make -s tree KSRC="$work/linux"
else
	skip "no network, another distribution, disk full" "needs root for a mount namespace and apt's state"
fi

say "counted: $passed passed, $failed failed"
[ $failed = 0 ]
