#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A server for QEMU's ivshmem-doorbell, for two guests: QEMU's docs/specs/ivshmem-spec.rst.

usage: ivshmem-server.py SOCKET MEGABYTES VECTORS

A number goes to a guest as 8 bytes, some with a file descriptor: version 0, its own id, -1 with
the memory; then the id of each guest, its own last, once per vector, each time with the eventfd
that rings it. An id without a descriptor says that this guest has gone.
"""

import os
import selectors
import socket
import struct
import sys


def send(guest, number, *fds):
    socket.send_fds(guest, [struct.pack("<q", number)], fds)


def main(path, megabytes, vectors):
    memory = os.memfd_create("ivshmem")
    os.ftruncate(memory, int(megabytes) << 20)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    guests = {}  # id: socket and eventfds
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                guest, _ = listener.accept()
                number = next(n for n in range(len(guests) + 1) if n not in guests)
                doorbells = [os.eventfd(0) for _ in range(int(vectors))]
                send(guest, 0)
                send(guest, number)
                send(guest, -1, memory)
                for other, (peer, bells) in guests.items():
                    for mine, theirs in zip(doorbells, bells):
                        send(peer, number, mine)
                        send(guest, other, theirs)
                for bell in doorbells:
                    send(guest, number, bell)
                guests[number] = guest, doorbells
                selector.register(guest, selectors.EVENT_READ, number)
            else:
                selector.unregister(key.fileobj)
                guest, doorbells = guests.pop(key.data)
                guest.close()
                for bell in doorbells:
                    os.close(bell)
                for peer, _ in guests.values():
                    send(peer, key.data)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
