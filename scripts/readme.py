#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Is README.md true? Its program is the sample, its figures are the measured ones, and what
it names exists.

usage: readme.py CHECKOUT
"""

import os
import re
import sys


def main(top):
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.join(top, "bench"))
    import report

    text = open(os.path.join(top, "README.md")).read()
    results = report.Results(os.path.join(top, "bench/results.json"))
    bad = []

    program = re.search(r"```c\n(.*?)```", text, re.S)
    if not program or program[1] != open(os.path.join(top, "samples/shmbuf/shmbuf-hello.c")).read():
        bad.append("the program is not samples/shmbuf/shmbuf-hello.c")

    rows = {"shmbuf": "pages", "memfd": "memfd", "memfd, huge pages (THP)": "memfd-thp", "memfd, hugetlb": "memfd-hugetlb",
            "udmabuf": "udmabuf", "DMA-BUF heap, system": "heap-system"}
    for row, name in rows.items():
        figure = re.search(rf"^\| {re.escape(row)} \|.*\| ([^|]*) \|$", text, re.M)
        if not figure or figure[1] != report.cell(results.walk(name)):
            bad.append(f"the walk of {row} is {report.cell(results.walk(name))} in bench/results.json")

    for name in ("contig", "heap-system", "pages"):
        figure = report.cell(results.walk(name, 65536))
        if figure not in text.split("*Walk*")[-1]:
            bad.append(f"the walk of 64 KiB of {name} is {figure} in bench/results.json")

    targets = set(re.findall(r"^([a-z-]+):", open(os.path.join(top, "Makefile")).read(), re.M))
    for target in sorted(set(re.findall(r"\bmake (?!headers)([a-z]+(?:-[a-z]+)*)", text))):
        if target not in targets:
            bad.append(f"there is no make {target}")
    for path in sorted(set(re.findall(r"[`(]((?:bench|drivers|guest|include|kunit|patches|samples|scripts|tools|Documentation)/[^`*) ]*)[`)]", text))):
        # What Documentation/process asks of people is the kernel's.
        if not path.startswith("Documentation/process/") and not os.path.exists(os.path.join(top, path)):
            bad.append(f"there is no {path}")

    for line in bad:
        print(f"README.md: {line}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
