// SPDX-License-Identifier: GPL-2.0
/*
 * The file of a buffer: made by CREATE, mapped, read, written, asked.
 */

#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "geometry.h"
#include "shmbuf.h"

static ssize_t shmbuf_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct shmbuf *buf = shmbuf_of_file(iocb->ki_filp);
	size_t len, done;

	len = shmbuf_clamp_io(shmbuf_size(buf), iocb->ki_pos, iov_iter_count(to));
	if (!len)
		return 0;
	done = copy_to_iter(buf->vaddr + iocb->ki_pos, len, to);
	iocb->ki_pos += done;
	return done ?: -EFAULT;
}

static ssize_t shmbuf_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct shmbuf *buf = shmbuf_of_file(iocb->ki_filp);
	size_t len, done;

	if (!iov_iter_count(from))
		return 0;
	if (iocb->ki_flags & IOCB_APPEND)
		iocb->ki_pos = shmbuf_size(buf);
	len = shmbuf_clamp_io(shmbuf_size(buf), iocb->ki_pos,
			      iov_iter_count(from));
	if (!len)
		return -ENOSPC;
	done = copy_from_iter(buf->vaddr + iocb->ki_pos, len, from);
	iocb->ki_pos += done;
	return done ?: -EFAULT;
}

static long shmbuf_ioctl_info(struct shmbuf *buf, void __user *uarg,
			      size_t usize)
{
	struct shmbuf_info info = {
		.size = shmbuf_size(buf),
		.map_unit = PAGE_SIZE,
		.backing = buf->backing,
		.cache = buf->cache,
		.capabilities = SHMBUF_CAP_KERNEL_MAPPED,
	};

	BUILD_BUG_ON(sizeof(info) != SHMBUF_INFO_SIZE_VER0);

	memcpy(info.name, buf->name, sizeof(info.name));
	spin_lock(&buf->lock);
	info.mappings = buf->mappings;
	info.writable_mappings = buf->writable_mappings;
	spin_unlock(&buf->lock);
	return copy_struct_to_user(uarg, usize, &info, sizeof(info), NULL);
}

static long shmbuf_file_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	struct shmbuf *buf = shmbuf_of_file(file);

	if (extensible_ioctl_valid(cmd, SHMBUF_IOC_INFO, SHMBUF_INFO_SIZE_VER0))
		return shmbuf_ioctl_info(buf, (void __user *)arg, _IOC_SIZE(cmd));
	return -ENOTTY;
}

static const struct file_operations shmbuf_file_ops = {
	.owner		= THIS_MODULE,
	.llseek		= generic_file_llseek,
	.read_iter	= shmbuf_read_iter,
	.write_iter	= shmbuf_write_iter,
	.mmap_prepare	= shmbuf_mmap_prepare,
	.unlocked_ioctl	= shmbuf_file_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static const struct shmbuf_backing *const shmbuf_backings[] = {
	[SHMBUF_BACKING_PAGES]		= NULL,
	[SHMBUF_BACKING_CONTIG]		= &shmbuf_contig,
	[SHMBUF_BACKING_COHERENT]	= NULL,
	[SHMBUF_BACKING_STREAM]		= NULL,
	[SHMBUF_BACKING_REGION]		= NULL,
};

static int shmbuf_check_create(const struct shmbuf_create *args)
{
	const struct shmbuf_backing *ops;

	if (args->flags || args->reserved)
		return -EINVAL;
	if (args->backing >= ARRAY_SIZE(shmbuf_backings))
		return -EINVAL;
	if (args->cache > SHMBUF_CACHE_DEVICE)
		return -EINVAL;
	if (args->numa_node != NUMA_NO_NODE &&
	    (args->numa_node < 0 || args->numa_node >= MAX_NUMNODES ||
	     !node_state(args->numa_node, N_MEMORY)))
		return -EINVAL;
	if (!memchr(args->name, '\0', sizeof(args->name)))
		return -EINVAL;

	ops = shmbuf_backings[args->backing];
	if (!ops || !(ops->caches & BIT(args->cache)))
		return -EOPNOTSUPP;
	return 0;
}

/**
 * shmbuf_create_file() - make a buffer and its file
 * @args: as userspace gave it; on success @args->size is the rounded size
 *
 * Context: Process context, may sleep. Charges the memory to the caller.
 * Return: the file, which is all that holds the buffer, or an ERR_PTR() with
 *	the errno of SHMBUF_IOC_CREATE.
 */
struct file *shmbuf_create_file(struct shmbuf_create *args)
{
	struct shmbuf *buf;
	struct file *file;
	size_t size;
	int err;

	err = shmbuf_round_size(args->size, &size);
	if (!err)
		err = shmbuf_check_create(args);
	if (err)
		return ERR_PTR(err);

	buf = shmbuf_alloc(shmbuf_backings[args->backing], size, args);
	if (IS_ERR(buf))
		return ERR_CAST(buf);
	file = shmbuf_alloc_file(buf, &shmbuf_file_ops);
	shmbuf_put(buf);
	if (!IS_ERR(file))
		args->size = size;
	return file;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_create_file);
