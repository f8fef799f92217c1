# SPDX-License-Identifier: GPL-2.0
# Sourced: moving the series between patches/ and a git tree.

# Which series a tree holds; kept in its .git, next to the commits it describes.
series_hash() { cat "$top"/patches/* 2>/dev/null | sha1sum | cut -c1-40; }
work_tree() { printf '%s' "$cache/tree/$checkout_id-$(basename "$linux")"; }

# User and system settings of git must not change a byte of what is exported.
plain_git() { GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null git "$@"; }

numbered_patches() { find "$top/patches" -name '*.patch' | sort; }

# Not a .patch, so that "git am patches/*.patch" takes the patches and nothing else.
cover_letter=$top/patches/0000-cover-letter.txt

# apply_series TREE: base plus patches/, whatever was there before.
apply_series() {
	local tree=$1 patches
	mapfile -t patches < <(numbered_patches)
	# Only we use that tree, one run at a time: a lock is one of a run that was killed.
	[ "$tree" != "$linux" ] || rm -f "$tree/.git/index.lock"
	git -C "$tree" am --abort 2>/dev/null || true
	git -C "$tree" rebase --abort 2>/dev/null || true
	rm -f "$tree/.git/shmbuf-series"
	git -C "$tree" checkout -q -f -B series base
	git -C "$tree" clean -q -f -d -x
	if [ ${#patches[@]} -gt 0 ]; then
		stable_ident
		git -C "$tree" am -q --committer-date-is-author-date "${patches[@]}"
	fi
	git -C "$tree" config branch.series.description "$(cover_text)"
	mark_series "$tree"
}

# The tree and patches/ agree as of now.
mark_series() {
	git -C "$1" update-ref refs/shmbuf/exported HEAD
	series_hash >"$1/.git/shmbuf-series"
}

# Title, blank line and text of the cover letter, as "git branch
# --edit-description" has it; format-patch adds the rest again.
cover_text() {
	[ -f "$cover_letter" ] || return 0
	awk '
		!body && /^$/ { body = 1; print subject; print ""; next }
		!body && /^Subject: / { sub(/^Subject: \[[^]]*\] /, ""); subject = $0; more = 1; next }
		!body && more && /^ / { subject = subject $0; next }
		!body { more = 0; next }
		/^[^ ].* \([0-9]+\):$/ { exit }
		{ print }
	' "$cover_letter"
}

# Does the shortlog of the cover letter, where long lines are wrapped, have it?
cover_lists() {
	tr -s ' \n' ' ' <"$cover_letter" 2>/dev/null | grep -Fq " $1 "
}

# Has the tree anything that patches/ did not give it?
tree_has_work() {
	[ "$(git -C "$1" rev-parse HEAD)" != "$(git -C "$1" rev-parse refs/shmbuf/exported)" ] ||
		[ -n "$(git -C "$1" status --porcelain | head -n 1)" ]
}

tree_is_current() {
	[ "$(cat "$1/.git/shmbuf-series" 2>/dev/null)" = "$(series_hash)" ] && ! tree_has_work "$1"
}

# The files that the series adds; each is mirrored into the checkout.
added_files() { git -C "$1" diff --name-only --no-renames --diff-filter=A base HEAD; }

# What the series adds to MAINTAINERS, from a diff on standard input.
maintainers_lines() {
	awk '/^diff --git/ { on = / b\/MAINTAINERS$/ } on && /^\+/ && !/^\+\+\+/ { print substr($0, 2) }'
}

mirror_roots=(Documentation drivers include samples tools)

# export_series TREE: patches/ and the mirrored folders, all or nothing.
export_series() {
	local tree=$1 new root
	new=$(mktemp -d "$top/.export.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	mkdir "$new/patches" "$new/mirror"
	GIT_COMMITTER_DATE=$(git -C "$tree" log -1 --format=%aI) \
	GIT_COMMITTER_NAME='shmbuf developers' GIT_COMMITTER_EMAIL=shmbuf@example.org \
	plain_git -C "$tree" -c core.abbrev=12 -c format.coverFromDescription=subject \
		format-patch -q --zero-commit --no-signature --cover-letter --no-renames \
		--stat=72 -o "$new/patches" base..HEAD
	# shellcheck disable=SC2046
	git -C "$tree" archive --format=tar HEAD -- $(added_files "$tree") | tar -x -C "$new/mirror"
	git -C "$tree" diff base HEAD -- MAINTAINERS | maintainers_lines >"$new/MAINTAINERS.snippet"

	mkdir -p "$top/patches"
	mv "$new/patches/0000-cover-letter.patch" "$new/patches/${cover_letter##*/}"
	rm -f "$top"/patches/*
	mv "$new"/patches/* "$top/patches/"
	for root in "${mirror_roots[@]}"; do
		rm -rf "${top:?}/$root"
		[ ! -d "$new/mirror/$root" ] || mv "$new/mirror/$root" "$top/$root"
	done
	mv "$new/MAINTAINERS.snippet" "$top/"
	rm -rf "$new"
	trap - EXIT
	mark_series "$tree"
}
