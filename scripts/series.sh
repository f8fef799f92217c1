# SPDX-License-Identifier: GPL-2.0
# Sourced: moving the series between patches/ and a git tree.
#
# patches/parts has a line for each part of the series: its name, the numbers of its first
# and last patch, and its title. patches/cover-NAME.txt is the part's cover letter: a
# subject, an empty line and the text. Neither is generated, so an export keeps them.

series_hash() { cat "$top"/patches/*.patch 2>/dev/null | sha1sum | cut -c1-40; }
work_tree() { printf '%s' "$cache/tree/$checkout_id-$(basename "$linux")"; }

number_of_patches() { find "$top/patches" -name '*.patch' | wc -l; }

# The lines of patches/parts without comments: NAME FIRST LAST TITLE.
parts() { grep -vE '^(#|$)' "$top/patches/parts"; }

# apply_series TREE: base plus patches/, whatever was there before. The same series gives
# the same commits.
apply_series() {
	local tree=$1
	# An interrupted run may have left a lock or a rebase.
	rm -rf "$tree"/.git/{index.lock,rebase-apply,rebase-merge,shmbuf-series}
	git -C "$tree" checkout -q -f -B series base
	git -C "$tree" clean -q -f -d -x
	GIT_COMMITTER_NAME='shmbuf developers' GIT_COMMITTER_EMAIL=shmbuf@example.org \
		git -C "$tree" am -q --committer-date-is-author-date "$top"/patches/*.patch
	mark_series "$tree"
}

# The tree and patches/ agree as of now.
mark_series() {
	git -C "$1" update-ref refs/shmbuf/exported HEAD
	series_hash >"$1/.git/shmbuf-series"
}

# Does the tree have commits or edits that patches/ does not have?
tree_has_work() {
	[ "$(git -C "$1" rev-parse HEAD)" != "$(git -C "$1" rev-parse refs/shmbuf/exported)" ] ||
		[ -n "$(git -C "$1" status --porcelain | head -n 1)" ]
}

# The files that the series adds; each is mirrored into the checkout.
added() {		# TREE PATHSPEC...
	git -C "$1" diff --name-only --no-renames --diff-filter=A base HEAD -- "${@:2}"
}

mirror=(Documentation drivers include samples tools MAINTAINERS.snippet)

# write_mirror TREE FOLDER: the files that the series adds, and its lines of MAINTAINERS.
write_mirror() {
	added "$1" | xargs git -C "$1" archive HEAD | tar -x -C "$2"
	git -C "$1" diff base HEAD -- MAINTAINERS | sed -n '/^+++/!s/^+//p' >"$2/MAINTAINERS.snippet"
}

# Are the folders the files after the last patch? Does patches/parts have each patch once?
check_mirror() {
	local name next=1 first last title bad=0
	mkdir "$work/series" "$work/here"
	write_mirror "$linux" "$work/series"
	(cd "$top" && git ls-files -z -co --exclude-standard -- "${mirror[@]}" |
		tar -c --ignore-failed-read --null -T -) | tar -x -C "$work/here"
	diff -r "$work/here" "$work/series" || bad=1
	while read -r name first last title; do
		[ "$title" ] && [ "$first" = $next ] && [ -s "$top/patches/cover-$name.txt" ] ||
			{ say "patches/parts: part $name needs a title, patch $next and patches/cover-$name.txt"; bad=1; }
		next=$((last + 1))
	done < <(parts)
	[ $next = $(($(number_of_patches) + 1)) ] ||
		{ say "patches/parts ends at patch $((next - 1)), patches/ does not"; bad=1; }
	if grep -l '^Signed-off-by:' "$top"/patches/*; then
		say "only the person who posts a patch can sign it"
		bad=1
	fi
	[ $bad = 0 ] || die "patches/ and the folders disagree; edit in the tree (make tree), then: make export"
}

# export_series TREE: the patches and the mirrored folders.
export_series() {
	local tree=$1 new
	new=$(mktemp -d "$top/.export.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	mkdir "$new/mirror"
	# User and system settings of git must not change a byte of what is exported.
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null git -C "$tree" -c core.abbrev=12 \
		format-patch -q --zero-commit --no-signature --no-renames --stat=72 -o "$new" base..HEAD
	write_mirror "$tree" "$new/mirror"
	rm -rf "$top"/patches/*.patch "${mirror[@]/#/$top/}"
	mv "$new"/*.patch "$top/patches/"
	mv "$new"/mirror/* "$top/"
	rm -rf "$new"
	trap - EXIT
	mark_series "$tree"
}
