#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make post: the series as mails of one person, ready to be looked at and sent. It
# sends nothing.
#
# usage: AUTHOR="Name <mail>" [VERSION=2 CHANGES=FILE] [OUT=FOLDER] post.sh

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"

author=${AUTHOR:-} version=${VERSION:-1} changes=${CHANGES:-}
[[ $author =~ ^[^\<\>\"]*[^\<\>\"\ ]\ \<[^\<\>\ ]+@[^\<\>\ ]+\>$ ]] ||
	die 'who posts? For instance: make post AUTHOR="Your Name <you@your.domain>"'
[ "$author" != 'shmbuf developers <shmbuf@example.org>' ] ||
	die "a person has to sign the patches, see Documentation/process/submitting-patches.rst"
[[ $version =~ ^[1-9][0-9]*$ ]] || die "VERSION=$version is not a number"
[ "$version" = 1 ] || [ -s "$changes" ] ||
	die "version $version needs a change log: write it to a file, and CHANGES=that file"
[ -z "$changes" ] || [ "$version" != 1 ] || die "the first version has no changes; VERSION=2?"
[ -z "$changes" ] || changes=$(realpath -e "$changes")
out=$(realpath -m "${OUT:-$top/post-v$version}")
[ ! -e "$out" ] || die "$out exists; remove it, or name another folder with OUT="

# The same commits, with the person's name and sign-off, and as maintainer.
sign_series() {
	local patch copy
	git -C "$linux" checkout -q -f -B post base
	export GIT_COMMITTER_NAME=${author% <*} GIT_COMMITTER_EMAIL=$mail
	while IFS= read -r patch; do
		copy=$work/${patch##*/}
		FROM="From: $author" perl -pe 's/^From: .*/$ENV{FROM}/ if !$done && /^From: /; $done ||= /^From: /' "$patch" >"$copy"
		git interpret-trailers --in-place --trailer "Signed-off-by: $author" "$copy"
		git -C "$linux" am -q -3 "$copy"
		[[ $patch == */0001-* ]] || continue
		LINE="M:	$author" perl -pi -e '$_ .= "$ENV{LINE}\n" if /^SHMBUF MAPPABLE/' "$linux/MAINTAINERS"
		git -C "$linux" commit -q -a --amend --no-edit
	done < <(numbered_patches)
}

cover() {
	cover_text
	say
	[ -n "$base_option" ] || printf '%s\n' "The base is Linux $(makefile_version <"$linux/Makefile")," "$(git -C "$linux" log -1 --format=%s base)." ''
	[ -z "$changes" ] || { printf 'Changes in v%s:\n' "$version"; cat "$changes"; }
}

recipients() {		# get_maintainer.pl's OPTION... for who is wanted
	(cd "$linux" && ./scripts/get_maintainer.pl --no-git --no-git-fallback --norolestats "$@" "$work"/0*.patch) |
		grep -vF "$mail" | sort -u
}

write_series() {
	# No file of mm is touched, but what the driver does with mm is for mm's people.
	local options=(--cc=linux-mm@kvack.org) address
	[ "$version" = 1 ] || options+=(-v "$version")
	apply_series "$linux"
	sign_series
	git -C "$linux" config branch.post.description "$(cover)"
	while IFS= read -r address; do options+=("--to=$address"); done < <(recipients --nol)
	while IFS= read -r address; do options+=("--cc=$address"); done < <(recipients --nom --nor)
	[ ${#options[@]} -gt 3 ]
	plain_git -C "$linux" -c format.coverFromDescription=subject -c user.name="${author% <*}" -c user.email="$mail" \
		format-patch -q --cover-letter --thread=shallow --no-renames --stat=72 \
		${base_option:+"$base_option"} "${options[@]}" -o "$work/out" base..post
}

need git ca-certificates perl
mail=${AUTHOR##*<}
mail=${mail%>}
lock_cache
get_source
work=$(mktemp -d)
trap 'rm -rf "$work"; git -C "$linux" am --abort 2>/dev/null || true; git -C "$linux" checkout -q -f series' EXIT
# A commit that others know.
base_option=
[ ! -e "${KSRC:-/dev/null}/.git" ] || base_option=--base=base
stage post "sign the series and find its recipients" write_series || exit 1
mv -T "$work/out" "$out"
[ -n "$base_option" ] || say "note: reviewers build on a commit that they know: KSRC=/path/to/a/git/checkout make post ..."
say "$(find "$out" -name '*.patch' | wc -l) mails in $out; read them and README.md, \"Posting\", then send them with:" \
	"git send-email $out/*.patch"
