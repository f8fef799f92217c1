#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Test of comedi: comedilib's programs and this one receive each sample.

usage: comedi.py MMAP-DEMO [SECONDS]

MMAP-DEMO is comedilib's example "mmap". The device is that of the driver comedi_test, which
gives a sawtooth on channel 0 and a square wave on channel 1. The race lasts SECONDS, and
at least 300 rounds.
"""

import array
import ctypes
import errno
import fcntl
import mmap
import os
import signal
import subprocess
import sys

from clients import buffers, dies_of, expect, finish, map_file, race, refused, unmap, wait_for

NODE = b"/dev/comedi0"
COMEDI_DEVCONFIG = 0x40946400
AI, AO = 0, 1
PERIOD, MAXDATA, AMPLITUDE = 100000, 0xffff, 0xffff * 1000000 // 20000000
PAGE = mmap.PAGESIZE
SIZE = 16 * PAGE

comedi = ctypes.CDLL("libcomedi.so.0")
comedi.comedi_open.restype = ctypes.c_void_p
comedi.comedi_errno.restype = ctypes.c_int


class Command(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint) for name in (
        "subdev", "flags", "start_src", "start_arg", "scan_begin_src", "scan_begin_arg", "convert_src", "convert_arg",
        "scan_end_src", "scan_end_arg", "stop_src", "stop_arg")] + [
            ("chanlist", ctypes.POINTER(ctypes.c_uint)), ("chanlist_len", ctypes.c_uint),
            ("data", ctypes.c_void_p), ("data_len", ctypes.c_uint)]


class Device:
    def __init__(self):
        self.it = ctypes.c_void_p(comedi.comedi_open(NODE))
        if not self.it:
            raise OSError(comedi.comedi_errno(), "comedi_open")
        self.fd = comedi.comedi_fileno(self.it)

    def __getattr__(self, name):
        """Call comedi_NAME(device, ...) for device.NAME(...), and raise an error as an exception."""
        def call(*args):
            result = getattr(comedi, "comedi_" + name)(self.it, *args)
            if result < 0:
                raise OSError(comedi.comedi_errno(), name)
            return result
        return call

    def acquire(self, channels, scans, period_ns):
        """Start an acquisition, an endless one if scans is 0."""
        chanlist = (ctypes.c_uint * channels)(*range(channels))
        command = Command()
        self.get_cmd_generic_timed(AI, ctypes.byref(command), channels, period_ns)
        command.chanlist, command.chanlist_len = chanlist, channels
        command.stop_src, command.stop_arg = (0x20, scans) if scans else (1, 0)
        for _ in range(2):
            self.command_test(ctypes.byref(command))
        self.command(ctypes.byref(command))
        self.scan = command.scan_begin_arg // 1000 if command.scan_begin_src == 0x10 else \
            command.convert_arg // 1000 * channels
        self.convert = command.convert_arg // 1000


def clamp(value):
    return min(max(value, 0), MAXDATA)


def sawtooth(us):
    return clamp(us * AMPLITUDE * 2 // PERIOD + MAXDATA // 2 - AMPLITUDE)


def square(us):
    return clamp(MAXDATA // 2 + (-AMPLITUDE if us < PERIOD // 2 else AMPLITUDE))


def is_waveform(samples, scan, convert):
    """Compare each sample with the waveform. Several start times can match the first sample."""
    def fits(start):
        return all(value == (sawtooth if n % 2 == 0 else square)((start + n // 2 * scan + n % 2 * convert) % PERIOD)
                   for n, value in enumerate(samples))

    return any(fits(start) for start in range(PERIOD) if sawtooth(start) == samples[0])


def cyclic(device, scans):
    """Acquire through the mapping. The ring wraps several times."""
    device.set_buffer_size(AI, SIZE)
    size = device.get_buffer_size(AI)
    address = map_file(device.fd, size)
    ring = (ctypes.c_ubyte * size).from_address(address)
    samples, at = array.array("H"), 0
    device.acquire(2, scans, 200000)
    while len(samples) < 2 * scans:
        ready = wait_for(lambda: device.get_buffer_contents(AI))
        first = min(ready, size - at)
        samples.frombytes(bytes(ring[at:at + first]) + bytes(ring[:ready - first]))
        device.mark_buffer_read(AI, ready)
        at = (at + ready) % size
    device.cancel(AI)
    unmap(address, size)
    return samples


def read_all(device, scans):
    """Acquire by read()."""
    device.acquire(2, scans, 200000)
    data = b""
    while len(data) < 4 * scans:
        data += os.read(device.fd, 4 * scans - len(data))
    device.cancel(AI)
    return array.array("H", data)


def clients(demo):
    run = subprocess.run(["comedi_test", "-f", NODE, "-s", str(AI)], capture_output=True, text=True)
    tests = [line for line in run.stdout.splitlines() if line]
    # Not the whole output: the scan of the console takes the word segfault for a crash.
    print("\n".join("# " + line for line in tests if line.startswith("I: testing")))
    expect("comedilib's own test passes", run.returncode == 0 and "mmap" in run.stdout and
           not [line for line in tests if line.startswith(("E:", "F:"))], run.returncode, run.stderr)
    run = subprocess.Popen([demo, "-f", NODE, "-s", str(AI), "-c", "0", "-n", "2", "-N", "2000", "-F", "1000"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    samples = array.array("H")
    for line in run.stdout:
        samples.extend(int(word) for word in line.split())
        if len(samples) == 4000:
            break
    run.kill()
    run.wait()
    expect("its example for mmap() gets each sample", len(samples) == 4000 and is_waveform(samples, 1000, 500))


def misuse(device):
    size = device.get_buffer_size(AI)
    pages = [map_file(device.fd, size)]
    expect("a mapped buffer keeps its size", refused(errno.EBUSY, device.set_buffer_size, AI, 2 * SIZE))
    expect("nor is the device taken from it", refused(errno.EBUSY, detach, device))
    unmap(pages[0], size)
    device.set_buffer_size(AI, 2 * SIZE)
    size = device.get_buffer_size(AI)
    expect("without a mapping it is changed", size == 2 * SIZE, size)
    expect("a mapping is no longer than the buffer", refused(errno.EFAULT, map_file, device.fd, size + PAGE))
    expect("and begins where it begins",
           refused(errno.EINVAL, map_file, device.fd, PAGE, mmap.PROT_READ, mmap.MAP_SHARED, PAGE))
    expect("a private one is refused",
           refused(errno.EINVAL, map_file, device.fd, size, mmap.PROT_READ, mmap.MAP_PRIVATE))
    output = map_file(device.fd, device.get_buffer_size(AO), mmap.PROT_READ | mmap.PROT_WRITE)
    ctypes.memset(output, 0x5a, 2)
    view = map_file(device.fd, size)
    expect("reading and writing have buffers of their own", ctypes.string_at(view, 2) != b"\x5a\x5a")
    unmap(output, device.get_buffer_size(AO))
    unmap(view, size)
    with open("/sys/class/comedi/comedi0/read_buffer_kb", "w") as kilobytes:
        kilobytes.write("0")
    expect("without a buffer there is no mapping", refused(errno.EFAULT, map_file, device.fd, PAGE))
    device.set_buffer_size(AI, SIZE)


def detach(device):
    fcntl.ioctl(device.fd, COMEDI_DEVCONFIG, 0)


def racing(device, seconds):
    def resize(n):
        device.set_buffer_size(AI, PAGE << n % 4)

    def map_it(n):
        address = map_file(device.fd, PAGE)
        ctypes.string_at(address, PAGE)
        unmap(address, PAGE)

    def acquire(n):
        other = Device()
        try:
            other.acquire(2, 20, 50000)
            os.read(other.fd, 40)
        finally:
            other.close()

    def open_close(n):
        other = Device()
        try:
            address = map_file(other.fd, PAGE)
        finally:
            other.close()
        ctypes.string_at(address, PAGE)
        unmap(address, PAGE)

    expect("mapping, resizing, acquiring and closing race", race(300, seconds, {
        resize: [errno.EBUSY], map_it: [errno.ENODEV], acquire: [errno.EBUSY], open_close: [errno.ENODEV]}))


def main():
    wait_for(lambda: os.path.exists(NODE))
    clients(sys.argv[1])
    device = Device()
    samples = cyclic(device, 50000)
    expect("samples by mmap() are the waveform, around the ring", is_waveform(samples, device.scan, device.convert),
           samples[:8])
    samples = read_all(device, 50000)
    expect("and so they are by read()", is_waveform(samples, device.scan, device.convert), samples[:8])
    misuse(device)
    racing(device, float(sys.argv[2]) if len(sys.argv) > 2 else 0)
    address = map_file(device.fd, PAGE)
    device.close()
    expect("the driver goes although there is a mapping",
           subprocess.run(["rmmod", "comedi_test"], capture_output=True).returncode == 0)
    expect("which is revoked", dies_of(signal.SIGBUS, ctypes.string_at, address, 1))
    unmap(address, PAGE)
    left = buffers("comedi")
    expect("no buffer is left", not left, left)
    finish()


main()
