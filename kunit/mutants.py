#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The deliberate faults of kunit/mutants.

usage: mutants.py MUTANTS DRIVER                list: key, target, file:line, sentence
       mutants.py MUTANTS DRIVER KEY            make that fault in the folder DRIVER

The key changes with the fault and with the file that it is made in.
"""

import hashlib
import os
import re
import sys


def read(path, driver):
    sources = {}
    for block in re.split(r"^(?=@)", open(path).read(), flags=re.M)[1:]:
        head, *lines = block.rstrip("\n").split("\n")
        m = re.fullmatch(r"@(\S*) (\S+): (.*)", head)
        if not m:
            sys.exit(f"{path}: not a fault: {head}")
        name = m[2]
        if name not in sources:
            sources[name] = open(os.path.join(driver, name)).read()
        lines = [line for line in lines if line and line[0] != "#"]
        if bad := [line for line in lines if line[0] not in " -+"]:
            sys.exit(f"{path}: {head}: not a line of a diff: {bad[0]}")
        old = "\n".join(line[1:] for line in lines if line[0] in " -")
        new = "\n".join(line[1:] for line in lines if line[0] in " +")
        if sources[name].count(old) != 1:
            sys.exit(f"{path}: {head}: what was there before is in the file {sources[name].count(old)} times")
        key = hashlib.sha1((block + sources[name]).encode()).hexdigest()[:12]
        same = os.path.commonprefix([old.split("\n"), new.split("\n")])
        line = sources[name][: sources[name].index(old)].count("\n") + 1 + len(same)
        yield key, m[1] or "uml", name, line, m[3], sources[name].replace(old, new)


def main(path, driver, key=None):
    for k, target, name, line, sentence, mutant in read(path, driver):
        if key is None:
            print(k, target, f"{name}:{line}", sentence)
        elif k == key:
            with open(os.path.join(driver, name), "w") as f:
                f.write(mutant)
            return
    if key:
        sys.exit(f"no fault {key}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
