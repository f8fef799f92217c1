#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Test of the tool shmbuf, its manual page and completion, and of the examples of waiting.

usage: tool.py PROGRAMS

PROGRAMS is the folder with the compiled programs. The kernel has published a buffer
"selftest" of 64 KiB.
"""

import asyncio
import contextlib
import importlib.util
import json
import mmap
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

from clients import check, expect, finish, libc, wait_for

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = sys.argv[1]
TOOL = "/media/shmbuf"
COMPLETION = TOP + "/tools/shmbuf/bash-completion/shmbuf"
ASYNCIO = TOP + "/samples/shmbuf/shmbuf-asyncio.py"
DEBUGFS = "/sys/kernel/debug"
UNPRIVILEGED = {"user": 65534, "group": 65534, "extra_groups": []}

# The programs may be in a folder that an unprivileged process cannot enter.
subprocess.run(["mount", "-n", "-t", "tmpfs", "none", "/media"], check=True)
shutil.copy(os.path.join(PROGRAMS, "shmbuf"), TOOL)

held = []


def run(*args, **options):
    """Run the tool. Output that is not text has invalid characters replaced."""
    return subprocess.run([TOOL, *args], capture_output=True, text=True, errors="replace",
                          **{"stdin": subprocess.DEVNULL} | options)


def says(what, result, text):
    expect(what, not result.returncode and not result.stderr and re.search(text, result.stdout), result)


def silent(what, result):
    expect(what, not result.returncode and not result.stderr and not result.stdout, result)


def fails(what, result, text, status=1):
    """A failure has its exit status, and one sentence without a word of the C library."""
    message = result.stderr
    expect(what, result.returncode == status and text in message and message.startswith("shmbuf")
           and message.count("\n") == 1 and not re.search("errno|[Ss]uccess|Invalid argument|not permitted", message),
           result)


@contextlib.contextmanager
def started(*args, **options):
    """Run the tool beside the test. It ends at the latest with the test, also if that fails."""
    with subprocess.Popen([TOOL, *args], text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def hold(*args, **options):
    """Create a buffer in the background, and return its path."""
    result = run("create", "--background", *args, **options)
    assert not result.returncode, result
    path = result.stdout.strip()
    held.append(int(path.split("/")[2]))
    return path


def release():
    """End the processes that hold buffers. PID 1 reaps them."""
    while held:
        os.kill(held[-1], signal.SIGTERM)
        path = "/proc/%d/fd/3" % held.pop()
        wait_for(lambda: not os.path.lexists(path))


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def listed(**wanted):
    """Return the buffers of the list that have these values."""
    return [b for b in json.loads(run("list", "--json").stdout) if wanted.items() <= b.items()]


def pid_fd(path):
    return ":".join(path.split("/")[2::2])


def options_of(command):
    return set(re.findall("^  --([a-z]+)", run(command, "--help").stdout, re.M))


def completed(*words):
    """Return what bash proposes after these words."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shmbuf; printf "%s\\n" "${COMPREPLY[@]}"'
    result = subprocess.run(["bash", "-c", script, "bash", COMPLETION, "shmbuf", *words], capture_output=True,
                            text=True, cwd="/dev", env=os.environ | {"PATH": PROGRAMS + ":" + os.environ.get("PATH", "/bin:/usr/bin")})
    return set(result.stdout.split())


def texts():
    help_text = run("--help")
    commands = re.findall("^  ([a-z]+) +[a-z]", help_text.stdout.split("\n\nBUFFER")[0], re.M)
    says("--help lists the commands", help_text, "^usage: shmbuf COMMAND")
    expect("there are twelve", len(commands) == 12, commands)
    with open(TOP + "/tools/shmbuf/shmbuf.1") as file:
        page = file.read().replace("\\-", "-")
    sections = {name: text for names, text in re.findall(r"^\.SS (.*)\n((?:(?!\.S[SH]).*\n)*)", page, re.M)
                for name in names.split(", ")}
    expect("the manual has the same commands", list(sections) == commands, list(sections))
    expect("and so has its synopsis", re.findall(r"^\\fBshmbuf ([a-z]+)", page, re.M) == commands)
    expect("and the completion", completed("") == {*commands, "--help"}, completed(""))
    for command in commands:
        says(command + " has --help", run(command, "--help"), r"^usage: shmbuf %s \[OPTION...\]" % command)
        options = options_of(command) - {"help"}
        mentioned = set(re.findall("--([a-z]+)", sections[command]))
        described = set(re.findall(r"^\.TP\n\.BI? --([a-z]+)", sections[command], re.M))
        expect(command + ": the manual has each option", options <= mentioned, options - mentioned)
        expect(command + ": and only those", described <= options, described - options)
        proposed = {word[2:] for word in completed(command, "--")} - {"help"}
        expect(command + ": the completion has the options", proposed == options, proposed ^ options)


def completion():
    hold("--name", "proposed", "4K")
    expect("the completion proposes buffers", {"proposed", "selftest"} <= completed("info", ""), completed("info", ""))
    expect("and nodes", completed("info", "/dev/shmbuf-s") == {"/dev/shmbuf-selftest"})
    for option in "backing", "cache":
        kinds = completed("create", "--" + option, "")
        known = re.search(r"--%s KIND +(.*)" % option, run("create", "--help").stdout)[1]
        expect("it proposes each --" + option, kinds == set(re.findall("[a-z-]+", known)) - {"the", "default", "or"}, kinds)
    release()


    for name in "$(touch pwned)", "`touch pwned`", "$(touch>pwned)", "--inode":
        hold("--name", name, "4K")
    words = completed("info", "") | completed("info", "$") | completed("info", "`")
    expect("it does not run the name of a buffer", not os.path.exists("/dev/pwned"))
    expect("nor propose what a shell does not read as a word", all(re.fullmatch("[/A-Za-z0-9][/A-Za-z0-9._-]*", w) for w in words), words)
    release()


def create():
    says("create runs a command with $SHMBUF_FD",
         run("create", "--name", "inherited", "1", "sh", "-c", "stat -Lc %s /proc/self/fd/$SHMBUF_FD; "
             "readlink /proc/self/fd/$SHMBUF_FD"), "^4096\n/shmbuf:inherited ")
    expect("and ends with its status", run("create", "4K", "sh", "-c", "exit 42").returncode == 42)
    fails("a command that does not exist", run("create", "4K", "/nonexistent"), "cannot run /nonexistent", 127)
    fails("a command that is a folder", run("create", "4K", "/"), "cannot run /: ", 126)
    says("an option after the command is the command's", run("create", "4K", "echo", "--name"), "^--name\n$")

    with started("create", "8K", stdout=subprocess.PIPE) as process:
        path = process.stdout.readline().strip()
        expect("without a command it prints a path", os.path.getsize(path) == 8192, path)
        inode = os.stat(path).st_ino
        process.terminate()
        expect("a signal ends it", process.wait() == -signal.SIGTERM)
    expect("and the buffer", not listed(inode=inode))

    path = hold("2M")
    expect("in the background too", os.path.getsize(path) == 2 << 20)
    expect("without a terminal", {os.readlink(path[:-1] + str(n)) for n in range(3)} == {"/dev/null"})
    release()
    with open("/proc/self/status") as file:
        path = hold("4K", pass_fds=[file.fileno()], cwd="/proc")
    folder = path.split("/fd/")[0]
    expect("it keeps only the descriptor of the buffer", sorted(os.listdir(folder + "/fd")) == list("0123"), os.listdir(folder + "/fd"))
    expect("and no folder", os.readlink(folder + "/cwd") == "/")
    release()
    for closed in "<&-", ">&- 2>&-", "<&- >&- 2>&-":
        subprocess.run(["sh", "-c", '"$0" create --background --name closed 4K ' + closed, TOOL])
        expect("create with %s keeps no buffer that cannot be found" % closed, len(listed(name="closed")) == 1)
    held.append(int(listed(name="closed")[0]["where"][0].split(":")[0]))
    release()
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    for what, fd in ("a full device", full), ("a closed pipe", writer):
        result = subprocess.run([TOOL, "create", "--background", "--name", "lost", "4K"], stdout=fd, stderr=subprocess.PIPE, text=True)
        fails("the path cannot be written to " + what, result, "cannot write the output")
        wait_for(lambda: not listed(name="lost"))
        os.close(fd)

    for kind in "pages", "contig", "coherent", "stream":
        path = hold("--backing", kind, "--cache", "cached", "64K")
        says("create --backing " + kind, run("info", path), "backing: +%s\n" % kind)
    says("create --node", run("info", hold("--node", "0", "64K")), "backing: +pages")
    release()
    fails("a cache that the backing does not have", run("create", "--cache", "device", "4K"), "this kernel does not have")
    fails("a backing of drivers", run("create", "--backing", "region", "4K"), "this kernel does not have")
    fails("a NUMA node that does not exist", run("create", "--node", "999", "4K"), "the NUMA node is not valid")
    fails("more than the memory", run("create", "999T"), "not enough such memory")
    fails("a name with a slash", run("create", "--name", "a/b", "4K"), "the name or the NUMA node is not valid")
    fails("without permission", run("create", "4K", **UNPRIVILEGED), "permission is missing")


def lists():
    path = hold("--name", 'two "w\\ords', "64K")
    buffer, = listed(name='two "w\\ords')
    mine = {"size": 65536, "backing": "pages", "cache": "cached", "mappings": 0, "writable_mappings": 0, "signals": 0,
            "revoked": False, "seals": [], "map_unit": None, "capabilities": None, "where": [pid_fd(path)], "inode": os.stat(path).st_ino}
    expect("list --json has a buffer", mine.items() <= buffer.items(), buffer)
    expect("and a node", listed(name="selftest", where=["/dev/shmbuf-selftest"], map_unit=4096, capabilities=["pinnable"]), listed())
    with open(TOP + "/tools/shmbuf/shmbuf.1") as file:
        keys = re.findall(r"^\.T[PQ]\n\.BR? ([a-z_]+)", file.read().split(".SS info")[1].split(".SS cat")[0], re.M)
    expect("the manual has the keys", keys == list(buffer), keys)
    with open("/dev/shmbuf-selftest"), open("/dev/shmbuf-selftest"):
        expect("a process that has the node open", len(listed(name="selftest")[0]["where"]) == 3, listed())
    says("list is a table", run("list"), r'(?m)^NAME .* WHERE\n(.*\n)*two "w\\ords +\d+ +64K pages +cached +0 +0 - +0 ' +
         pid_fd(path) + "$")
    fd = os.open(path, os.O_RDWR)
    reader, writer = mmap.mmap(fd, 4096, prot=mmap.PROT_READ), mmap.mmap(fd, 0)
    expect("it counts mappings", listed(inode=mine["inode"], mappings=2, writable_mappings=2))
    expect("it has each process", sorted(listed(inode=mine["inode"])[0]["where"]) ==
           sorted(pid_fd(p) for p in (path, *own_descriptors(mine["inode"]))), listed(inode=mine["inode"]))
    os.close(fd)
    release()
    expect("and a buffer that is open only here", listed(inode=mine["inode"], mappings=2))
    reader.close()
    writer.close()
    says("list of an unprivileged process has a header alone", run("list", **UNPRIVILEGED), "^NAME.*\n$")
    says("as JSON an empty list", run("list", "--json", **UNPRIVILEGED), r"^\[\]\n$")
    passed = "create", "--name", "passed", "4K", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", TOOL
    says("a buffer that another user passed on is in it", run(*passed, "list"), r"^NAME.*\npassed .* 4K pages .*\n$")
    fails("but cannot be opened", run(*passed, "info", "passed"), "permission is missing")
    with open("/dev/full", "w") as full:
        result = subprocess.run([TOOL, "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    fails("output that cannot be written", result, "cannot write the output")

    start = time.monotonic()
    result = run("watch", "--count", "2", "--interval", "0.5")
    says("watch prints the list again", result, r"^NAME(.*\n)*selftest(.*\n)*\nNAME(.*\n)*selftest")
    expect("--count times", result.stdout.count("NAME") == 2, result)
    expect("at the --interval", time.monotonic() - start >= 0.5)


def forged():
    """A file that looks like a buffer, which a process in a mount namespace of its own holds"""
    script = """mount --make-rprivate / && mount -t tmpfs none /mnt && touch /mnt/shmbuf:forged &&
        exec 4</mnt/shmbuf:forged && mount -n --move /mnt / && echo && read line"""
    with subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        path = "/proc/%d/fd/4" % process.pid
        expect("a file has the link of a buffer", os.readlink(path) == "/shmbuf:forged", os.readlink(path))
        watch = check(libc.inotify_init1(os.O_NONBLOCK))
        check(libc.inotify_add_watch(watch, path.encode(), 0x20))
        expect("list does not have it", not listed(name="forged"))
        fails("info of its name", run("info", "forged"), "'forged' is not a buffer that you may open")
        for buffer in pid_fd(path), path:
            fails("info of its descriptor", run("info", buffer), "it is not a buffer of shmbuf")
        try:
            opened = os.read(watch, 4096)
        except BlockingIOError:
            opened = b""
        expect("none opens it", not opened, opened)
        with open(path):
            expect("the test would see that", os.read(watch, 4096))
        os.close(watch)
        process.stdin.close()


def own_descriptors(inode):
    for fd in os.listdir("/proc/self/fd"):
        path = "/proc/%d/fd/%s" % (os.getpid(), fd)
        if os.path.exists(path) and os.stat(path).st_ino == inode and "/shmbuf:" in os.readlink(path):
            yield path


def infos():
    path = hold("--name", "described", "64K")
    says("info", run("info", "described"), r"^name: +described\ninode: +%d\nsize: +65536\nbacking: +pages\ncache: +cached\n"
         r"map_unit: +4096\nmappings: +0\nwritable_mappings: +0\nsignals: +0\nseals: +\nrevoked: +false\ncapabilities: +pinnable\n"
         r"where: +%s\n$" % (os.stat(path).st_ino, path))
    says("a node has no inode number of its buffer", run("info", "selftest"), "\ninode: +-\n")
    expect("nor as JSON", json.loads(run("info", "--json", "selftest").stdout)["inode"] is None)
    run("seal", "--write", "--seal", "described")
    says("it names seals", run("info", "described"), "\nseals: +write seal\n")
    buffer = json.loads(run("info", "--json", "described").stdout)
    expect("info --json", buffer == listed(name="described")[0] |
           {"where": [path], "map_unit": 4096, "capabilities": ["pinnable"]}, buffer)
    release()


def arguments():
    path = hold("--name", "one", "4K")
    for buffer in "one", path, pid_fd(path), "/proc/self/fd/9":
        fd = os.open(path, os.O_RDWR)
        os.dup2(fd, 9)
        os.close(fd)
        says("BUFFER can be " + re.sub(r"\d+", "N", buffer), run("info", buffer, pass_fds=[9]), "^name: +one\n")
        os.close(9)
    for buffer in "selftest", "/dev/shmbuf-selftest":
        says("BUFFER can be " + buffer, run("info", buffer), "^name: +selftest\n")
    says("BUFFER can be a descriptor", run("create", "--name", "number", "4K", "sh", "-c", TOOL + " info $SHMBUF_FD"),
         "^name: +number\n")
    other = hold("--name", "one", "4K")
    fails("two buffers of a name", run("info", "one"), "more than one buffer has the name 'one'; see 'shmbuf list'")
    run("revoke", other)
    says("a revoked one is not in the way if it is newer", run("info", "one"), "^name: +one\n")
    hold("--name", "one", "8K")
    run("revoke", path)
    says("nor if it is older", run("info", "one"), "^name: +one\ninode: .*\nsize: +8192\n")
    release()
    fails("a name that is not that of a buffer", run("info", "one"), "'one' is not a buffer that you may open; see 'shmbuf list'")
    fails("a path that does not exist", run("info", "/nonexistent"), "it does not exist")
    fails("a path of another file", run("info", "/dev/null"), "cannot open /dev/null: it is not a buffer")
    fails("a process that does not exist", run("info", "4194304:3"), "it does not exist")
    fails("a descriptor that is not open", run("info", "77"), "cannot open 77: this descriptor is not open")
    for number in "4294967299", "99999999999:3", "3:99999999999", "1:-1":
        fails("the number " + number, run("create", "4K", TOOL, "info", number), "'%s' is not a buffer that you may open" % number)
    hold("4K")
    for command in "info", "revoke":
        fails(command + " of an empty argument", run(command, ""), "the argument BUFFER is empty", 2)
    expect("an unnamed buffer stays", listed(name="", revoked=False))
    release()
    fails("another user's node", run("info", "selftest", **UNPRIVILEGED), "permission is missing")


def data():
    path = hold("--name", "data", "256K")
    size = 256 << 10
    text = os.urandom(100000)
    result = subprocess.run([TOOL, "fill", "data"], input=text, capture_output=True)
    expect("fill writes standard input", not result.returncode and contents(path) == text + bytes(size - 100000), result)
    silent("fill --pattern", run("fill", "--pattern", "abc", "data"))
    expect("repeats it", contents(path) == (b"abc" * size)[:size])
    silent("fill --byte", run("fill", "--byte", "0xff", "--offset", "1K", "--length", "70001", "data"))
    expect("fills the range alone", contents(path) == (b"abc" * size)[:1024] + b"\xff" * 70001 +
           (b"abc" * size)[71025:size])
    result = subprocess.run([TOOL, "cat", "--offset", "1022", "--length", "4", "data"], capture_output=True)
    expect("cat writes a range", result.stdout == b"ca\xff\xff", result)
    result = subprocess.run([TOOL, "cat", "data"], capture_output=True)
    expect("and without a range all", result.stdout == contents(path))
    for command in "cat", "dump":
        with open("/dev/full", "w") as full:
            result = subprocess.run([TOOL, command, "data"], stdout=full, stderr=subprocess.PIPE, text=True)
        fails(command + " to a full device", result, "cannot write the output: No space left")
    result = subprocess.run([TOOL, "fill", "--length", "10", "data"], input=b"0123456789more", capture_output=True)
    expect("fill --length limits the input", not result.returncode and contents(path)[:14] == b"0123456789" + b"bcab", result)
    silent("a range of length 0", run("fill", "--byte", "1", "--offset", "256K", "--length", "0", "data"))

    run("fill", "--byte", "0", "data")
    run("fill", "--pattern", "Hello\x7f \n", "--length", "40", "data")
    says("dump is hexdump -C", run("dump", "--length", "100", "data"), "^" + re.escape(
        "00000000  48 65 6c 6c 6f 7f 20 0a  48 65 6c 6c 6f 7f 20 0a  |Hello. .Hello. .|\n*\n"
        "00000020  48 65 6c 6c 6f 7f 20 0a  00 00 00 00 00 00 00 00  |Hello. .........|\n"
        "00000030  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n*\n"
        "00000060  00 00 00 00                                       |....|\n00000064\n") + "$")
    says("dump --offset", run("dump", "--offset", "30", "--length", "3", "data"), "^" + re.escape(
        "0000001e  20 0a 48                                          | .H|\n00000021\n") + "$")
    says("options can follow the buffer", run("dump", "data", "--length", "0x10"), "^00000000  48 .*\n00000010\n$")
    says("a number that begins with 0 is decimal", run("dump", "--length", "010", "data"), "\n0000000a\n$")
    fails("--byte with --pattern", run("fill", "--byte", "1", "--pattern", "x", "data"), "--byte and --pattern exclude each other", 2)
    says("dump of a node", run("dump", "selftest"), "^00000000  00 .*\n[*]\n00010000\n$")

    for command in "cat", "dump", "fill":
        for options in ("--offset", "257K"), ("--length", "257K"), ("--offset", "1", "--length", "256K"):
            fails("%s %s: not inside the buffer" % (command, " ".join(options)), run(command, *options, "data"),
                  "the range is not inside the buffer, which has 262144 bytes")
    result = run("fill", "--offset", "256K", "data", stdin=None, input="x")
    fails("input that does not fit", result, "the buffer is full")
    release()


def seals():
    path = hold("--name", "sealed", "4K")
    fd = os.open(path, os.O_RDWR)
    mapping = mmap.mmap(fd, 4096)
    fails("seal while a mapping may write", run("seal", "sealed"), "a mapping or a DMA-BUF may still write")
    mapping.close()
    silent("seal", run("seal", "sealed"))
    expect("is that against writing", listed(name="sealed", seals=["write"]))
    says("list shows it", run("list"), r"(?m)^sealed .* sealed ")
    fails("fill of a sealed buffer", run("fill", "--byte", "1", "sealed"), "it is sealed against writing")
    fails("export of a sealed buffer", run("export", "sealed"), "it is sealed against writing")
    silent("seal --seal", run("seal", "--seal", "sealed"))
    expect("adds the other seal", listed(name="sealed", seals=["write", "seal"]))
    os.close(fd)
    release()
    hold("--name", "final", "4K")
    run("seal", "--seal", "final")
    expect("seal --seal alone does not forbid writing", listed(name="final", seals=["seal"]))
    fails("a seal after that", run("seal", "--write", "final"), "a seal forbids further seals")
    release()
    os.chmod("/dev/shmbuf-selftest", 0o644)
    for command in ("fill", "--byte", "1"), ("seal",), ("export",):
        fails("%s without permission to write" % command[0], run(*command, "selftest", **UNPRIVILEGED),
              "permission to write is missing")
    silent("signal needs none", run("signal", "selftest", **UNPRIVILEGED))
    os.chmod("/dev/shmbuf-selftest", 0o600)


def signals():
    path = hold("--name", "signalled", "4K")
    silent("signal", run("signal", "signalled"))
    silent("signal --count", run("signal", "--count", "4", "signalled"))
    expect("count in the list", listed(name="signalled", signals=5))
    fails("wait does not count earlier signals", run("wait", "--timeout", "0", "signalled"), "0 of 1 signals came in 0 seconds", 3)
    start = time.monotonic()
    fails("wait --timeout", run("wait", "--timeout", "0.3", "signalled"), "0 of 1 signals came in 0.3 seconds", 3)
    expect("waits that long", time.monotonic() - start >= 0.3)
    says("an inherited descriptor has earlier signals",
         run("create", "4K", "sh", "-c", '"$0" signal --count 3 $SHMBUF_FD && "$0" wait $SHMBUF_FD', TOOL), "^3\n$")
    says("a shell that opened the buffer before has them", subprocess.run(
        ["bash", "-c", 'exec 5<>"$1"; "$0" signal signalled; "$0" wait 5', TOOL, path], capture_output=True, text=True), "^1\n$")
    for args, times in ((), 1), (("--count", "3"), 3):
        with started("wait", *args, "signalled", stdout=subprocess.PIPE) as process:
            wait_for(lambda: waits(process, "signalled"))
            for n in range(times):
                expect("wait goes on before signal %d" % (n + 1), process.poll() is None)
                run("signal", "signalled")
            expect("wait ends after %d" % times, process.communicate()[0] == "%d\n" % times and not process.returncode)
    with started("wait", "signalled", stderr=subprocess.PIPE) as process:
        wait_for(lambda: waits(process, "signalled"))
        run("revoke", "signalled")
        message = process.communicate()[1]
    fails("wait for a buffer that is revoked", subprocess.CompletedProcess([], process.returncode, "", message),
          "the buffer was revoked")
    release()


def waits(process, name):
    """Return whether a process has the buffer open and sleeps, or has ended."""
    folder = "/proc/%d/" % process.pid
    try:
        links = [os.readlink(folder + "fd/" + fd) for fd in os.listdir(folder + "fd")]
        with open(folder + "stat") as file:
            return any("/shmbuf:" + name in link for link in links) and file.read().split(") ")[1][0] == "S"
    except FileNotFoundError:
        return process.poll() is not None


def exports():
    hold("--name", "exported", "64K")
    says("export", run("export", "exported"), r"^size:  65536\ninode: \d+\n$")
    says("export runs a command", run("export", "exported", "sh", "-c", "readlink /proc/self/fd/$SHMBUF_DMABUF_FD"), "^/dmabuf:")
    expect("and ends with its status", run("export", "exported", "sh", "-c", "exit 7").returncode == 7)
    with started("export", "exported", "cat", stdin=subprocess.PIPE) as process:
        wait_for(lambda: os.readlink("/proc/%d/exe" % process.pid).endswith("/cat"))
        fails("seal while there is a DMA-BUF", run("seal", "exported"), "a mapping or a DMA-BUF may still write")
    hold("--name", "coherent", "--backing", "coherent", "4K")
    fails("a backing that is not exported", run("export", "coherent"), "does not export buffers of its backing")
    release()


def revokes():
    path = hold("--name", "revoked", "4K")
    silent("revoke", run("revoke", "revoked"))
    expect("takes the buffer away", listed(name="revoked", revoked=True, where=[pid_fd(path)]), listed())
    says("list shows it", run("list"), r"(?m)^revoked .* revoked ")
    for command in "info", "cat", "dump", "fill", "seal", "signal", "wait", "export", "revoke":
        fails(command + " of a revoked buffer", run(command, "revoked"), "the buffer was revoked")
    release()
    path = hold("--name", "numbered", "4K")
    silent("revoke --inode", run("revoke", "--inode", str(os.stat(path).st_ino)))
    expect("the same", listed(name="numbered", revoked=True))
    release()
    fails("an inode number that is not that of a buffer", run("revoke", "--inode", "123456789"), "it does not exist any more")
    fails("neither a buffer nor --inode", run("revoke"), "name a buffer, or use --inode", 2)
    fails("both", run("revoke", "--inode", "1", "selftest"), "name a buffer, or use --inode", 2)

    hold("--name", "selftest", "64K")
    fails("a node that looks like another buffer", run("revoke", "/dev/shmbuf-selftest"), "use --inode")
    release()
    fails("revoke without permission", run("revoke", "selftest", **UNPRIVILEGED), "permission is missing; run as root")
    path = hold("--name", "gone", "8K")
    run("revoke", "gone")
    subprocess.run(["umount", DEBUGFS], check=True)
    expect("list without debugfs has a revoked buffer", listed(name="gone", size=8192, revoked=True, where=[pid_fd(path)]), listed())
    release()
    fails("revoke without debugfs", run("revoke", "selftest"), "debugfs is missing; mount it with")
    path = hold("--name", "listed", "4K")
    expect("list without debugfs has open buffers and nodes",
           {b["name"]: b["where"] for b in listed()} == {"selftest": ["/dev/shmbuf-selftest"], "listed": [pid_fd(path)]}, listed())
    release()
    subprocess.run(["mount", "-t", "debugfs", "none", DEBUGFS], check=True)
    silent("revoke of a node", run("revoke", "selftest"))
    expect("takes its buffer away", listed(name="selftest", revoked=True))


def usage():
    for what, args, text in (
            ("without a command", (), "name a command"),
            ("an unknown command", ("paint",), "'paint' is not a command"),
            ("an unknown option", ("list", "--colour"), "'--colour' is not an option"),
            ("unknown short options", ("cat", "-xh", "foo"), "'-x' is not an option"),
            ("--background with a command", ("create", "--background", "4K", "true"), "--background excludes a COMMAND"),
            ("an option of another command", ("list", "--offset", "1"), "'--offset' is not an option"),
            ("an option without its argument", ("create", "--name"), "'--name' needs an argument"),
            ("without a size", ("create",), "an argument is missing: SIZE"),
            ("without a buffer", ("info",), "an argument is missing: BUFFER"),
            ("an argument too many", ("list", "x"), "'x' is one argument too many"),
            *(("the size " + size, ("create", size), "'%s' is not a size" % size)
              for size in ("0", "+1", "", "4Q", "4KK", "K", "16777217T", "99999999999999999999")),
            *(("--%s %s" % (option, value), (command, "--" + option, value, "x"), "--%s cannot be '%s': " % (option, value))
              for command, option, value in (
                  ("create", "backing", "paper"), ("create", "cache", "hot"), ("create", "name", "n" * 32),
                  ("create", "node", "-1"), ("fill", "byte", "256"), ("fill", "pattern", ""), ("cat", "offset", "x"),
                  ("dump", "length", "-1"), ("signal", "count", "0"), ("wait", "count", "0"), ("wait", "timeout", "-1"),
                  ("wait", "timeout", "1s"), ("watch", "count", "0"), ("watch", "interval", "nan"), ("watch", "interval", "0"), ("revoke", "inode", "x")))):
        fails("bad usage: " + what, run(*args), text, 2)
    expect("and names --help", run("paint").stderr.endswith("; see --help\n"))
    os.rename("/dev/shmbuf", "/dev/hidden")
    missing = "the module shmbuf is not loaded; load it with 'modprobe shmbuf'"
    fails("create without the module", run("create", "4K"), missing)
    for command in "list", "watch":
        fails(command + " without the module", run(command, **UNPRIVILEGED), missing)
    says("list without /dev/shmbuf has the buffers", run("list"), "\nselftest ")
    os.mknod("/dev/shmbuf", stat.S_IFCHR | 0o600, os.makedev(10, 200))
    fails("a node that the module left", run("create", "4K"), missing)
    os.remove("/dev/shmbuf")
    os.rename("/dev/hidden", "/dev/shmbuf")


def asyncio_sample():
    installed = not subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True).returncode
    # -S leaves out the folder that numpy is in.
    for options, reader in ((), "numpy" if installed else "memoryview"), (("-IS",), "memoryview"):
        result = subprocess.run([sys.executable, *options, ASYNCIO, "50"], capture_output=True, text=True)
        says("example: asyncio with %s" % reader, result, "^50 frames, sum of their means 1225, by " + reader)

    with subprocess.Popen([sys.executable, ASYNCIO, "20000"], stderr=subprocess.PIPE, text=True) as process:
        os.kill(wait_for(lambda: child_of(process.pid)), signal.SIGKILL)
        message = process.communicate()[1]
    expect("it ends without a producer", process.returncode == 1 and message == "no signal came in 10 seconds\n", message)

    spec = importlib.util.spec_from_file_location("sample", ASYNCIO)
    sample = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sample)
    fd = sample.create(4096, "cancelled")

    async def cancel():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(sample.wait(fd), 0.1)
        expect("a wait that is cancelled leaves no reader", not asyncio.get_running_loop().remove_reader(fd))
        sample.signal(fd)
        return await sample.wait(fd)

    expect("nor loses a signal", asyncio.run(cancel()) == 1)
    os.close(fd)


def child_of(parent):
    """Return a child of the process, or None."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open("/proc/%s/stat" % pid) as file:
            if int(file.read().rsplit(") ")[-1].split()[1]) == parent:
                return int(pid)
    return None


def realtime_sample():
    program = PROGRAMS + "/shmbuf-realtime"
    result = subprocess.run([program, "300", "2000"], capture_output=True, text=True)
    says("example: a consumer without page faults", result, r"^300 frames in \d+ waits, 0 page faults\nlatency: ")
    print("#", result.stdout.replace("\n", "\n# ").rstrip("# "), end="")

    with subprocess.Popen([program, "300", "2000"], stdout=subprocess.PIPE, text=True) as process:
        wait_for(lambda: child_of(process.pid))
        time.sleep(0.2)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.4)
        process.send_signal(signal.SIGCONT)
        output = process.communicate()[0]
    latest = re.search(r"max ([\d.]+) us, (\d+) later", output)
    expect("it counts each signal of a time when it did not run", float(latest[1]) > 200000 and int(latest[2]) > 5, output)

    with subprocess.Popen([program, "100000", "2000"], stderr=subprocess.PIPE, text=True) as process:
        os.kill(wait_for(lambda: child_of(process.pid)), signal.SIGKILL)
        message = process.communicate()[1]
    expect("it ends without a producer", process.returncode == 1 and "no signal came in time" in message, message)


# Process substitution of bash needs it, and udev is not there to make it.
if not os.path.exists("/dev/fd"):
    os.symlink("/proc/self/fd", "/dev/fd")
for test in (texts, completion, create, lists, forged, infos, arguments, data, seals, signals, exports, usage,
             asyncio_sample, realtime_sample, revokes):
    test()
finish()
