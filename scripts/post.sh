#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make post: the series as mails of one person, ready to be looked at and sent. It
# sends nothing.
#
# usage: AUTHOR="Name <mail>" [VERSION=2 CHANGES=FILE] [RFC=1] [TRAILER="Key: value"] [OUT=FOLDER] post.sh

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"

author=${AUTHOR:-} version=${VERSION:-1} changes=${CHANGES:-} trailer=${TRAILER:-}
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
	local commit commits
	commits=$(git -C "$linux" rev-list --reverse base..series)
	git -C "$linux" checkout -q -f -B post base
	export GIT_COMMITTER_NAME=${author% <*} GIT_COMMITTER_EMAIL=$mail
	for commit in $commits; do
		git -C "$linux" cherry-pick --no-commit "$commit"
		# The first one brings the entry.
		LINE="M:	$author" perl -pi -e '$_ .= "$ENV{LINE}\n" if /^SHMBUF MAPPABLE/ && !$ENV{DONE}' "$linux/MAINTAINERS"
		export DONE=1
		git -C "$linux" log -1 --format=%B "$commit" |
			git interpret-trailers ${trailer:+--trailer "$trailer"} --trailer "Signed-off-by: $author" |
			git -C "$linux" commit -q -a --author "$author" --date "$(git -C "$linux" log -1 --format=%aD "$commit")" -F -
	done
}

cover() {
	cover_text
	say
	[ -n "$base_option" ] || printf '%s\n' "The base is Linux $(makefile_version <"$linux/Makefile")," "$(git -C "$linux" log -1 --format=%s base)." ''
	[ -z "$changes" ] || { printf 'Changes in v%s:\n' "$version"; cat "$changes"; }
}

recipients() {		# get_maintainer.pl's OPTION... and FILE...
	(cd "$linux" && ./scripts/get_maintainer.pl --no-git --no-git-fallback --norolestats "$@")
}

write_series() {
	local to cc address options=()
	apply_series "$linux"
	sign_series
	git -C "$linux" config branch.post.description "$(cover)"
	plain_git -C "$linux" format-patch -q -o "$work/patches" base..post
	to=$(recipients --nol "$work"/patches/*)
	# No file of mm is touched, but what the driver does with mm is for mm's people.
	cc=$(recipients --nom --nor "$work"/patches/* && recipients -f mm/vma.c mm/memory.c)
	while IFS= read -r address; do options+=("--to=$address"); done < <(grep -vF "$mail" <<<"$to")
	while IFS= read -r address; do options+=("--cc=$address"); done < <(grep -vF "$mail" <<<"$cc" | grep -vxF "$to" | awk '!seen[$0]++')
	[ "$version" = 1 ] || options+=(-v "$version")
	[ -z "${RFC:-}" ] || options+=(--rfc)
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
trap 'rm -rf "$work"; git -C "$linux" checkout -q -f series' EXIT
# A commit that others know.
base_option=
[ ! -e "${KSRC:-/dev/null}/.git" ] || base_option=--base=base
stage sign "sign the series and find its recipients" write_series || exit 1
mv -T "$work/out" "$out"
[ -n "$base_option" ] || say "note: reviewers build on a commit that they know: KSRC=/path/to/a/git/checkout make post ..."
say "$(find "$out" -name '*.patch' | wc -l) mails in $out; read them and CONTRIBUTING.md, \"Posting\", then send them with:" \
	"git send-email $out/*.patch"
