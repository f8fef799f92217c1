#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make run: from nothing to processes that map a buffer of a booted kernel.

. "$(dirname "$0")/lib.sh"

need "${build_packages[@]}"
lock_cache
get_source
. "$top/scripts/target.sh"
use_target uml

stage am "apply the series with git am" apply_series "$linux"
stage build "build the kernel (UML)" build_kernel
stage programs "build the programs" build_programs
stage demo "boot it and run the demonstration" demonstrate

awk '/^guest: after / { exit }
     on && !/^(\[|guest: )/ { print }
     /Run .* as init process/ { on = 1 }' "$logs/demo.log"
say
say "The kernel's own messages: $logs/demo.log"
