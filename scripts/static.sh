# SPDX-License-Identifier: GPL-2.0
# Sourced: what can be said of the series without booting it. $linux has the series
# applied, $work is a scratch folder.

added() { git -C "$linux" diff --name-only --no-renames --diff-filter=A base series -- "$@"; }

# "! grep" does not end a shell with "set -e"; this does, and shows what was found.
none() {	# PATTERN FILE
	if grep -E "$1" "$2"; then return 1; fi
}
ours='shmbuf|driver-mmap'

# checkpatch wants a sign-off, which only the person who posts can give, so it
# sees a copy that is signed and thrown away.
checkpatch_one() {	# patch
	local copy=$work/${1##*/} ignore
	ignore=$(sed 's/#.*//; s/[[:space:]]*//g; /^$/d' "$top/scripts/checkpatch-exceptions" | paste -sd,)
	sed "0,/^---\$/s//\\nSigned-off-by: shmbuf developers <shmbuf@example.org>\\n---/" "$1" >"$copy"
	cd "$linux"
	./scripts/checkpatch.pl --strict --no-summary --show-types ${ignore:+--ignore "$ignore"} "$copy"
}

check_patches() {
	local patch
	while IFS= read -r patch <&8; do
		check "checkpatch-$(basename "$patch" .patch | cut -c1-4)" "checkpatch --strict $(basename "$patch")" checkpatch_one "$patch" || true
	done 8< <(numbered_patches)
}

kernel_doc() {
	cd "$linux"
	# shellcheck disable=SC2046
	./scripts/kernel-doc -Wall -none $(added '*.c' '*.h') 2>&1 | tee "$work/kernel-doc"
	none . "$work/kernel-doc"
	# It is silent about what it does not find, so it has to find something.
	[ "$(./scripts/kernel-doc -rst include/uapi/linux/shmbuf.h | grep -c '^\.\. c:struct::')" -ge 5 ]
}

# Each file that the series adds has our entry, and each line of the entry a file.
maintainers() {
	local file files line status=0
	cd "$linux"
	files=$(added)
	[ -n "$files" ]
	for file in $files; do
		./scripts/get_maintainer.pl --no-git --no-git-fallback --sections -f "$file" | grep '^SHMBUF ' >/dev/null ||
			{ say "$file: not in our entry of MAINTAINERS"; status=1; }
	done
	while read -r line; do
		[ -e "$line" ] || { say "MAINTAINERS: $line does not exist"; status=1; }
	done < <(sed -n 's/^F:[[:space:]]*//p' "$top/MAINTAINERS.snippet")
	return $status
}

# A table of the sizes and offsets of all structures, as assembler.
uapi_layout() {		# COMPILER OPTION...
	{
		printf '%s\n' '#include <stddef.h>' '#include <linux/shmbuf.h>' 'const unsigned layout[] = {'
		awk '/^struct .* {$/ { s = $2; print "sizeof(struct " s ")," }
		     s && /^\t__[us][0-9]+ / { f = $2; sub(/[;[].*/, "", f); print "offsetof(struct " s ", " f ")," }
		     /^};/ { s = "" }' "$work/uapi/linux/shmbuf.h"
		say '};'
	} >"$work/layout.c"
	"$@" -I"$work/uapi" -isystem "$work/headers/include" -S -o - "$work/layout.c" | grep -E '^\s+\.(long|zero)'
}

# Complete in itself in every language that a program may be written in, and
# the same to programs of 32 and 64 bits.
uapi_header() {
	local std
	make -C "$linux" -s ARCH=x86_64 O="$work/kernel" INSTALL_HDR_PATH="$work/headers" headers_install
	# Headers of the system may use extensions, ours not.
	mkdir -p "$work/uapi/linux"
	mv "$work/headers/include/linux/shmbuf.h" "$work/uapi/linux/"
	say '#include <linux/shmbuf.h>' >"$work/only.c"
	for std in c89 c99 c11 c17 c2x; do
		gcc -std=$std -pedantic -Wall -Wextra -Werror -I"$work/uapi" -isystem "$work/headers/include" -fsyntax-only "$work/only.c"
	done
	for std in c++98 c++11 c++17 c++20 c++23; do
		g++ -std=$std -pedantic -Wall -Wextra -Werror -I"$work/uapi" -isystem "$work/headers/include" -fsyntax-only -x c++ "$work/only.c"
	done
	uapi_layout gcc >"$work/layout.64"
	uapi_layout i686-linux-gnu-gcc >"$work/layout.32"
	[ "$(grep -c . "$work/layout.64")" -gt 20 ]
	diff -u "$work/layout.64" "$work/layout.32"
}

# What a reviewer gets from the mails is the series again.
b4_am() {
	local id
	# b4 of Debian 12 stumbles over a header of two lines.
	plain_git -C "$linux" format-patch -q --stdout --thread=shallow --cover-letter --no-renames base..series |
		awk '/^Subject: / { header = $0; next } header && /^ / { header = header $0; next } header { print header; header = "" } { print }' >"$work/mbox"
	id=$(sed -n 's/^Message-I[dD]: <\(.*\)>$/\1/p' "$work/mbox" | head -n 1)
	mkdir -p "$work/b4"
	cd "$linux"
	HOME=$work b4 --offline-mode am -m "$work/mbox" -o "$work/b4" "$id"
	cat "$work"/b4/*.mbx | git patch-id --stable | cut -d ' ' -f 1 >"$work/b4.ids"
	cat "$top"/patches/*.patch | git patch-id --stable | cut -d ' ' -f 1 >"$work/our.ids"
	[ -s "$work/our.ids" ]
	diff -u "$work/our.ids" "$work/b4.ids"
}

# The Makefile has the driver's files from the ground up: each calls only those before it.
layers() {
	local dir=$kernel/drivers/misc/shmbuf
	(cd "$dir" && nm -A $(ar t built-in.a | sed 's|.*drivers/misc/shmbuf/||' | grep -v /)) | tr ':' ' ' | awk '
		!($1 in place) { place[$1] = ++files }
		$2 == "U" { used[$1 " " $3] = 1; next }
		$3 ~ /^[TDRB]$/ { home[$4] = $1 }
		END {
			for (use in used) {
				split(use, u, " ")
				if (u[2] in home && place[home[u[2]]] > place[u[1]]) { print u[1] " uses " u[2] " of " home[u[2]]; bad = 1 }
			}
			exit bad || files < 10
		}'
}

# A person who does not exist posts the series: each mail is theirs, goes to those
# who care, and the patches are what they were but for a name.
check_post() {
	local name='A Person <person@example.com>' out=$work/post number mails
	trap 'git -C "$linux" am --abort 2>/dev/null || true; git -C "$linux" checkout -q -f series' EXIT
	OUT=$out AUTHOR=$name TRAILER='Assisted-by: no one' "$top/scripts/post.sh"
	number=$(numbered_patches | wc -l)
	mails=("$out"/*.patch)
	[ ${#mails[@]} = $((number + 1)) ]
	[ "$(grep -lx "Signed-off-by: $name" "${mails[@]:1}" | wc -l)" = "$number" ]
	[ "$(grep -lx 'Assisted-by: no one' "${mails[@]:1}" | wc -l)" = "$number" ]
	[ "$(grep -lx "From: $name" "${mails[@]}" | wc -l)" = $((number + 1)) ]
	[ "$(grep -lE '^(To|Cc|	|    ).*gregkh@' "${mails[@]}" | wc -l)" = $((number + 1)) ]
	grep -qx "+M:	$name" "${mails[1]}"
	none 'shmbuf developers' <(cat "${mails[@]}")
	grep -q '^The base is Linux 7' "${mails[0]}" || grep -q '^base-commit: ' "${mails[0]}"
	git -C "$linux" checkout -q -f --detach base
	git -C "$linux" am -q "${mails[@]:1}"
	git -C "$linux" diff --stat series HEAD | tee "$work/post.diff"
	grep -q '^ MAINTAINERS | 1 +' "$work/post.diff"
	[ "$(wc -l <"$work/post.diff")" = 2 ]
}

# --- what takes longer, for make gate -------------------------------------------

# The distribution's sparse, or the newest that it has the source of.
get_sparse() {
	local repo suite minimum=0.6.5~
	sparse=$(command -v sparse || true)
	[ -z "$sparse" ] || ! dpkg --compare-versions "$(dpkg-query -W -f '${Version}' sparse)" lt $minimum || sparse=
	[ -z "$sparse" ] || return 0
	sparse=$cache/sparse/sparse
	[ ! -x "$sparse" ] || return 0
	write_apt_conf
	rm -rf "$cache/sparse" "$cache/sparse.part"
	mkdir "$cache/sparse.part"
	cd "$cache/sparse.part"
	for suite in "${suites[@]}"; do
		for repo in $(repositories); do
			use_suite "$repo" "$suite" || continue
			sed -i 's/^deb /deb-src /' "$cache/apt/sources.list"
			private_apt update || continue
			private_apt --only-source --download-only source sparse 2>/dev/null || continue
			rm -rf src
			dpkg-source -x --no-check ./sparse_*.dsc src
			dpkg --compare-versions "$(cd src && dpkg-parsechangelog -S Version)" ge $minimum || { rm -f sparse_*; continue; }
			make -C src -j"$jobs" CC=gcc sparse
			mv src "$cache/sparse"
			rm -rf "$cache/sparse.part"
			return
		done
	done
	say "no suite has a sparse that is new enough"
	return 1
}

run_sparse() {
	get_sparse
	local dir=$build/limits
	cd "$linux"
	make ARCH=x86_64 O="$dir" -j"$jobs" -s prepare
	rm -f "$dir"/drivers/misc/shmbuf/*.o "$dir"/samples/shmbuf/*.o
	make ARCH=x86_64 O="$dir" -j"$jobs" C=1 CHECK="$sparse" CF='-D__CHECK_ENDIAN__ -Wbitwise' drivers/misc/shmbuf/ samples/shmbuf/ 2>&1 | tee "$work/sparse"
	grep -q 'CHECK .*shmbuf/mmap.c' "$work/sparse"
	none "($ours).*(warning|error):" "$work/sparse"
}

run_coccicheck() {
	local dir
	cd "$linux"
	for dir in drivers/misc/shmbuf samples/shmbuf; do
		make coccicheck MODE=report M=$dir J="$jobs" 2>&1 | tee "$work/cocci"
		grep -q 'Please check for false positives' "$work/cocci"
		none '^[^ ]+\.[ch]:[0-9]+' "$work/cocci"
	done
}

run_htmldocs() {
	make -C "$linux" O="$build/docs" SPHINXDIRS='userspace-api driver-api' htmldocs 2>&1 | tee "$work/htmldocs"
	[ -s "$build/docs/Documentation/output/driver-api/driver-mmap.html" ] || [ -s "$build/docs/Documentation/output/driver-api/driver-api/driver-mmap.html" ]
	none "($ours)[^ ]*:?[0-9]*: (WARNING|ERROR)|WARNING.*($ours)" "$work/htmldocs"
}
