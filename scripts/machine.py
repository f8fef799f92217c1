#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The machine on which kunit.py boots an architecture, for booting it ourselves.

usage: machine.py LINUX ARCH

Prints, a line each: the path of the kernel in its build folder, the kernel's
command line, and the words of the qemu command.
"""

import importlib
import sys

if len(sys.argv) != 3:
    sys.exit(__doc__)
sys.path.insert(0, sys.argv[1] + "/tools/testing")
sys.dont_write_bytecode = True
machine = importlib.import_module("kunit.qemu_configs." + sys.argv[2]).QEMU_ARCH
print(machine.kernel_path)
print(machine.kernel_command_line)
print("qemu-system-" + machine.qemu_arch, *machine.extra_qemu_params, "-serial", machine.serial, sep="\n")
