#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demonstration of "make run", for a guest: commands, and what they print. It fails if
# they print something else.
#
# usage: demo.sh FOLDER; FOLDER has the programs shmbuf and mapper

set -e
PATH=$1:$PATH

# run COMMAND [PATTERN]
run() {
	printf '$ %s\n' "$1"
	said=$(eval "$1")
	[ -z "$said" ] || printf '%s\n' "$said"
	[[ $said =~ ${2:-} ]]
}

# The same for a command that has to fail.
refused() {
	printf '$ %s\n' "$1"
	if said=$(eval "$1" 2>&1); then
		exit 1
	fi
	printf '%s\n' "$said"
	[[ $said =~ $2 ]]
}

# The processes that map the buffer write into a pipe, so that their lines have an order.
pipe=$(mktemp -u)
mkfifo "$pipe"
exec 9<>"$pipe"
rm "$pipe"

map() {
	printf '$ mapper %s &\n' "$1"
	eval "mapper $1 >&9 &"
}

# hear NUMBER PATTERN: print the next lines of these processes.
hear() {
	local i line
	for ((i = 0; i < $1; i++)); do
		read -r -t 600 line <&9
		printf '%s\n' "$line"
		[[ $line =~ $2 ]]
	done
}

echo
run 'shmbuf create --background --name=frames 8M' '^/proc/'
path=$said
map "$path 'stored by a process'"
writer=$!
hear 1 "process $writer maps .* writable"
map "$path"
reader=$!
hear 1 "process $reader maps .* read-only"
run 'shmbuf list' 'frames .* 8M +pages +cached +2 +1 '
run 'shmbuf dump --length=32 frames' 'stored by a proc'
run "echo 'written through the file' | shmbuf fill frames"
run 'shmbuf signal frames'
hear 2 'reads: written through the file'
refused 'shmbuf seal frames' 'cannot seal'
run "kill $writer"
wait "$writer" || true
run 'shmbuf seal frames'
refused "echo 'written later' | shmbuf fill frames" 'cannot write'
run 'shmbuf revoke frames'
hear 1 "process $reader touches the buffer: Bus error"
wait "$reader"
run 'shmbuf list' 'frames .* revoked '
