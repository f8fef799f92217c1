#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make fold: take edits made in the mirrored folders into the patches that own
# the lines (git absorb finds them), then write both anew. All or nothing.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"

absorb() {
	cd "$linux"
	stable_ident
	git absorb --force --base base
	git diff --cached --quiet && git diff --quiet
}

squash() {
	cd "$linux"
	stable_ident
	GIT_SEQUENCE_EDITOR=: git rebase -q -i --autosquash --committer-date-is-author-date base
}

# Leave the shared tree as patches/ has it, and the edits where they are.
give_up() {
	apply_series "$linux" >/dev/null 2>&1 || true
	die "$*; nothing has changed. Make the edit in the tree instead: make tree, git commit --fixup, git rebase --autosquash, make export"
}

need git git-absorb
lock_cache
get_source
tree=$(work_tree)
if [ -d "$tree" ] && tree_has_work "$tree"; then
	die "$tree has work that patches/ has not; export that first: make export"
fi

stage am "apply the series with git am" apply_series "$linux"
added_files "$linux" | sort >"$logs/fold.added"
(cd "$top" && git ls-files -co --exclude-standard -- "${mirror_roots[@]}" | sort -u) >"$logs/fold.here"
new=$(comm -13 "$logs/fold.added" "$logs/fold.here" | paste -sd' ')
[ -z "$new" ] || die "no patch owns a new file: $new; add it in the tree (make tree), commit it there, then: make export"
while IFS= read -r file; do
	[ -f "$top/$file" ] || die "$file is gone, and no patch owns that; remove it in the tree (make tree), then: make export"
	cmp -s "$top/$file" "$linux/$file" || cp "$top/$file" "$linux/$file"
done <"$logs/fold.added"

git -C "$linux" add -u
if git -C "$linux" diff --cached --quiet; then
	say "nothing to fold: the folders are as patches/ makes them"
	exit 0
fi
wanted=$(git -C "$linux" write-tree)
stage absorb "find the patches that own the lines" absorb || give_up "some lines have no owner among the patches"
stage squash "fold the edits in" squash || give_up "the edits conflict with a later patch"
[ "$(git -C "$linux" rev-parse 'HEAD^{tree}')" = "$wanted" ] || give_up "the patches with the edits do not make the files as they are here"
export_series "$linux"
say "folded; see: git diff patches/"
