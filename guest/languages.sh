#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# usage: languages.sh FOLDER
# Run each program in FOLDER/programs on a named node and on a buffer file, and compare
# its output and the contents of the buffer.
node=/dev/shmbuf-selftest
size=65536
n=0
status=0
[ -s "$1/programs" ] || exit
# Without the node, dd would create a regular file of its name.
[ -c $node ] || { echo "Bail out! $node is not a device"; exit 1; }

# buffer COMMAND...: run a command that has a new buffer file as descriptor 3.
buffer() {
	/usr/bin/python3 - "$@" <<-'END'
	import fcntl, os, struct, sys
	c = bytearray(struct.pack("QIIIiiI32s", 65536, 0, 0, 0, -1, -1, 0, b"languages"))
	fcntl.ioctl(os.open("/dev/shmbuf", os.O_RDWR), 0xC040B900, c)
	os.dup2(struct.unpack_from("i", c, 20)[0], 3)
	os.execvp(sys.argv[1], sys.argv[1:])
	END
}

# result TITLE EXPECTED ACTUAL
result() {
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n $1"
	else
		echo "not ok $n $1"
		status=1
		echo "$3" | sed 's/^/# /'
	fi
}

# The output of the program, and then of read().
run='"$@" 2>&1; dd if="$path" bs="$length" count=1 2>/dev/null'

while read -r language command; do
	if [ "$command" = - ]; then
		n=$((n + 1))
		echo "ok $n language: $language # SKIP not installed"
		continue
	fi
	text="hello from $language"
	export length=${#text} path
	expected=$(printf '%s %s\n%s' $size "$text" "$text")
	# $command is words.
	path=$node
	dd if=/dev/zero of=$node bs=$size conv=nocreat,notrunc count=1 2>/dev/null
	result "language: $language, named node" "$expected" "$(sh -c "$run" sh $command $path </dev/null)"
	path=/proc/self/fd/3
	result "language: $language, buffer file" "$expected" "$(buffer sh -c "$run" sh $command $path </dev/null)"
done <"$1/programs"

# The table of the document.
map='import mmap, os, sys; print(len(mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 0)))'
result "language: python, length 0 on a buffer file" $size "$(buffer python3 -c "$map" /proc/self/fd/3 2>&1)"
result "language: python, length 0 on a named node" "OSError: [Errno 22] Invalid argument" \
	"$(python3 -c "$map" $node 2>&1 | tail -n 1)"
echo "1..$n"
exit $status
