# SPDX-License-Identifier: GPL-2.0
"""What the tests of the converted drivers share: TAP, mmap() without a descriptor of its own, races."""

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
    """The result of a function of the C library, or its errno as an exception."""
    if result in (-1, FAILED):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def map_file(fd, size, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED, offset=0):
    """Not mmap.mmap(), which keeps a descriptor of its own open."""
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
    """Is a process ended by a signal when it makes the call?"""
    child = os.fork()
    if not child:
        call(*args)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -number


def wait_for(condition):
    """Until it is true, for as long as the kernel needs: the guest ends if it hangs."""
    while not (result := condition()):
        time.sleep(0.01)
    return result


def buffers(name):
    """The lines of the buffers with this name in debugfs, or None on a driver of before."""
    path = "/sys/kernel/debug/shmbuf/buffers"
    if not os.path.exists(path):
        return None
    with open(path) as lines:
        return [line for line in lines if line.rstrip().endswith("name=" + name)]


def race(rounds, seconds, *calls):
    """Each call in a process of its own, again and again. Whatever errno it gets, nothing may break."""
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
