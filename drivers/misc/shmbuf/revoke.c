// SPDX-License-Identifier: GPL-2.0-only
/*
 * Revocation: what is behind a buffer goes away while processes have it.
 *
 * Each way to the memory looks at one thing under one lock, which is changed
 * here under the same lock, before all mappings are zapped. Nobody gets past
 * afterwards, and nobody who got past before is unseen:
 *
 * - a new mapping looks at @revoked under the lock of the buffer when it is
 *   counted, and has no entry yet;
 * - a fault that maps a page frame number looks at @revoked under the invalidate
 *   lock of the mapping;
 * - a fault that maps a folio looks at i_size with the folio locked; this is mm's
 *   own rule for truncation;
 * - read(), write() and all else that touches the memory of a device do so under
 *   the invalidate lock of the mapping.
 *
 * The memory of a device is freed here. Other memory is freed with the buffer,
 * when its last user is gone.
 */

#include <kunit/visibility.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

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

	guard(mutex)(&buf->mutex);
	filemap_invalidate_lock(mapping);
	spin_lock(&buf->lock);
	WRITE_ONCE(buf->revoked, true);
	trace_shmbuf_revoke(buf);
	spin_unlock(&buf->lock);
	i_size_write(&buf->inode, 0);
	if (buf->ops->fence)
		buf->ops->fence(buf);
	unmap_mapping_range(mapping, 0, 0, 1);
	if (buf->ops->of_device)
		shmbuf_free_memory(buf);
	filemap_invalidate_unlock(mapping);
	wake_up_poll(&buf->wait, EPOLLHUP);
}
EXPORT_SYMBOL_GPL(shmbuf_revoke);
