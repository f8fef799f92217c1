#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make check: everything that can be proved on this machine. Goes on after a
# failure where the next stage does not need the failed one.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/source.sh"
. "$top/scripts/series.sh"
. "$top/scripts/count.sh"

kunit_and_count() {
	local status=0 line total good
	run_kunit || status=1
	# "Testing complete. Ran 77 tests: passed: 77"
	line=$(grep 'Testing complete. Ran' "$logs/kunit.log" | tail -n 1)
	total=$(sed -n 's/.*Ran \([0-9]*\) tests.*/\1/p' <<<"$line")
	good=$(sed -n 's/.*passed: \([0-9]*\).*/\1/p' <<<"$line")
	[ "${total:-0}" -gt 0 ] || { say "no KUnit test ran"; return 1; }
	say "counted: ${good:-0} passed, $((total - ${good:-0})) failed"
	return $status
}

selftests_and_count() {
	local status=0
	run_selftests || status=1
	awk '/^ok [0-9]/ { p++ } /^not ok [0-9]/ { f++ } / # SKIP/ { p-- ; s++ }
	     END { printf "counted: %d passed, %d failed, %d skipped\n", p, f, s; exit !(p > 0 && !s) }' \
		"$user/console.selftests.log" || { say "no selftest ran, or one was skipped"; status=1; }
	return $status
}

# checkpatch wants a sign-off, which only the person who posts can give, so it
# sees a copy that is signed and thrown away.
checkpatch_one() {	# patch
	local copy=$work/${1##*/} ignore
	ignore=$(sed 's/#.*//; s/[[:space:]]*//g; /^$/d' "$top/scripts/checkpatch-exceptions" | paste -sd,)
	sed "0,/^---\$/s//\\nSigned-off-by: shmbuf developers <shmbuf@example.org>\\n---/" "$1" >"$copy"
	cd "$linux"
	./scripts/checkpatch.pl --strict --no-summary --show-types ${ignore:+--ignore "$ignore"} "$copy"
}

need "${build_packages[@]}"
lock_cache
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check sync "patches/ and the folders agree" "$top/scripts/check-sync.sh" || true
get_source
. "$top/scripts/uml.sh"
check am "apply the series with git am" apply_series "$linux" || finish
for patch in $(numbered_patches); do
	check "checkpatch-$(basename "$patch" .patch | cut -c1-4)" "checkpatch --strict $(basename "$patch")" checkpatch_one "$patch" || true
done
check glue "the tools' own tests" "$top/scripts/test-glue.sh" || true
if check build "build the kernel (UML)" build_uml; then
	check kunit "KUnit under UML" kunit_and_count || true
	if check user "build the selftests" build_user; then
		check selftests "selftests in the same kernel" selftests_and_count || true
	fi
fi
finish
