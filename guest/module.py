# SPDX-License-Identifier: GPL-2.0
# In a guest with shmbuf as a module: references to the module are taken and
# given back one by one, and a living buffer keeps it loaded.

import fcntl
import mmap
import os
import struct
import subprocess
import sys

CREATE = 0xC040B900


def references():
    with open("/sys/module/shmbuf/refcnt") as f:
        return int(f.read())


def rmmod():
    return subprocess.run(["rmmod", "shmbuf"], stderr=subprocess.DEVNULL).returncode == 0


DEBUGFS = "/sys/kernel/debug/shmbuf/"


def expect(what, good):
    print(f"{'ok' if good else 'not ok'} - {what}")
    if not good:
        sys.exit(1)


def create():
    node = os.open("/dev/shmbuf", os.O_RDWR)
    args = bytearray(struct.pack("=QIIIiiI32s", 4096, 1, 0, 0, -1, -1, 0, b"module"))
    fcntl.ioctl(node, CREATE, args)
    os.close(node)
    return struct.unpack_from("=i", args, 20)[0]


if sys.argv[1:]:
    # Of a named buffer that another module publishes.
    before = references()
    fds = [os.open(sys.argv[1], os.O_RDWR) for _ in range(10)]
    expect("files of a named buffer hold the module", references() == before + len(fds))
    for fd in fds:
        os.close(fd)
    expect("closed, they do not", references() == before)
    sys.exit()

expect("no reference to begin with", references() == 0)
fds = [create() for _ in range(10)]
expect("buffers hold the module", references() > 0 and not rmmod())
again = os.open(f"/proc/self/fd/{fds[0]}", os.O_RDONLY)
path = os.open(f"/proc/self/fd/{fds[1]}", os.O_PATH)
mapping = mmap.mmap(fds[2], 4096)
with open(DEBUGFS + "buffers") as f:
    expect("all are on the list", len(f.readlines()) == len(fds))
with open(DEBUGFS + "revoke", "w") as f:
    f.write(str(os.fstat(fds[3]).st_ino))
for fd in fds:
    os.close(fd)
expect("so does a reopened file, an O_PATH one, a mapping", not rmmod())
os.close(again)
expect("still the other two", not rmmod())
os.close(path)
expect("still the mapping", not rmmod())
mapping.close()
expect("no reference at the end", references() == 0)
expect("the module can be removed", rmmod())
