# SPDX-License-Identifier: GPL-2.0
"""Helpers for the tests of the converted drivers: TAP, mmap() without another descriptor, races."""

import ctypes
import mmap
import os
import signal
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
FAILED = ctypes.c_void_p(-1).value


def expect(what, condition, *seen):
    print("ok" if condition else "not ok", expect.n, what, *([] if condition else ["#", *seen]), flush=True)
    expect.n += 1
    expect.failed |= not condition


expect.n = 1
expect.failed = False


def check(result):
    """Return the result of a C library function, or raise its errno as an exception."""
    if result in (-1, FAILED):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def map_file(fd, size, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED, offset=0):
    """mmap.mmap() would keep a duplicate of the descriptor open."""
    return check(libc.mmap(None, size, prot, flags, fd, offset))


def unmap(address, size):
    check(libc.munmap(address, size))


def refused(number, call, *args):
    try:
        call(*args)
    except OSError as e:
        return e.errno == number
    return False


def dies_of(number, call, *args):
    """Return whether the call raises this signal. _exit() handles it, as UML logs a fault without a SIGSEGV handler."""
    child = os.fork()
    if not child:
        for handled in number, signal.SIGSEGV:
            libc.signal(handled, ctypes.cast(libc._exit, ctypes.c_void_p))
        try:
            call(*args)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == number


def wait_for(condition):
    """Wait without a time-out: the boot script ends a guest that hangs."""
    while not (result := condition()):
        time.sleep(0.01)
    return result


def buffers(name):
    """Return the debugfs lines of the buffers with this name, or None without that file."""
    path = "/sys/kernel/debug/shmbuf/buffers"
    if not os.path.exists(path):
        return None
    with open(path) as lines:
        return [line for line in lines if line.rstrip().endswith("name=" + name)]


def race(rounds, seconds, calls):
    """Run each call in its own process, for as many rounds that succeed, until all have reached them.

    calls maps a function to the errnos that it may fail with.
    """
    start, stop = os.pipe(), os.pipe()
    os.set_blocking(stop[0], False)
    end = time.monotonic() + seconds
    children = []
    for call, allowed in calls.items():
        done = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.close(start[1])
                os.read(start[0], 1)
                repeat(call, allowed, rounds, end, done[1], stop)
            except BaseException as e:
                print("# %s: %r" % (call.__name__, e), flush=True)
                os._exit(1)
            os._exit(0)
        os.close(done[1])
        children.append((child, done[0]))
    os.close(start[1])
    reached = [os.read(done, 1) for _, done in children]
    os.close(stop[1])
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child, _ in children]
    return all(reached) and not any(statuses)


def repeat(call, allowed, rounds, end, done, stop):
    os.close(stop[1])
    n = failed = 0
    while True:
        try:
            call(n)
            n += 1
        except OSError as e:
            failed += 1
            if e.errno not in allowed or n < rounds and failed > 10000 * rounds:
                raise
        if done >= 0 and n >= rounds and time.monotonic() >= end:
            os.write(done, b"x")
            os.close(done)
            done = -1
        try:
            if os.read(stop[0], 1) == b"":
                return
        except BlockingIOError:
            pass


def finish():
    """Fail the script if a check failed."""
    sys.exit(expect.failed)
