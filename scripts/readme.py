#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Are README.md, CONTRIBUTING.md and DESIGN.md true? "make check" runs all that README.md
tells a reader to run: its program and its block of shell commands in a guest, the others
in the stages of COMMANDS. Its figures are the measured ones, its excerpt is from the
demonstration, and what the three files name exists.

usage: readme.py CHECKOUT               compare
       readme.py CHECKOUT c|sh          print the program, or the commands for a guest
       readme.py CHECKOUT excerpt LOG   is the excerpt in the log of the demonstration?
"""

import glob
import os
import re
import sys

# The stage of scripts/check.sh that runs a command.
COMMANDS = {
    "make run": "demo",
    "make check": None,
    "make help": "glue",
    "make dkms && apt install ./dist/shmbuf-*.deb": "package",
    "git am patches/*.patch": "am",
    # Both run more of what check runs.
    "make matrix": None,
    "make distro": None,
}

WALKS = {"shmbuf": "pages", "memfd": "memfd", "memfd, huge pages (THP)": "memfd-thp", "memfd, hugetlb": "memfd-hugetlb",
         "udmabuf": "udmabuf", "DMA-BUF heap, system": "heap-system"}


class Checkout:
    def __init__(self, top):
        self.top = top

    def read(self, path):
        with open(os.path.join(self.top, path)) as f:
            return f.read()

    def exists(self, path):
        return bool(glob.glob(os.path.join(self.top, path)))

    def block(self, language):
        found = re.findall(rf"^```{language}\n(.*?)^```$", self.read("README.md"), re.S | re.M)
        return found[0] if len(found) == 1 else sys.exit(f"README.md: {len(found)} blocks of {language}")


def commands(checkout):
    """Each command of README.md outside of its fenced blocks is of a stage that exists."""
    text = re.sub(r"^```.*?^```$", "", checkout.read("README.md"), flags=re.S | re.M)
    stages = re.findall(r"^\s*check ([a-z-]+) ", checkout.read("scripts/check.sh"), re.M)
    found = re.findall(r"^    (.*?)(?:  +#.*)?$", text, re.M) + re.findall(r"`(make [^`]*)`", text)
    for command in found:
        if command not in COMMANDS:
            yield f"make check does not run \"{command}\""
        elif COMMANDS[command] and COMMANDS[command] not in stages:
            yield f"make check has no stage {COMMANDS[command]} for \"{command}\""


def figures(checkout):
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.join(checkout.top, "bench"))
    import report

    text, results = checkout.read("README.md"), report.Results(os.path.join(checkout.top, "bench/results.json"))
    for row, name in WALKS.items():
        figure = re.search(rf"^\| {re.escape(row)} \|.*\| ([^|]*) \|$", text, re.M)
        if not figure or figure[1] != report.cell(results.walk(name)):
            yield f"the walk of {row} is {report.cell(results.walk(name))} in bench/results.json"


def names(checkout, text):
    """Targets of make, and paths."""
    targets = re.findall(r"^([a-z-]+):", checkout.read("Makefile"), re.M)
    for target in sorted(set(re.findall(r"(?:^    |`|&& |\w=\S+ )make (?!headers)([a-z]+(?:-[a-z]+)*)", text, re.M)) - set(targets)):
        yield f"make {target} does not exist"
    folders = "bench|dkms|drivers|guest|include|kunit|patches|samples|scripts|tools|Documentation"
    for path in sorted(set(re.findall(rf"[`(]((?:{folders})/[^` )]*|[A-Z]+\.md|COPYING)[`)]", text))):
        # Documents about posting, and some examples, are the kernel's.
        if not re.match("Documentation/process/|drivers/gpu/", path) and not checkout.exists(path):
            yield f"{path} does not exist"


def code(checkout, text):
    """DESIGN.md has each file of the driver. The functions of the driver that it names exist,
    and so do all in its diagrams."""
    folder = "drivers/misc/shmbuf/"
    files = [os.path.basename(f) for f in glob.glob(os.path.join(checkout.top, folder, "*.[ch]"))]
    source = "".join(checkout.read(folder + f) for f in files) + checkout.read("include/linux/shmbuf.h")
    diagrams = "".join(re.findall(r"^```\n(.*?)^```$", text, re.S | re.M))
    for name in sorted(files):
        if f"`{name}`" not in text:
            yield f"{name} is missing"
    for name in sorted(set(re.findall(r"\b(shmbuf_\w+)\(", text) + re.findall(r"\b([a-z]+_\w+)\(", diagrams))):
        if not re.search(rf"\b{name}\b", source):
            yield f"{name}() does not exist"
    for file, name in re.findall(r"\b(\w+\.c) +(\w+)\(\)", text):
        if file in files and not re.search(rf"\b{name}\(", checkout.read(folder + file)):
            yield f"{file} has no {name}()"


def compare(checkout):
    bad = [("README.md", line) for line in [*commands(checkout), *figures(checkout)]]
    lines = checkout.read("README.md").count("\n")
    if lines > 110:
        bad.append(("README.md", f"{lines} lines, more than 110"))
    for file in ("README.md", "CONTRIBUTING.md", "DESIGN.md"):
        bad += [(file, line) for line in names(checkout, checkout.read(file))]
    bad += [("DESIGN.md", line) for line in code(checkout, checkout.read("DESIGN.md"))]
    for file, line in bad:
        print(f"{file}: {line}")
    return bool(bad)


def excerpt(checkout, log):
    """Numbers and spaces differ from run to run."""
    def plain(line):
        return re.sub(r"\s+", " ", re.sub(r"\d+", "0", line.strip()))

    with open(log, errors="replace") as f:
        printed = {plain(line) for line in f}
    missing = [line for line in checkout.block("console").splitlines() if plain(line) not in printed]
    for line in missing:
        print(f"README.md: the demonstration does not print: {line}")
    return bool(missing)


def main(argv):
    if len(argv) == 2:
        return compare(Checkout(argv[1]))
    if len(argv) == 3 and argv[2] in ("c", "sh"):
        return print(Checkout(argv[1]).block(argv[2]), end="")
    if len(argv) == 4 and argv[2] == "excerpt":
        return excerpt(Checkout(argv[1]), argv[3])
    return __doc__


if __name__ == "__main__":
    sys.exit(main(sys.argv))
