# SPDX-License-Identifier: GPL-2.0
"""Helpers for the tests of the converted drivers: TAP, mmap() without another descriptor, races."""

import ctypes
import errno
import mmap
import os
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


expect.n = 1


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
    """Return whether the call kills a process by this signal."""
    child = os.fork()
    if not child:
        call(*args)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -number


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


def race(rounds, seconds, *calls):
    """Run each call in its own process, again and again. A race may make a call fail with one of five errnos."""
    end = time.monotonic() + seconds
    children = []
    for call in calls:
        child = os.fork()
        if not child:
            n = 0
            while n < rounds or time.monotonic() < end:
                try:
                    call(n)
                except OSError as e:
                    if e.errno not in (errno.EBUSY, errno.ENODEV, errno.EAGAIN, errno.EFAULT, errno.EINVAL):
                        print("# %s: %s" % (call.__name__, e), flush=True)
                        os._exit(1)
                n += 1
            os._exit(0)
        children.append(child)
    return all([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children])
