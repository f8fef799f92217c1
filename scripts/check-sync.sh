#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make check-sync: do patches/ and the mirrored folders agree? Needs no kernel
# tree: every file that the series adds is made again from the patches alone.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/series.sh"

need git
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
differ() {
	say "  $*"
	bad=1
}

mkdir "$work/tree"
git -C "$work/tree" init -q
mapfile -t patches < <(numbered_patches)
[ ${#patches[@]} -gt 0 ] || die "patches/ has no patches"

number=0
for patch in "${patches[@]}"; do
	name=${patch##*/}
	number=$((number + 1))
	[ "${name%%-*}" = "$(printf %04d $number)" ] || differ "$name: patch $number of the series has another number"
	! grep -q '^Signed-off-by:' "$patch" || differ "$name carries Signed-off-by, which only the person who posts it can add"
	subject=$(git mailinfo /dev/null /dev/null <"$patch" | sed -n 's/^Subject: //p')
	cover_lists "$subject" || differ "$name: the cover letter does not list \"$subject\""

	# Files that the kernel has already are for git am; here is no kernel.
	git apply --summary "$patch" | sed -n 's/^ create mode [0-7]* //p' >>"$work/added"
	include=$(sed 's/^/--include=/' "$work/added")
	# shellcheck disable=SC2086
	git -C "$work/tree" apply $include "$patch" 2>"$work/err" ||
		differ "$name does not apply to the patches before it: $(head -n 1 "$work/err")"
	maintainers_lines <"$patch" >>"$work/MAINTAINERS.snippet"
done

for root in "${mirror_roots[@]}"; do
	mkdir -p "$work/tree/$root"
	[ -d "$top/$root" ] || continue
	# Only what git knows or would add counts, not an editor's backup.
	(cd "$top" && git ls-files -co --exclude-standard -- "$root") | while IFS= read -r file; do
		if [ ! -e "$work/tree/$file" ]; then
			say "  $file is in no patch"
		elif [ ! -e "$top/$file" ]; then
			say "  $file is missing here, the series has it"
		elif ! cmp -s "$top/$file" "$work/tree/$file"; then
			say "  $file differs from what the series makes"
		fi
	done
done >"$work/differences"
(cd "$work/tree" && find . -path ./.git -prune -o -type f -print) | sed 's|^\./||' | while IFS= read -r file; do
	[ -e "$top/$file" ] || say "  $file is missing here, the series has it"
done >>"$work/differences"
sort "$work/MAINTAINERS.snippet" | cmp -s - <(sort "$top/MAINTAINERS.snippet") ||
	say "  MAINTAINERS.snippet differs from what the series adds" >>"$work/differences"
sort -u "$work/differences"
[ ! -s "$work/differences" ] || bad=1

[ $bad = 0 ] || die "patches/ and the folders disagree; 'make fold' takes an edit in the folders into the patches, 'make export' writes both from the tree"
say "patches/ and the folders agree: ${#patches[@]} patches, $(wc -l <"$work/added") files"
