#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Test of usbmon: tcpdump captures the events that the text interface shows.

usage: usbmon.py [SECONDS]

The module g_mass_storage is loaded and provides the USB device, behind dummy_hcd. The
race lasts SECONDS, and at least 300 rounds.
"""

import ctypes
import errno
import fcntl
import glob
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading

from clients import buffers, dies_of, expect, finish, libc, map_file, race, refused, unmap, wait_for

MON_IOCT_RING_SIZE, MON_IOCQ_RING_SIZE = 0x9204, 0x9205
MON_IOCX_MFETCH, MON_IOCH_MFLUSH = 0xc0109207, 0x9208
PAGE = mmap.PAGESIZE


def bus():
    for path in glob.glob("/sys/bus/usb/devices/usb*/product"):
        with open(path) as product:
            if "Dummy" in product.read():
                return int(os.path.basename(os.path.dirname(path))[3:])


def disk():
    """Return the device node of the gadget's disk, once the disk has a size."""
    for path in glob.glob("/sys/block/sd*"):
        with open(path + "/size") as size:
            if int(size.read()):
                return "/dev/" + os.path.basename(path)


def read_disk(sizes):
    """Read with O_DIRECT, so that each read causes transfers."""
    fd = os.open(wait_for(disk), os.O_RDONLY | os.O_DIRECT)
    for n, size in enumerate(sizes):
        with mmap.mmap(-1, size) as memory:
            os.preadv(fd, [memory], n * 65536 % (1 << 20))
    os.close(fd)


class Text(threading.Thread):
    """A thread that reads the text interface."""

    def __init__(self, number):
        super().__init__(daemon=True)
        self.fd = os.open("/sys/kernel/debug/usb/usbmon/%du" % number, os.O_RDONLY)
        self.data = b""
        self.start()

    def run(self):
        while chunk := os.read(self.fd, 4096):
            self.data += chunk

    def events(self):
        return [text_event(line.split()) for line in self.data.decode().splitlines()]


def text_event(words):
    """Return (id, type, transfer, device, endpoint, status, setup, length, data) of a line."""
    tag, _, kind, address, *rest = words
    transfer, _, device, endpoint = address.split(":")
    setup = ()
    if rest[0] == "s":
        setup, rest, status = tuple(int(word, 16) for word in rest[1:6]), rest[6:], None
    else:
        status, rest = int(rest[0].split(":")[0]), rest[1:]
    data = bytes.fromhex("".join(rest[2:])) if len(rest) > 2 and rest[1] == "=" else b""
    return int(tag, 16), kind, transfer, int(device), int(endpoint), status, setup, int(rest[0]), data


def pcap_events(path):
    """Yield the same for each event that tcpdump wrote, with at most 32 bytes of data like the text."""
    if not os.path.exists(path):
        return  # tcpdump maps the ring first
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 24:
        return
    magic, _, _, _, _, _, link = struct.unpack_from("=IHHiIII", data)
    assert (magic, link) == (0xA1B2C3D4, 220), "not a capture of usbmon's mmap interface"
    at = 24
    while at + 16 <= len(data):
        captured = struct.unpack_from("=IIII", data, at)[2]
        packet = data[at + 16:at + 16 + captured]
        if len(packet) < captured:
            break  # tcpdump is writing it
        at += 16 + captured
        (tag, kind, transfer, endpoint, device, _, setup, _, _, _, status, length, shown) = \
            struct.unpack_from("=QcBBBHccqiiII", packet)
        words = ()
        if setup == b"\0":
            words, status = struct.unpack_from("<BBHHH", packet, 40), None
        yield (tag, kind.decode(), "ZICB"[transfer] + "oi"[endpoint >> 7], device, endpoint & 15, status, words,
               length, packet[64:64 + min(shown, 32)])


def maps(process):
    with open("/proc/%d/maps" % process.pid) as lines:
        return [line for line in lines if "usbmon" in line]


def compare(number):
    work = tempfile.mkdtemp()
    tcpdump = subprocess.Popen(["tcpdump", "-Z", "root", "-U", "-i", "usbmon%d" % number, "-w", work + "/capture"],
                               stderr=subprocess.PIPE, text=True)
    wait_for(lambda: maps(tcpdump) or tcpdump.poll() is not None)
    expect("tcpdump maps the ring", maps(tcpdump))
    text = Text(number)
    for _ in range(20):
        read_disk([4096 << n for n in range(5)])
        # The ring has room for a few reads only.
        shown = wait_for(lambda: len(text.events()))
        wait_for(lambda: len(list(pcap_events(work + "/capture"))) >= shown or tcpdump.poll() is not None)
    wait_for(lambda: text.events()[-1] in pcap_events(work + "/capture") or tcpdump.poll() is not None)
    tcpdump.send_signal(signal.SIGINT)
    said = tcpdump.communicate()[1]
    captured, shown = list(pcap_events(work + "/capture")), text.events()
    # The disk may have been busy before the text interface was open.
    captured = captured[captured.index(shown[0]):] if shown[0] in captured else captured
    print("# %d events, %d bytes" % (len(captured), sum(event[7] for event in captured)))
    expect("the bus was busy", len(captured) > 500, len(captured))
    differ = [pair for pair in zip(captured, shown) if pair[0] != pair[1]]
    expect("tcpdump's events are those of the text interface", len(captured) == len(shown) and not differ,
           len(captured), len(shown), differ[:1])
    expect("and none was dropped", "\n0 packets dropped by kernel" in said, said)


def misuse(node):
    ring = os.open(node, os.O_RDONLY)
    size = fcntl.ioctl(ring, MON_IOCQ_RING_SIZE)
    writable = os.open(node, os.O_RDWR)
    expect("a writable mapping is refused", refused(errno.EPERM, map_file, writable, size, mmap.PROT_WRITE))
    expect("so is one of a file that was opened for reading",
           refused(errno.EACCES, map_file, ring, size, mmap.PROT_WRITE))
    address = map_file(writable, size)
    expect("a mapping is not made writable", libc.mprotect(address, PAGE, mmap.PROT_WRITE) == -1)
    expect("nor written by ptrace's way", refused(errno.EIO, write_self, address))
    again = "/proc/self/map_files/%x-%x" % (address, address + size)
    expect("nor opened for writing by its name in map_files", buffers("usbmon") is None or
           buffers("usbmon") and refused(errno.ENXIO, os.open, again, os.O_RDWR))
    unmap(address, size)
    os.close(writable)

    address = map_file(ring, size)
    expect("a mapped ring keeps its size", refused(errno.EBUSY, fcntl.ioctl, ring, MON_IOCT_RING_SIZE, 65536))
    unmap(address + PAGE, PAGE)
    unmap(address, PAGE)
    expect("also when it is mapped in part", refused(errno.EBUSY, fcntl.ioctl, ring, MON_IOCT_RING_SIZE, 65536))
    unmap(address + 2 * PAGE, size - 2 * PAGE)
    fcntl.ioctl(ring, MON_IOCT_RING_SIZE, 100000)
    size = fcntl.ioctl(ring, MON_IOCQ_RING_SIZE)
    expect("without a mapping it is changed, in whole pages", size == -(-100000 // PAGE) * PAGE, size)
    for limit, name in (8191, "small"), ((64 << 20) + 1, "large"):
        expect("it cannot be too " + name, refused(errno.EINVAL, fcntl.ioctl, ring, MON_IOCT_RING_SIZE, limit))
    read_disk([4096])
    address = map_file(ring, size)
    contents = ctypes.string_at(address, size)
    expect("a mapping shows events", any(contents))
    private = map_file(ring, size, flags=mmap.MAP_PRIVATE)
    expect("so does a private mapping", ctypes.string_at(private, size) == contents)
    unmap(private, size)
    expect("a mapping beyond the ring shows nothing",
           refused(errno.EINVAL, map_file, ring, size, mmap.PROT_READ, mmap.MAP_SHARED, PAGE) or
           dies_of(signal.SIGBUS, beyond, ring, size))
    os.close(ring)
    expect("a mapping outlives its file", ctypes.string_at(address, size) == contents)
    unmap(address, size)


def wraps(node):
    """A program that maps the ring finds each event in one piece, and a filler where the next did not fit."""
    ring = os.open(node, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.ioctl(ring, MON_IOCT_RING_SIZE, 65536)
    size = fcntl.ioctl(ring, MON_IOCQ_RING_SIZE)
    address = map_file(ring, size)
    offsets = (ctypes.c_uint32 * 256)()
    types, beyond_end = [], 0
    for _ in range(100):
        read_disk([4096])
        fetch = bytearray(struct.pack("QII", ctypes.addressof(offsets), len(offsets), 0))
        fcntl.ioctl(ring, MON_IOCX_MFETCH, fetch)
        n = struct.unpack("QII", fetch)[1]
        for offset in offsets[:n]:
            header = ctypes.string_at(address + offset, 64)
            types.append(header[8:9])
            beyond_end += offset + 64 + struct.unpack_from("I", header, 36)[0] > size
        fcntl.ioctl(ring, MON_IOCH_MFLUSH, n)
    expect("no event of a mapped ring wraps", b"C" in types and not beyond_end, beyond_end)
    expect("a filler takes the place at the end", b"@" in types)
    unmap(address, size)
    os.close(ring)


def write_self(address):
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(address)
        memory.write(b"x")


def beyond(ring, size):
    ctypes.string_at(map_file(ring, size, mmap.PROT_READ, mmap.MAP_SHARED, PAGE) + size - PAGE, 1)


def racing(node, seconds):
    """Race on one shared file and on private files, while the bus is busy."""
    ring = os.open(node, os.O_RDONLY | os.O_NONBLOCK)

    def resize(n):
        fcntl.ioctl(ring, MON_IOCT_RING_SIZE, 65536 << n % 4)

    def map_it(n):
        size = fcntl.ioctl(ring, MON_IOCQ_RING_SIZE)
        address = map_file(ring, size)
        ctypes.string_at(address, size)
        unmap(address, size)

    def read_it(n):
        try:
            os.read(ring, 5000)
        except BlockingIOError:
            pass

    def open_close(n):
        fd = os.open(node, os.O_RDONLY)
        try:
            address = map_file(fd, 65536)
        finally:
            os.close(fd)
        ctypes.string_at(address, 65536)
        unmap(address, 65536)

    def traffic(n):
        read_disk([65536] * 2)

    expect("mapping, resizing, reading, closing and traffic race", race(300, seconds, {
        resize: [errno.EBUSY], map_it: [errno.EINVAL, errno.ENODEV], read_it: [],
        open_close: [], traffic: []}))
    os.close(ring)


def main():
    number = wait_for(bus)
    wait_for(disk)
    node = "/dev/usbmon%d" % number
    compare(number)
    misuse(node)
    wraps(node)
    racing(node, float(sys.argv[1]) if len(sys.argv) > 1 else 0)
    fd = os.open(node, os.O_RDONLY)
    size = fcntl.ioctl(fd, MON_IOCQ_RING_SIZE)
    address = map_file(fd, size)
    subprocess.run(["rmmod", "g_mass_storage"], check=True)
    wait_for(lambda: not disk())
    expect("the ring stays when the device goes", any(ctypes.string_at(address, size)))
    unmap(address, size)
    os.close(fd)
    left = buffers("usbmon")
    expect("no buffer is left", not left, left)
    finish()


main()
