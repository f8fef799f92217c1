// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access to device memory, which revocation frees.
 *
 * The CPU accesses the memory with the invalidate lock held, after a check for
 * revocation. Page faults take this lock. Accessing user memory under the lock could
 * deadlock, so copies use a bounce page.
 */

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/numa.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "geometry.h"
#include "shmbuf.h"

/* The DMA API has no node parameter and allocates on the device's node. */
bool shmbuf_can_dma(struct device *dev, int numa_node)
{
	if (!dev || !dev->coherent_dma_mask)
		return false;
	return numa_node == NUMA_NO_NODE || numa_node == dev_to_node(dev);
}

static int transfer(struct shmbuf *buf, loff_t pos, void *bounce, size_t len,
		    bool write)
{
	int err = -ENODEV;

	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	if (!shmbuf_revoked(buf)) {
		err = 0;
		if (write)
			iosys_map_memcpy_to(&buf->map, pos, bounce, len);
		else
			iosys_map_memcpy_from(bounce, &buf->map, pos, len);
	}
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
	return err;
}

/* ->copy() of backings with of_device. */
ssize_t shmbuf_device_copy(struct shmbuf *buf, loff_t pos,
			   struct iov_iter *iter)
{
	void *bounce __free(kfree) = kmalloc(PAGE_SIZE, GFP_KERNEL);
	size_t len, copied, done = 0;
	int err;

	if (!bounce)
		return -ENOMEM;
	do {
		len = min(iov_iter_count(iter), PAGE_SIZE);
		if (iov_iter_rw(iter) == ITER_DEST) {
			err = transfer(buf, pos + done, bounce, len, false);
			if (err)
				break;
			copied = copy_to_iter(bounce, len, iter);
		} else {
			copied = copy_from_iter(bounce, len, iter);
			err = transfer(buf, pos + done, bounce, copied, true);
			if (err)
				break;
		}
		done += copied;
		cond_resched();
	} while (copied == len && iov_iter_count(iter) &&
		 !fatal_signal_pending(current));
	return done ?: err ?: -EFAULT;
}

/**
 * shmbuf_sync() - transfer ownership of a buffer range to the CPU or the device
 * @buf: the buffer
 * @offset: start of the range in bytes
 * @len: length of the range in bytes
 * @dir: direction of the transfer, as in the DMA API
 * @end: true after CPU access, to transfer to the device; false before CPU access,
 *	to transfer to the CPU
 *
 * If the backing or the machine does not need this, the call does nothing.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EINVAL if the range is not inside the buffer, -ENODEV if the
 *	buffer is revoked.
 */
int shmbuf_sync(struct shmbuf *buf, u64 offset, u64 len,
		enum dma_data_direction dir, bool end)
{
	int err;

	err = shmbuf_check_range(buf->size, offset, len);
	if (err)
		return err;
	err = -ENODEV;
	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	if (!shmbuf_revoked(buf)) {
		err = 0;
		if (len && buf->ops->sync)
			buf->ops->sync(buf, offset, len, dir, end);
	}
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
	return err;
}
EXPORT_SYMBOL_GPL(shmbuf_sync);
