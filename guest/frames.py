#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A driver's own node maps its buffer: samples/shmbuf/shmbuf-frames.c, which is loaded.

usage: frames.py

Keeps a mapping of a passed-on descriptor, and tries to unload the driver.
"""

import errno
import fcntl
import mmap
import os
import subprocess

FRAMES_CAPTURE, FRAMES_GET_FD = 0x4600, 0x4601
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


node = os.open("/dev/frames", os.O_RDWR)
own = mmap.mmap(node, SIZE)
frame = fcntl.ioctl(node, FRAMES_CAPTURE)
expect("a frame is in the mapping", frame > 0 and own[:] == bytes([frame]) * SIZE)
fd = fcntl.ioctl(node, FRAMES_GET_FD)
passed = mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ, offset=SIZE - 4096)
frame = fcntl.ioctl(node, FRAMES_CAPTURE)
expect("the next is in that of another descriptor", passed[:] == bytes([frame]) * 4096)
expect("and is another", own[0] == frame == own[-1])
expect("no mapping reaches past the end", fails_with(errno.EINVAL, mmap.mmap, node, SIZE, offset=4096))
expect("the driver stays while its node is open", not unload())
own.close()
os.close(node)
expect("and goes when it is not", unload())
expect("what was passed on is revoked", fails_with(errno.ENODEV, os.pread, fd, 1, 0))
