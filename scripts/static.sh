# SPDX-License-Identifier: GPL-2.0
# Sourced: what can be said of the series without booting it. $linux has the series
# applied, $work is a scratch folder.

# "! grep" does not end a shell with "set -e"; this does, and shows the matches.
none() {		# GREP'S OPTION..., PATTERN and FILE...
	if grep -nE "$@"; then return 1; fi
}

# Types of messages that do not apply: only the person who posts can sign; the entry of
# MAINTAINERS in patch 1 covers whole folders; shmbuf_vma makes mmap() fail with changed
# copies of the real tables; the selftest's table of refusals consists of
# FIXTURE_VARIANT_ADD(); FIELD() of file_kunit.c takes names of structs and members.
checkpatch() {
	cd "$linux"
	./scripts/checkpatch.pl --strict --no-summary --show-types --ignore MISSING_SIGN_OFF,FILE_PATH_CHANGES \
		--ignore CONST_STRUCT,COMPLEX_MACRO,MACRO_ARG_REUSE "$top"/patches/*.patch
}

# The language rules. A sentence begins a line, a comment, or follows a full stop.
language() {
	local files bad=0
	cd "$top"
	mapfile -t files < <(git ls-files ./*.md Documentation drivers include samples tools tests 'patches/c*.txt')
	none -iw 'nobody|somebody|whoever|anybody|everybody' "${files[@]}" || bad=1
	none '(^|[.!?] )([[:space:]]*(/?\*+|//|#+) +)?(Who|What|Whoever|That of|Those of)[ ,]' "${files[@]}" || bad=1
	codespell -L "$spelling" "${files[@]}" || bad=1
	return $bad
}
# Names and terms that codespell takes for mistakes.
spelling=crate,filp,inout,iput,parm

kernel_doc() {
	cd "$linux"
	added "$linux" '*.c' '*.h' | xargs ./scripts/kernel-doc -Wall -none 2>&1 | tee "$work/kernel-doc"
	[ ! -s "$work/kernel-doc" ]
	# It is silent about a file without comments.
	[ "$(./scripts/kernel-doc -rst include/uapi/linux/shmbuf.h | grep -c '^\.\. c:struct::')" -ge 5 ]
}

# Each pattern of our entry has a file, and each file of the driver our entry.
maintainers() {
	cd "$linux"
	sed -n 's/^F:[[:space:]]*//p' "$top/MAINTAINERS.snippet" | xargs ls -d
	for file in $(added "$linux"); do
		./scripts/get_maintainer.pl --no-git --no-git-fallback --sections -f "$file" | grep '^SHMBUF '
	done
}

# Complete in itself in C and C++, for programs of 64 and 32 bits.
uapi_header() {
	local compiler
	make -C "$linux" -s ARCH=x86_64 O="$work/kernel" INSTALL_HDR_PATH="$work/headers" headers_install
	# Headers of the system may use extensions, ours not.
	mkdir -p "$work/uapi/linux"
	mv "$work/headers/include/linux/shmbuf.h" "$work/uapi/linux/"
	echo '#include <linux/shmbuf.h>' >"$work/uapi/only.c"
	for compiler in 'gcc -std=c89' 'gcc -std=c2x' i686-linux-gnu-gcc 'g++ -xc++ -std=c++98' \
		'g++ -xc++ -std=c++20'; do
		$compiler -pedantic -Wall -Wextra -Werror -fsyntax-only -I"$work/uapi" \
			-isystem "$work/headers/include" "$work/uapi/only.c"
	done
}

# A fictional person posts the series. b4 makes one mail a patch, signed, and a cover
# letter for each part of several patches; and they are the same patches.
post() {
	local part branch mails=$work/mails
	OUT=$work/post AUTHOR='A Person <person@example.com>' TRAILER='Assisted-by: a tool' "$top/scripts/post.sh"
	cd "$work/post"
	git config sendemail.smtpserver localhost
	for part in $(parts | cut -d ' ' -f 1); do
		git checkout -q "part-$part"
		HOME=$work b4 --offline-mode send --no-sign --to=list@example.com -o "$mails/$part"
	done
	[ "$(find "$mails" -type f | wc -l)" = $(($(number_of_patches) + $(parts | awk '$2 != $3' | wc -l))) ]
	none '^(From|Signed-off-by): shmbuf developers' -r "$mails"
	grep -r "^+M:.A Person <person@example.com>" "$mails"
	grep -rl '^Assisted-by: a tool' "$mails" | xargs grep -L '^Signed-off-by: A Person' | none . -
	git diff --stat "$(git -C "$linux" rev-parse series)" "part-$part" | tee "$work/post.diff"
	[ "$(tail -n 1 "$work/post.diff")" = ' 1 file changed, 1 insertion(+)' ]
}

# --- for make gate -------------------------------------------------------------

# The distribution's sparse, or the newest that it has the source of.
get_sparse() {
	sparse=$(command -v sparse || true)
	[ -z "$sparse" ] || dpkg --compare-versions "$(dpkg-query -W -f '${Version}' sparse)" lt 0.6.5~ || return 0
	sparse=$cache/sparse/sparse
	[ ! -x "$sparse" ] || return 0
	rm -rf "$cache/sparse" "$cache/sparse.part"
	mkdir "$cache/sparse.part"
	cd "$cache/sparse.part"
	update_lists
	apt-get --only-source --download-only source sparse
	dpkg-source -x --no-check ./sparse_*.dsc src
	make -C src -j"$jobs" CC=gcc sparse
	mv src "$cache/sparse"
}

run_sparse() {
	get_sparse
	configure x86
	rm -f "$build"/gate-x86/{drivers/misc,samples}/shmbuf/*.o
	gate_make C=1 CHECK="$sparse" CF='-D__CHECK_ENDIAN__ -Wbitwise' drivers/misc/shmbuf/ samples/shmbuf/ 2>&1 |
		tee "$work/sparse"
	grep -q 'CHECK .*shmbuf/mmap.c' "$work/sparse"
	none 'shmbuf.*(warning|error):' "$work/sparse"
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
	make -C "$linux" O="$build/docs" SPHINXDIRS='userspace-api driver-api filesystems' htmldocs 2>&1 | tee "$work/htmldocs"
	[ "$(find "$build/docs/Documentation/output" -name shmbuf.html)" ]
	none '(shmbuf|mmap_prepare).*(WARNING|ERROR)|WARNING.*(shmbuf|mmap_prepare)' "$work/htmldocs"
}
