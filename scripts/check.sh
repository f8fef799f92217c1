#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make check: patches, tools, and the tests on three of the targets. Goes on after
# a failure where the next stage does not need the failed one.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"

# checkpatch wants a sign-off, which only the person who posts can give, so it
# sees a copy that is signed and thrown away.
checkpatch_one() {	# patch
	local copy=$work/${1##*/} ignore
	ignore=$(sed 's/#.*//; s/[[:space:]]*//g; /^$/d' "$top/scripts/checkpatch-exceptions" | paste -sd,)
	sed "0,/^---\$/s//\\nSigned-off-by: shmbuf developers <shmbuf@example.org>\\n---/" "$1" >"$copy"
	cd "$linux"
	./scripts/checkpatch.pl --strict --no-summary --show-types ${ignore:+--ignore "$ignore"} "$copy"
}

targets=(uml uml-kasan x86_64)
need_targets "${targets[@]}"
lock_cache
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check sync "patches/ and the folders agree" "$top/scripts/check-sync.sh" || true
get_source
. "$top/scripts/target.sh"
check am "apply the series with git am" apply_series "$linux" || finish
for patch in $(numbered_patches); do
	check "checkpatch-$(basename "$patch" .patch | cut -c1-4)" "checkpatch --strict $(basename "$patch")" checkpatch_one "$patch" || true
done
check glue "the tools' own tests" "$top/scripts/test-glue.sh" || true
consoles=()
for name in "${targets[@]}"; do
	use_target "$name"
	check_target all || true
	consoles+=("$kernel"/console.{kunit,selftests}.log)
done
check rows "each row of kunit/ROWS.md has its tests" "$top/scripts/rows.py" "$top/kunit/ROWS.md" "${consoles[@]}" || true
print_table
finish
