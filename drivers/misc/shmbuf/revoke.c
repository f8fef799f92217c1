// SPDX-License-Identifier: GPL-2.0-only
/*
 * Revocation: the memory of a buffer goes away while processes have it mapped.
 *
 * i_size becomes 0, and each lock under which it is checked is taken, before all
 * mappings are zapped, see struct shmbuf. The memory of a device is freed here. Other
 * memory is freed with the buffer, and a read() or write() of it that is under way may
 * still copy one block.
 */

#include <kunit/visibility.h>
#include <linux/export.h>
#include <linux/poll.h>
#include <linux/rwsem.h>

#include "shmbuf.h"
#include "trace.h"

/**
 * shmbuf_revoke() - take a buffer away from all processes
 * @buf: the buffer
 *
 * Afterwards touching a mapping raises SIGBUS, poll() reports EPOLLHUP, INFO
 * says that the buffer is revoked, and opening, mapping, reading, writing and
 * other ioctls fail with ENODEV. The memory of a device is freed, and the caller
 * sees to it that neither the device nor a driver uses it any more; of other
 * memory, a kernel address that was asked for before stays valid. It is no error
 * to revoke a buffer twice.
 *
 * Importers of a DMA-BUF of memory of a device have to unmap it first, and this
 * function waits for them.
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
	 * Only a counted VMA has PTEs, except one whose ->mapped() has failed half
	 * way. That VMA keeps the buffer, but not the memory of a device.
	 */
	if (mapped || buf->ops->of_device)
		unmap_mapping_range(mapping, 0, 0, 1);
	filemap_invalidate_unlock(mapping);
	/* First, as a program may have to make an importer let go. */
	shmbuf_wake(buf, EPOLLHUP);
	/* Not under the invalidate lock: an importer may have to fault. */
	shmbuf_revoke_export(buf);
	if (buf->ops->of_device)
		shmbuf_free_memory(buf);
}
EXPORT_SYMBOL_GPL(shmbuf_revoke);

/**
 * shmbuf_revoke_unmapped() - revoke a buffer unless it is mapped
 * @buf: the buffer
 *
 * For a driver that replaces a buffer, but not while a process has it mapped. If
 * an mmap() has passed shmbuf_mmap_prepare() and is not counted yet, the mmap()
 * fails with ENODEV. The memory of a device is freed, as by shmbuf_revoke().
 *
 * Do not hold a lock that ->mmap_prepare() takes.
 *
 * Context: as shmbuf_revoke().
 * Return: 0, or -EBUSY if the buffer is mapped, which leaves it as it is.
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
