// SPDX-License-Identifier: GPL-2.0-only
/*
 * Revocation: remove the memory of a buffer while processes have the buffer mapped.
 *
 * Revocation sets i_size to 0 and takes each lock under which i_size is checked, see
 * struct shmbuf. Revocation then zaps all mappings and frees device memory. Other memory
 * is freed with the buffer. A concurrent read() or write() of other memory may still
 * copy one block.
 */

#include <kunit/visibility.h>
#include <linux/export.h>
#include <linux/poll.h>
#include <linux/rwsem.h>

#include "shmbuf.h"
#include "trace.h"

/**
 * shmbuf_revoke() - revoke the access of all processes to a buffer
 * @buf: the buffer
 *
 * Afterwards, accessing a mapping raises SIGBUS, poll() reports EPOLLHUP, and INFO
 * reports the revocation. open(), mmap(), read(), write() and other ioctls fail with
 * ENODEV. Revoking a buffer twice is allowed.
 *
 * Device memory is freed. The caller ensures that neither the device nor a driver uses
 * the memory afterwards. For other memory, a kernel address from shmbuf_vmap() stays
 * valid.
 *
 * For device memory, this function waits until importers of the DMA-BUF have unmapped
 * the memory.
 *
 * Context: Process context, may sleep. Takes the locks that a page fault takes.
 */
void shmbuf_revoke(struct shmbuf *buf)
{
	struct address_space *mapping = buf->inode.i_mapping;
	bool mapped;

	guard(rwsem_write)(&buf->inode.i_rwsem);
	filemap_invalidate_lock(mapping);
	spin_lock(&buf->lock);
	i_size_write(&buf->inode, 0);
	mapped = buf->mappings;
	trace_shmbuf_revoke(buf);
	spin_unlock(&buf->lock);
	if (buf->ops->fence)
		buf->ops->fence(buf);
	/*
	 * Only counted VMAs have PTEs, except a VMA whose ->mapped() failed half
	 * way. Such a VMA holds the buffer, but device memory is freed below.
	 */
	if (mapped || buf->ops->of_device)
		unmap_mapping_range(mapping, 0, 0, 1);
	filemap_invalidate_unlock(mapping);
	/* Wake first: a process may have to stop an importer, or the wait hangs. */
	shmbuf_wake(buf, EPOLLHUP);
	/* An importer may have to fault, which the invalidate lock would block. */
	shmbuf_revoke_export(buf);
	if (buf->ops->of_device)
		shmbuf_free_memory(buf);
}
EXPORT_SYMBOL_GPL(shmbuf_revoke);

/**
 * shmbuf_revoke_unmapped() - revoke a buffer unless it is mapped
 * @buf: the buffer
 *
 * For a driver that replaces a buffer only if the buffer is not mapped. If an mmap()
 * has passed shmbuf_mmap_prepare() and is not counted yet, the mmap() fails with ENODEV.
 * Device memory is freed, as by shmbuf_revoke().
 *
 * Do not hold a lock that ->mmap_prepare() takes.
 *
 * Context: As shmbuf_revoke().
 * Return: 0, or -EBUSY if the buffer is mapped. The buffer then remains unchanged.
 */
int shmbuf_revoke_unmapped(struct shmbuf *buf)
{
	scoped_guard(spinlock, &buf->lock) {
		if (buf->mappings)
			return -EBUSY;
		i_size_write(&buf->inode, 0);
	}
	shmbuf_revoke(buf);
	return 0;
}
EXPORT_SYMBOL_GPL(shmbuf_revoke_unmapped);
