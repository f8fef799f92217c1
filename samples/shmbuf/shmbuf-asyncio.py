#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A process writes frames into a buffer and signals; asyncio waits and reads them.

usage: shmbuf-asyncio.py [FRAMES]

The frames are arrays of numpy if that is installed, else memoryviews.
"""

import asyncio
import ctypes
import fcntl
import mmap
import os
import sys

try:
    import numpy
except ImportError:
    numpy = None

PIXELS = 1024
TIMEOUT = 10


class Create(ctypes.Structure):
    """struct shmbuf_create"""
    _fields_ = [("size", ctypes.c_uint64), ("backing", ctypes.c_uint32), ("cache", ctypes.c_uint32),
                ("flags", ctypes.c_uint32), ("fd", ctypes.c_int32), ("numa_node", ctypes.c_int32),
                ("reserved", ctypes.c_uint32), ("name", ctypes.c_char * 32)]


class Notify(ctypes.Structure):
    """struct shmbuf_notify"""
    _fields_ = [("sequence", ctypes.c_uint64), ("count", ctypes.c_uint64),
                ("flags", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]


def iowr(number, struct):
    return 3 << 30 | ctypes.sizeof(struct) << 16 | 0xB9 << 8 | number


SHMBUF_IOC_CREATE = iowr(0, Create)
SHMBUF_IOC_SIGNAL = iowr(3, Notify)
SHMBUF_IOC_ACK = iowr(4, Notify)


def create(size, name):
    """Return the descriptor of a new buffer."""
    arg = Create(size=size, numa_node=-1, name=name.encode())
    with open("/dev/shmbuf", "r+b", buffering=0) as node:
        fcntl.ioctl(node, SHMBUF_IOC_CREATE, arg)
    return arg.fd


def signal(fd):
    fcntl.ioctl(fd, SHMBUF_IOC_SIGNAL, Notify())


async def wait(fd):
    """Return how many signals came since the last call."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    loop.add_reader(fd, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(fd)
    arg = Notify()
    fcntl.ioctl(fd, SHMBUF_IOC_ACK, arg)
    return arg.count


def map_frames(fd):
    """Return the buffer as a list of frames, which share its memory."""
    memory = mmap.mmap(fd, 0)
    if numpy:
        return numpy.frombuffer(memory, numpy.uint32).reshape(-1, PIXELS)
    pixels = memoryview(memory).cast("I")
    return [pixels[n:n + PIXELS] for n in range(0, len(pixels), PIXELS)]


def produce(fd, count):
    frames = map_frames(fd)
    for n in range(count):
        for pixel in range(PIXELS):
            frames[n][pixel] = n
        signal(fd)


async def consume(fd, count):
    frames = map_frames(fd)
    total = seen = 0
    while seen < count:
        try:
            new = await asyncio.wait_for(wait(fd), TIMEOUT)
        except asyncio.TimeoutError:
            sys.exit("no signal came in %d seconds" % TIMEOUT)
        for frame in frames[seen:seen + new]:
            total += int(frame.mean()) if numpy else sum(frame) // PIXELS
        seen += new
    print("%d frames, sum of their means %d, by %s" %
          (seen, total, "numpy" if numpy else "memoryview (numpy is not installed)"))


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    fd = create(count * PIXELS * 4, "asyncio")
    child = os.fork()
    if not child:
        produce(fd, count)
        os._exit(0)
    asyncio.run(consume(fd, count))
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
