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
 * - for a program newer than the kernel, input bytes that the kernel does not
 *   know must be 0 (else ``E2BIG``), and output bytes that it does not know
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

/* Kinds of memory */
#define SHMBUF_BACKING_PAGES		0	/* pages, scattered in memory */
#define SHMBUF_BACKING_CONTIG		1	/* physically contiguous pages */
#define SHMBUF_BACKING_COHERENT		2	/* coherent memory of the DMA API */
#define SHMBUF_BACKING_STREAM		3	/* cached memory of the DMA API */
#define SHMBUF_BACKING_REGION		4	/* of a driver; cannot be created */

/*
 * How the CPU caches a mapping. An impossible attribute is refused. With
 * SHMBUF_BACKING_COHERENT, CACHED asks for what the architecture has for such
 * memory, and struct shmbuf_info tells what that is.
 */
#define SHMBUF_CACHE_CACHED		0
#define SHMBUF_CACHE_WRITE_COMBINE	1
#define SHMBUF_CACHE_UNCACHED		2
#define SHMBUF_CACHE_DEVICE		3

/* Any NUMA node. 0 is a node like the others, and memory comes from no other. */
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
 *	what follows the NUL is ignored. Seen in /proc/PID/maps
 *	and /proc/PID/fd.
 *
 * Creates a buffer, filled with zeroes up to its rounded size. Used on
 * /dev/shmbuf. On failure no buffer and no file descriptor exist, and the
 * structure is unchanged (with ``EFAULT`` it may be written in part).
 *
 * Return:
 * * 0 on success, else -1 and one of these in errno:
 * * ``EINVAL``: @size is 0 or too large for any buffer; @backing, @cache,
 *   @flags, @numa_node, @reserved or @name has a value that is not allowed
 * * ``EOPNOTSUPP``: @backing cannot have @cache, or memory of @numa_node, on this
 *   kernel, or the kernel has no such backing, or the D-cache of the machine
 *   aliases
 * * ``ENOMEM``: not enough memory, or, where @backing needs that, not
 *   enough in one piece; or above ``RLIMIT_MEMLOCK`` without ``CAP_IPC_LOCK``
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

/* The contents cannot change any more, neither through a file nor a mapping. */
#define SHMBUF_SEAL_WRITE		(1U << 0)
/* No seal can be added any more. */
#define SHMBUF_SEAL_SEAL		(1U << 1)

/**
 * struct shmbuf_seal - argument of %SHMBUF_IOC_SEAL
 * @seals: in: ``SHMBUF_SEAL_*`` to add, ORed, may be 0; out: those in force
 * @reserved: in: must be 0
 *
 * Adds seals to a buffer, for all its files and for ever. Used on the file of a
 * buffer. After ``SHMBUF_SEAL_WRITE``, write() and mapping it writable fail with
 * ``EPERM``, and a mapping made for reading cannot be made writable later. The
 * kernel can still write.
 *
 * Return:
 * * 0 on success, else -1 and one of these in errno:
 * * ``EINVAL``: @seals has an unknown bit, or @reserved is not 0
 * * ``EPERM``: @seals is not 0 and the file is not open for writing, or
 *   ``SHMBUF_SEAL_SEAL`` is in force and @seals has a seal that is not, or the
 *   capability that the buffer needs is missing
 * * ``EBUSY``: ``SHMBUF_SEAL_WRITE`` while a mapping can be written, a write() is
 *   under way, or the memory is still in use on behalf of such a mapping of
 *   before, by io_uring, direct I/O or vmsplice() for instance; or a part of it has
 *   a memory error. While it is found out, write() and mmap() of a file that is
 *   open for writing may fail with ``EAGAIN``.
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
 * @sequence: out: how many signals the buffer has had in all
 * @count: out: with %SHMBUF_IOC_ACK, how many of them came since the last ACK
 *	through this open file, or since it was opened; else 0
 * @flags: in: %SHMBUF_NOTIFY_WAIT with %SHMBUF_IOC_ACK, or 0
 * @reserved: in: must be 0
 *
 * Used on the file of a buffer. SIGNAL adds one to the sequence and wakes
 * poll(), select(), epoll and a waiting ACK on every open file of the buffer. ACK
 * acknowledges all signals so far, so that the file is ready again after the next
 * signal; signals that come between two ACKs are counted, none is lost. With
 * %SHMBUF_NOTIFY_WAIT, ACK sleeps until a signal is pending, also if the file is
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
 * * ``EPERM``: SIGNAL of a buffer whose device is told about it, through a file
 *   that is not open for writing, or without the capability that the buffer needs
 */
struct shmbuf_notify {
	__u64 sequence;
	__u64 count;
	__u32 flags;
	__u32 reserved;
};

#define SHMBUF_NOTIFY_SIZE_VER0		24

/* Accesses of the program to the range, ORed */
#define SHMBUF_SYNC_READ		(1U << 0)
#define SHMBUF_SYNC_WRITE		(1U << 1)

#define SHMBUF_SYNC_BEGIN		0	/* before the program's accesses */
#define SHMBUF_SYNC_END			1	/* after them */

/**
 * struct shmbuf_sync - argument of %SHMBUF_IOC_SYNC
 * @offset: in: where the range begins, in bytes
 * @length: in: its length in bytes, may be 0
 * @direction: in: %SHMBUF_SYNC_READ, %SHMBUF_SYNC_WRITE or both
 * @phase: in: %SHMBUF_SYNC_BEGIN or %SHMBUF_SYNC_END
 *
 * Hands a range of the buffer over to the program, and back to the device. Used
 * on the file of a buffer, also one that is only open for reading. Only the
 * range is touched, extended to whole cache lines; what others have stored there
 * and not yet handed over may be lost. A program calls it around its accesses
 * to a buffer with %SHMBUF_CAP_NEEDS_SYNC; for other buffers it does nothing and
 * succeeds.
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
 * the file of a buffer. A buffer has one DMA-BUF at a time; while it exists,
 * EXPORT returns another descriptor of it. A DMA-BUF holds the buffer and counts as
 * a writer: ``SHMBUF_SEAL_WRITE`` fails with ``EBUSY``. It can be mapped like the
 * buffer.
 *
 * Importers of %SHMBUF_BACKING_STREAM and %SHMBUF_BACKING_REGION must be able to give
 * up their mappings, and revocation makes them do so. Importers of other memory may
 * go on with it.
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
/* The buffer was revoked, see the documentation. Excludes all the others. */
#define SHMBUF_CAP_REVOKED		(1U << 1)
/* SHMBUF_IOC_SYNC is needed between accesses of the device and of the CPU. */
#define SHMBUF_CAP_NEEDS_SYNC		(1U << 2)

/**
 * struct shmbuf_info - argument of %SHMBUF_IOC_INFO
 * @size: size of the buffer in bytes
 * @map_unit: largest unit in bytes that one page table entry may map, at creation
 * @sequence: signals that the buffer has had, see &struct shmbuf_notify
 * @mappings: memory areas that map the buffer, in all processes, as
 *	/proc/PID/maps lists them. Each part of an area that was split, by
 *	mprotect() or munmap() for instance, counts.
 * @writable_mappings: those of them that are writable, or that mprotect() can
 *	make writable
 * @backing: one of ``SHMBUF_BACKING_*``
 * @cache: one of ``SHMBUF_CACHE_*``
 * @seals: ``SHMBUF_SEAL_*`` in force, ORed
 * @capabilities: ``SHMBUF_CAP_*``, ORed
 * @name: NUL-terminated and padded with NUL
 *
 * Fills in the whole structure. Used on the file of a buffer; needs no
 * permission beyond having it open.
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

/* On the file of a buffer */
#define SHMBUF_IOC_INFO		_IOWR(SHMBUF_IOC_MAGIC, 0x01, struct shmbuf_info)
#define SHMBUF_IOC_SEAL		_IOWR(SHMBUF_IOC_MAGIC, 0x02, struct shmbuf_seal)
#define SHMBUF_IOC_SIGNAL	_IOWR(SHMBUF_IOC_MAGIC, 0x03, struct shmbuf_notify)
#define SHMBUF_IOC_ACK		_IOWR(SHMBUF_IOC_MAGIC, 0x04, struct shmbuf_notify)
#define SHMBUF_IOC_SYNC		_IOWR(SHMBUF_IOC_MAGIC, 0x05, struct shmbuf_sync)
#define SHMBUF_IOC_EXPORT	_IOWR(SHMBUF_IOC_MAGIC, 0x06, struct shmbuf_export)

#endif /* _UAPI_LINUX_SHMBUF_H */
