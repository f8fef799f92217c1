# SPDX-License-Identifier: GPL-2.0
# Sourced after target.sh: what the driver may cost, as an x86_64 module without
# its tests, at -O2.

max_text=32768		# bytes of the module's text
max_lines=80		# of a function
max_frame=512		# bytes of a stack frame, from checkstack.pl

configure_x86() {
	local dir=$build/limits
	mkdir -p "$dir"
	make -C "$linux" ARCH=x86_64 O="$dir" -s x86_64_defconfig
	"$linux/scripts/config" --file "$dir/.config" --module SHMBUF --module SHMBUF_IVSHMEM --enable SAMPLES --module SAMPLE_SHMBUF
	make -C "$linux" ARCH=x86_64 O="$dir" -s olddefconfig
	make -C "$linux" ARCH=x86_64 O="$dir" -j"$jobs" -s prepare
}

build_module_x86() {
	configure_x86
	make -C "$linux" ARCH=x86_64 O="$build/limits" -j"$jobs" drivers/misc/shmbuf/
}

check_limits() {
	local dir=$build/limits/drivers/misc/shmbuf text status=0
	ld -r -o "$dir/limits.o" $(sed 's|^|'"$build/limits/"'|' "$dir/shmbuf.mod")
	text=$(size -A "$dir/limits.o" | awk '$1 ~ /^\.(text|init\.text|exit\.text)/ { sum += $2 } END { print sum }')
	say "text: $text bytes, at most $max_text"
	[ "$text" -lt $max_text ] || status=1
	awk -v max=$max_lines '
		/^{/ { start = FNR }
		/^}/ && start { if (FNR - start - 1 > max) { print FILENAME ":" start ": function of " (FNR - start - 1) " lines"; bad = 1 }; start = 0 }
		END { exit bad }' "$linux"/drivers/misc/shmbuf/*.c || status=1
	objdump -d "$dir/limits.o" | perl "$linux/scripts/checkstack.pl" x86_64 100 |
		awk -v max=$max_frame '{ print; sub(/.*:[ \t]*/, ""); if ($0 + 0 > max) bad = 1 } END { exit bad }' || status=1
	return $status
}
