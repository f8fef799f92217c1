#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Every test that a row of kunit/ROWS.md names has run and passed.

usage: rows.py ROWS.md LOG...
"""

import os
import re
import sys


def lines(path):
    with open(path, errors="replace") as f:
        for line in f:
            yield re.sub(r"^\[ *\d+\.\d+\] ?", "", line.rstrip("\r\n"))


def passed_in(path):
    """suite.test of KUnit, whose tests are indented, and fixture.variant.test."""
    suite = None
    for line in lines(path):
        if m := re.match(r"    # Subtest: (\S+)$", line):
            suite = m[1]
        elif (m := re.match(r"(    )?ok \d+ (\S+)(.*)$", line)) and "# SKIP" not in m[3]:
            yield f"{suite}.{m[2]}" if m[1] else m[2]


def main(rows, *logs):
    passed = {test for log in logs if os.path.exists(log) for test in passed_in(log)}
    bad = named = 0
    for line in lines(rows):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not re.fullmatch(r"[A-H]\d", cells[0]):
            continue
        tests = re.findall(r"`([^`]+)`", cells[-1])
        missing = [test for test in tests if test not in passed]
        named += len(tests)
        if missing or not tests:
            bad += 1
            print(f"{cells[0]}: did not pass: {' '.join(missing) or 'no test named'}")
    print(f"{named} tests named, {bad} rows without")
    return bad or not named


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(1 if main(*sys.argv[1:]) else 0)
