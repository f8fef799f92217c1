#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A driver's own node maps its two buffers: samples/shmbuf/shmbuf-frames.c, which is loaded.

usage: frames.py

Maps, counts and seals them apart, keeps mappings, and unloads the driver.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import subprocess

FRAMES_STRIDE, FRAMES_CAPTURE, FRAMES_GET_FD = 2 << 20, 0x4600, 0x4601
SHMBUF_IOC_SEAL = 0xC008B902
SIZE = 65536


def expect(what, condition):
    print("ok" if condition else "not ok", expect.n, what)
    expect.n += 1


expect.n = 1


def fails_with(number, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except OSError as e:
        return e.errno == number
    return False


def unload():
    return subprocess.run(["rmmod", "shmbuf_frames"], capture_output=True).returncode == 0


def mappings(fd):
    with open("/proc/self/fdinfo/%d" % fd) as info:
        return int(dict(line.split() for line in info if ":" in line)["shmbuf-mappings:"])


node = os.open("/dev/frames", os.O_RDWR)
first = mmap.mmap(node, SIZE)
second = mmap.mmap(node, SIZE, mmap.MAP_SHARED, mmap.PROT_READ, offset=FRAMES_STRIDE)
frame = fcntl.ioctl(node, FRAMES_CAPTURE, 0)
expect("a frame is in the mapping of the first buffer", frame > 0 and first[:] == bytes([frame]) * SIZE)
expect("and not in that of the second", second[:] == bytes(SIZE))
fd = fcntl.ioctl(node, FRAMES_GET_FD, 1)
passed = mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ, offset=SIZE - 4096)
frame = fcntl.ioctl(node, FRAMES_CAPTURE, 1)
expect("the next is in both mappings of the second", passed[:] == second[:4096] == bytes([frame]) * 4096)
expect("and is another", first[0] != frame)
other = fcntl.ioctl(node, FRAMES_GET_FD, 0)
expect("the buffers are counted apart", (mappings(other), mappings(fd)) == (1, 2))
expect("a writable mapping prevents a seal",
       fails_with(errno.EBUSY, fcntl.ioctl, other, SHMBUF_IOC_SEAL, bytes([1, 0, 0, 0]) + bytes(4)))
with open("/sys/kernel/debug/shmbuf/revoke", "w") as revoke:
    expect("only the driver of a device revokes its memory",
           fails_with(errno.ENOENT, os.write, revoke.fileno(), b"%d" % os.fstat(fd).st_ino))
libc = ctypes.CDLL(None, use_errno=True)
view = ctypes.c_char.from_buffer(first)
address = ctypes.addressof(view)
del view
libc.remap_file_pages(ctypes.c_void_p(address), ctypes.c_size_t(4096), 0, ctypes.c_size_t(1), 0)
expect("remap_file_pages() does not pass by the driver", ctypes.get_errno() == errno.ENODEV)
first.close()
expect("without it the first is sealed",
       fcntl.ioctl(other, SHMBUF_IOC_SEAL, bytes([1, 0, 0, 0]) + bytes(4))[0] == 1)
expect("and no longer mapped writable", fails_with(errno.EPERM, mmap.mmap, node, SIZE))
mmap.mmap(node, SIZE, offset=FRAMES_STRIDE).close()
expect("no mapping reaches past the end",
       fails_with(errno.EINVAL, mmap.mmap, node, SIZE, mmap.MAP_SHARED, mmap.PROT_READ, offset=4096))
expect("nor to a third buffer", fails_with(errno.EINVAL, mmap.mmap, node, 4096, offset=2 * FRAMES_STRIDE))
expect("the driver stays while its node is open", not unload())
# Not mmap.mmap(), which keeps a descriptor of its own open.
libc.mmap.restype = ctypes.c_void_p
kept = libc.mmap(None, ctypes.c_size_t(4096), mmap.PROT_READ, mmap.MAP_SHARED, node, ctypes.c_long(FRAMES_STRIDE))
expect("and a mapping of it is made", kept not in (None, ctypes.c_void_p(-1).value) and
       ctypes.string_at(kept, 1) == bytes([frame]))
second.close()
os.close(node)
expect("and goes when it is not, although there is the mapping", unload())
expect("what was passed on is revoked", fails_with(errno.ENODEV, os.pread, fd, 1, 0))
