// SPDX-License-Identifier: GPL-2.0-only
/*
 * Revocation: what is behind a buffer goes away while processes have it mapped.
 *
 * Each way to the memory checks i_size under one lock, see struct shmbuf. i_size
 * becomes 0 here under the same locks, before all mappings are zapped. So a later
 * check fails, and the zap finds every page table entry of an earlier one.
 *
 * The memory of a device is freed here. Other memory is freed with the buffer,
 * after its last user.
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
 * Context: Process context, may sleep. Takes the locks that a page fault takes.
 */
void shmbuf_revoke(struct shmbuf *buf)
{
	struct address_space *mapping = buf->inode.i_mapping;

	guard(rwsem_write)(&buf->inode.i_rwsem);
	filemap_invalidate_lock(mapping);
	spin_lock(&buf->lock);
	i_size_write(&buf->inode, 0);
	trace_shmbuf_revoke(buf);
	spin_unlock(&buf->lock);
	if (buf->ops->fence)
		buf->ops->fence(buf);
	unmap_mapping_range(mapping, 0, 0, 1);
	if (buf->ops->of_device)
		shmbuf_free_memory(buf);
	filemap_invalidate_unlock(mapping);
	wake_up_poll(&buf->wait, EPOLLHUP);
}
EXPORT_SYMBOL_GPL(shmbuf_revoke);
