/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* Kernel buffers that processes map. Not SysV shared memory (asm/shmbuf.h). */
#ifndef _UAPI_LINUX_SHMBUF_H
#define _UAPI_LINUX_SHMBUF_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: shmbuf in C
 *
 * A program creates a buffer through /dev/shmbuf and maps its file::
 *
 *	struct shmbuf_create c = {
 *		.size = 1 << 20,
 *		.backing = SHMBUF_BACKING_PAGES,
 *		.numa_node = SHMBUF_NUMA_ANY,
 *		.name = "frames",
 *	};
 *	int dev = open("/dev/shmbuf", O_RDWR | O_CLOEXEC);
 *
 *	ioctl(dev, SHMBUF_IOC_CREATE, &c);
 *	p = mmap(NULL, c.size, PROT_READ | PROT_WRITE, MAP_SHARED, c.fd, 0);
 */

/**
 * DOC: shmbuf structures and errors
 *
 * Every structure has a fixed layout, the same for 32-bit and 64-bit programs,
 * and may grow at its end. The size that the program was compiled with is part
 * of the ioctl number:
 *
 * - a program older than the kernel gets the behaviour that it knows;
 * - if a program is newer than the kernel, input bytes that the kernel does not
 *   know must be 0 (else ``E2BIG``). Output bytes that the kernel does not know
 *   read as 0.
 *
 * Errors that every ioctl may have:
 *
 * - ``EINVAL``: a field has an unknown or impossible value;
 * - ``EOPNOTSUPP``: understood, but not possible on this kernel;
 * - ``EFAULT``: the pointer is bad; nothing was created;
 * - ``ENODEV``: the buffer was revoked (not with %SHMBUF_IOC_INFO);
 * - ``ENOTTY``: no such ioctl, or its structure is shorter than the first
 *   version of it.
 */

/* Registered in Documentation/userspace-api/ioctl/ioctl-number.rst */
#define SHMBUF_IOC_MAGIC		0xB9

/* Bytes of a buffer's name, the terminating NUL included */
#define SHMBUF_NAME_LEN			32

/* Memory that backs a buffer */
#define SHMBUF_BACKING_PAGES		0	/* pages, scattered in memory */
#define SHMBUF_BACKING_CONTIG		1	/* physically contiguous pages */
#define SHMBUF_BACKING_COHERENT		2	/* coherent memory of the DMA API */
#define SHMBUF_BACKING_STREAM		3	/* cached memory of the DMA API */
#define SHMBUF_BACKING_REGION		4	/* driver memory; not for CREATE */

/*
 * Cache mode of a CPU mapping. SHMBUF_IOC_CREATE refuses a mode that it cannot
 * honour. With SHMBUF_BACKING_COHERENT, CACHED selects the architecture's mode
 * for such memory, and struct shmbuf_info reports that mode.
 */
#define SHMBUF_CACHE_CACHED		0
#define SHMBUF_CACHE_WRITE_COMBINE	1
#define SHMBUF_CACHE_UNCACHED		2
#define SHMBUF_CACHE_DEVICE		3

/* Any NUMA node. 0 is a normal node: memory comes from node 0 only. */
#define SHMBUF_NUMA_ANY			(-1)

/**
 * struct shmbuf_create - argument of %SHMBUF_IOC_CREATE
 * @size: in: bytes wanted; out: size of the buffer, whole pages
 * @backing: in: one of ``SHMBUF_BACKING_*``
 * @cache: in: one of ``SHMBUF_CACHE_*``
 * @flags: in: must be 0
 * @fd: out: file descriptor of the buffer, read-write and close-on-exec
 * @numa_node: in: node that the memory must come from, or %SHMBUF_NUMA_ANY
 * @reserved: in: must be 0
 * @name: in: printable ASCII without a slash, NUL-terminated, may be empty;
 *	bytes after the NUL are ignored. Shown in /proc/PID/maps
 *	and /proc/PID/fd.
 *
 * Creates a buffer, filled with zeroes up to its rounded size. Used on
 * /dev/shmbuf. On failure, the buffer and the file descriptor do not exist.
 * The structure is then unchanged (with ``EFAULT`` it may be written in part).
 *
 * Return:
 * * 0 on success, else -1 and one of these in errno:
 * * ``EINVAL``: @size is 0 or too large for any buffer; @backing, @cache,
 *   @flags, @numa_node, @reserved or @name has a value that is not allowed
 * * ``EOPNOTSUPP``: @backing cannot have @cache, or memory of @numa_node, on this
 *   kernel, or the kernel has no such backing, or the D-cache of the machine
 *   aliases
 * * ``ENOMEM``: not enough memory, or not enough contiguous memory if @backing
 *   needs that; or above ``RLIMIT_MEMLOCK`` without ``CAP_IPC_LOCK``
 * * ``EINTR``: the process was killed meanwhile
 * * ``EMFILE``, ``ENFILE``: no free file descriptor
 */
struct shmbuf_create {
	__u64 size;
	__u32 backing;
	__u32 cache;
	__u32 flags;
	__s32 fd;
	__s32 numa_node;
	__u32 reserved;
	__u8 name[SHMBUF_NAME_LEN];
};

#define SHMBUF_CREATE_SIZE_VER0		64

/* Files and mappings can no longer change the contents. */
#define SHMBUF_SEAL_WRITE		(1U << 0)
/* Further seals are refused. */
#define SHMBUF_SEAL_SEAL		(1U << 1)

/**
 * struct shmbuf_seal - argument of %SHMBUF_IOC_SEAL
 * @seals: in: ``SHMBUF_SEAL_*`` to add, ORed, may be 0; out: those in force
 * @reserved: in: must be 0
 *
 * Adds seals to a buffer, for all its files and for ever. Used on a buffer file.
 * After ``SHMBUF_SEAL_WRITE``, write() and writable mmap() fail with ``EPERM``, and
 * mprotect() cannot make a read-only mapping writable. The kernel can still write.
 *
 * Return:
 * * 0 on success, else -1 and one of these in errno:
 * * ``EINVAL``: @seals has an unknown bit, or @reserved is not 0
 * * ``EPERM``: @seals is not 0 and the file is not open for writing;
 *   ``SHMBUF_SEAL_SEAL`` is in force and @seals adds a seal; or the capability
 *   that the buffer needs is missing
 * * ``EBUSY``: ``SHMBUF_SEAL_WRITE`` while a writable mapping exists or a write()
 *   is in progress; pins taken through an earlier writable mapping remain (for
 *   instance from io_uring, direct I/O or vmsplice()); or the memory has a memory
 *   error. While SEAL checks this, write() and mmap() of a file that is open for
 *   writing may fail with ``EAGAIN``.
 * * ``EFAULT``: when only the answer cannot be written, the seals are in force
 */
struct shmbuf_seal {
	__u32 seals;
	__u32 reserved;
};

#define SHMBUF_SEAL_SIZE_VER0		8

/* ACK: sleep until a signal is pending */
#define SHMBUF_NOTIFY_WAIT		(1U << 0)

/**
 * struct shmbuf_notify - argument of %SHMBUF_IOC_SIGNAL and %SHMBUF_IOC_ACK
 * @sequence: out: number of signals since the buffer was created
 * @count: out: with %SHMBUF_IOC_ACK, number of signals since the last ACK
 *	through this open file, or since it was opened; else 0
 * @flags: in: %SHMBUF_NOTIFY_WAIT with %SHMBUF_IOC_ACK, or 0
 * @reserved: in: must be 0
 *
 * Used on a buffer file. SIGNAL adds one to the sequence and wakes
 * poll(), select(), epoll and a waiting ACK on every open file of the buffer. ACK
 * acknowledges all signals so far, and the next signal makes the file ready again.
 * ACK counts all signals since the previous ACK and does not lose any. With
 * %SHMBUF_NOTIFY_WAIT, ACK sleeps until a signal is pending, even if the file is
 * in non-blocking mode. Descriptors made by dup(), fork() or ``SCM_RIGHTS`` are one
 * open file.
 *
 * Return:
 * * 0 on success, else -1 and one of these in errno:
 * * ``EINVAL``: @flags or @reserved has a value that is not allowed
 * * ``EFAULT``: when only the answer cannot be written, the signal or the ACK
 *   has happened
 * * ``EINTR``: a signal handler ran while ACK was sleeping; nothing is
 *   acknowledged, and with ``SA_RESTART`` ACK goes on instead
 * * ``ENODEV``: the buffer is revoked, or was while ACK was sleeping
 * * ``EPERM``: SIGNAL of a buffer that passes signals on to a device, if the file
 *   is not open for writing or the capability that the buffer needs is missing
 */
struct shmbuf_notify {
	__u64 sequence;
	__u64 count;
	__u32 flags;
	__u32 reserved;
};

#define SHMBUF_NOTIFY_SIZE_VER0		24

/* The program's accesses to the range, ORed */
#define SHMBUF_SYNC_READ		(1U << 0)
#define SHMBUF_SYNC_WRITE		(1U << 1)

#define SHMBUF_SYNC_BEGIN		0	/* before the program's accesses */
#define SHMBUF_SYNC_END			1	/* after them */

/**
 * struct shmbuf_sync - argument of %SHMBUF_IOC_SYNC
 * @offset: in: start of the range in bytes
 * @length: in: length of the range in bytes, may be 0
 * @direction: in: %SHMBUF_SYNC_READ, %SHMBUF_SYNC_WRITE or both
 * @phase: in: %SHMBUF_SYNC_BEGIN or %SHMBUF_SYNC_END
 *
 * Transfers ownership of a buffer range to the program, and back to the device.
 * Used on a buffer file, even if the file is only open for reading. SYNC affects
 * only the range, extended to whole cache lines. Other stores to those
 * cache lines may be lost if they were not followed by END. If a buffer has
 * %SHMBUF_CAP_NEEDS_SYNC, a program calls SYNC before and after its accesses.
 * For other buffers, SYNC does nothing and succeeds.
 *
 * Return:
 * * 0 on success, else -1 and one of these in errno:
 * * ``EINVAL``: the range is not inside the buffer, or @direction or @phase has
 *   a value that is not allowed
 * * ``EPERM``: the capability that the buffer needs is missing
 */
struct shmbuf_sync {
	__u64 offset;
	__u64 length;
	__u32 direction;
	__u32 phase;
};

#define SHMBUF_SYNC_SIZE_VER0		24

/**
 * struct shmbuf_export - argument of %SHMBUF_IOC_EXPORT
 * @flags: in: must be 0
 * @fd: out: file descriptor of a DMA-BUF, read-write and close-on-exec
 *
 * Exports a buffer as a DMA-BUF, for V4L2, DRM and other drivers to import. Used on
 * a buffer file. A buffer has one DMA-BUF at a time. While the DMA-BUF exists,
 * EXPORT returns another descriptor of it. A DMA-BUF holds the buffer and counts as
 * a writer, so ``SHMBUF_SEAL_WRITE`` fails with ``EBUSY``. A DMA-BUF can be mapped
 * like the buffer.
 *
 * Importers of %SHMBUF_BACKING_STREAM and %SHMBUF_BACKING_REGION must be able to
 * invalidate their mappings, and revocation invalidates them. Importers of other
 * memory may continue to use it.
 *
 * Return:
 * * 0 on success, else -1 and one of these in errno:
 * * ``EINVAL``: @flags is not 0
 * * ``EPERM``: the file is not open for writing, ``SHMBUF_SEAL_WRITE`` is in
 *   force, or the capability that the buffer needs is missing
 * * ``EAGAIN``: ``SHMBUF_SEAL_WRITE`` is being added
 * * ``EOPNOTSUPP``: %SHMBUF_BACKING_COHERENT, %SHMBUF_BACKING_REGION that other
 *   devices cannot reach, or a kernel without ``CONFIG_DMA_SHARED_BUFFER``
 * * ``ENOMEM``, ``EMFILE``, ``ENFILE``
 */
struct shmbuf_export {
	__u32 flags;
	__s32 fd;
};

#define SHMBUF_EXPORT_SIZE_VER0		8

/* Pinning a mapping works: O_DIRECT, io_uring, vmsplice(), and shared futexes. */
#define SHMBUF_CAP_PINNABLE		(1U << 0)
/* The buffer was revoked, see the documentation. Excludes all other capabilities. */
#define SHMBUF_CAP_REVOKED		(1U << 1)
/* SHMBUF_IOC_SYNC is needed between accesses of the device and of the CPU. */
#define SHMBUF_CAP_NEEDS_SYNC		(1U << 2)

/**
 * struct shmbuf_info - argument of %SHMBUF_IOC_INFO
 * @size: size of the buffer in bytes
 * @map_unit: largest size in bytes that one page table entry may map, at creation
 * @sequence: number of signals since the buffer was created, see &struct shmbuf_notify
 * @mappings: memory areas that map the buffer, in all processes, as
 *	/proc/PID/maps lists them. Each part of an area that was split, by
 *	mprotect() or munmap() for instance, counts.
 * @writable_mappings: memory areas that are writable, or that mprotect() can
 *	make writable
 * @backing: one of ``SHMBUF_BACKING_*``
 * @cache: one of ``SHMBUF_CACHE_*``
 * @seals: ``SHMBUF_SEAL_*`` in force, ORed
 * @capabilities: ``SHMBUF_CAP_*``, ORed
 * @name: NUL-terminated and padded with NUL
 *
 * Fills in the whole structure. Used on a buffer file. An open file
 * suffices, in any access mode.
 *
 * Return: 0 on success, or -1 with errno.
 */
struct shmbuf_info {
	__u64 size;
	__u64 map_unit;
	__u64 sequence;
	__u32 mappings;
	__u32 writable_mappings;
	__u32 backing;
	__u32 cache;
	__u32 seals;
	__u32 capabilities;
	__u8 name[SHMBUF_NAME_LEN];
};

#define SHMBUF_INFO_SIZE_VER0		80

/* On /dev/shmbuf */
#define SHMBUF_IOC_CREATE	_IOWR(SHMBUF_IOC_MAGIC, 0x00, struct shmbuf_create)

/* On a buffer file */
#define SHMBUF_IOC_INFO		_IOWR(SHMBUF_IOC_MAGIC, 0x01, struct shmbuf_info)
#define SHMBUF_IOC_SEAL		_IOWR(SHMBUF_IOC_MAGIC, 0x02, struct shmbuf_seal)
#define SHMBUF_IOC_SIGNAL	_IOWR(SHMBUF_IOC_MAGIC, 0x03, struct shmbuf_notify)
#define SHMBUF_IOC_ACK		_IOWR(SHMBUF_IOC_MAGIC, 0x04, struct shmbuf_notify)
#define SHMBUF_IOC_SYNC		_IOWR(SHMBUF_IOC_MAGIC, 0x05, struct shmbuf_sync)
#define SHMBUF_IOC_EXPORT	_IOWR(SHMBUF_IOC_MAGIC, 0x06, struct shmbuf_export)

#endif /* _UAPI_LINUX_SHMBUF_H */
