#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make post: a git tree with a branch for each part of the series, signed by one person and
# prepared for b4. Sends nothing: "b4 send" in that tree does.
#
# usage: AUTHOR="Name <mail>" [TRAILER="Key: value"] [OUT=FOLDER] post.sh

. "$(dirname "$0")/lib.sh"

[[ ${AUTHOR:-} =~ ^([^\<]*[^\<\ ])\ \<([^\ ]+@[^\ ]+)\>$ ]] ||
	die 'the person who posts is missing, for instance: make post AUTHOR="Your Name <you@your.domain>"'
person=${BASH_REMATCH[1]} mail=${BASH_REMATCH[2]}
out=$(realpath -m "${OUT:-$top/post}")
[ ! -e "$out" ] || die "$out exists; remove it, or name another folder with OUT="

prepare() {
	local part last entry previous=part-0
	git clone -q --shared --no-checkout "$linux" "$out"
	cd "$out"
	git config user.name "$person"
	git config user.email "$mail"
	git config b4.prep-cover-strategy branch-description
	git checkout -q -b part-0 base
	git am -q "$top"/patches/*.patch
	# From the patch that adds the entry on, MAINTAINERS has the person.
	entry="grep -q '^M:.$AUTHOR' MAINTAINERS || sed -i 's/^SHMBUF .*/&\\nM:\\t$AUTHOR/' MAINTAINERS"
	git rebase -q base -x "$entry; git commit -q -a --amend --no-edit --reset-author \
		${TRAILER:+--trailer '$TRAILER'} --trailer 'Signed-off-by: $AUTHOR'"
	git branch -q -m part-0 posted
	git branch -q part-0 base
	while read -r part _ last _; do
		git checkout -q -b "part-$part" "$(git rev-list --reverse base..posted | sed -n "${last}p")"
		git config "branch.part-$part.description" "$(cat "$top/patches/cover-$part.txt")"
		b4 prep -e "$previous"
		previous=part-$part
	done < <(parts)
}

need git b4 perl
lock_cache
get_source
stage post "sign the series and prepare a branch for each part" prepare || exit 1
say "read CONTRIBUTING.md, \"Posting\"; then, in $out, on each branch part-*:" \
	"b4 prep --auto-to-cc; b4 prep --edit-cover; b4 send -o mails; b4 send"
