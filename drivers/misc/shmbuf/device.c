// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access to memory of a device, which revocation frees.
 *
 * The CPU uses the memory with the invalidate lock held, after a check for
 * revocation. User memory must not be accessed under that lock, which page faults
 * take, so copies go through a bounce page.
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

/* Can the DMA API allocate for @dev on a node? It has no parameter for the node. */
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

/* ->copy() of the backings that are of a device. */
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
 * shmbuf_sync() - hand over a range of a buffer to the CPU or to the device
 * @buf: the buffer
 * @offset: where the range begins, in bytes
 * @len: its length in bytes
 * @dir: in which direction data go, seen from the device
 * @end: to the device, after the CPU; else to the CPU, before it
 *
 * Where the backing, or the machine, has no need of it, this does nothing.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EINVAL when the range is not inside the buffer, -ENODEV when the
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
