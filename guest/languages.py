#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Extract the programs of a document and build them.

usage: languages.py DOCUMENT FOLDER

Each "code-block" is a program. A line of FOLDER/programs is a language and a command,
or "-" if the language is not installed.
"""

import glob
import os
import re
import subprocess
import sys

CRATES = "/usr/share/cargo/registry/"


def run(*command, **environment):
    subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, **environment})


def build_rust(folder, source):
    # cargo would need a manifest and a registry for each build.
    extern = []
    for crate, edition in ("libc", "2015"), ("memmap2", "2018"):
        library = f"{folder}/lib{crate}.rlib"
        run("/usr/bin/rustc", "--crate-type=rlib", "--crate-name", crate, "--edition", edition, "--cap-lints=allow",
            "-L", folder, *extern, "-o", library, glob.glob(f"{CRATES}{crate}-[0-9]*/src/lib.rs")[0])
        extern = ["--extern", f"{crate}={library}"]
    run("/usr/bin/rustc", "--edition=2021", "-L", folder, *extern, "-o", source[:-3], source)
    return [source[:-3]]


def build_go(folder, source):
    run("/usr/bin/go", "build", "-o", source[:-3], source, GO111MODULE="off", GOCACHE=folder + "/cache")
    return [source[:-3]]


def build_java(folder, source):
    run("/usr/bin/javac", "-Xlint", "-Werror", "-d", folder, source)
    return ["/usr/bin/java", "-Xint", "-Xmx64m", "-XX:+UseSerialGC", "-cp", folder, "Shmbuf"]


# The suffix, the files that show that the language is installed, and the command.
LANGUAGES = {
    "python": (".py", "/usr/bin/python3", ["/usr/bin/python3"]),
    "javascript": (".js", "/usr/bin/node", ["/usr/bin/node"]),
    "java": (".java", "/usr/bin/javac", build_java),
    "go": (".go", "/usr/bin/go", build_go),
    "rust": (".rs", "/usr/bin/rustc " + CRATES + "memmap2-*", build_rust),
}


def main(document, folder):
    folder = os.path.abspath(folder)
    lines = []
    for block in re.finditer(r"^\.\. code-block:: (\w+)\n\n((?:\t.*\n|\n)+)", open(document).read(), re.M):
        if block[1] not in LANGUAGES:
            continue
        suffix, needed, command = LANGUAGES.pop(block[1])
        own = os.path.join(folder, block[1])
        os.makedirs(own, exist_ok=True)
        source = os.path.join(own, "Shmbuf" + suffix)
        with open(source, "w") as f:
            f.write(re.sub(r"^\t", "", block[2], flags=re.M).rstrip() + "\n")
        words = ["-"]
        if all(map(glob.glob, needed.split())):
            words = command(own, source) if callable(command) else [*command, source]
        lines.append(" ".join([block[1], *words]) + "\n")
    if LANGUAGES:
        sys.exit(f"{document} has no program in: {', '.join(LANGUAGES)}")
    with open(os.path.join(folder, "programs"), "w") as f:
        f.writelines(lines)


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 3 else sys.exit(__doc__)
