// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer creation: backings, argument checks and SHMBUF_IOC_CREATE.
 */

#include <kunit/visibility.h>
#include <linux/array_size.h>
#include <linux/build_bug.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/nodemask.h>
#include <linux/nospec.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/util_macros.h>

#include "geometry.h"
#include "shmbuf.h"

static const struct shmbuf_backing *const shmbuf_backings[] = {
	[SHMBUF_BACKING_PAGES]	= &shmbuf_pages,
	[SHMBUF_BACKING_CONTIG]	= &shmbuf_contig,
	[SHMBUF_BACKING_COHERENT] = PTR_IF(IS_ENABLED(CONFIG_HAS_DMA),
					   &shmbuf_coherent),
	[SHMBUF_BACKING_STREAM]	= PTR_IF(IS_ENABLED(CONFIG_HAS_DMA),
					 &shmbuf_stream),
	[SHMBUF_BACKING_REGION]	= NULL,
};

/* Return ERR_PTR() if unknown, NULL if not built in or not available to userspace. */
static const struct shmbuf_backing *find_backing(u32 backing)
{
	if (backing >= ARRAY_SIZE(shmbuf_backings))
		return ERR_PTR(-EINVAL);
	return shmbuf_backings[array_index_nospec(backing,
						  ARRAY_SIZE(shmbuf_backings))];
}

static bool numa_node_valid(int node)
{
	if (node == SHMBUF_NUMA_ANY)
		return true;
	if (node < 0 || node >= MAX_NUMNODES)
		return false;
	return node_state(array_index_nospec(node, MAX_NUMNODES), N_MEMORY);
}

/* A control character would forge lines in /proc/PID/maps; a slash, a path. */
static bool name_valid(const u8 *name)
{
	size_t i;

	for (i = 0; i < SHMBUF_NAME_LEN && name[i]; i++) {
		if (!isascii(name[i]) || !isprint(name[i]) || name[i] == '/')
			return false;
	}
	return i < SHMBUF_NAME_LEN;
}

static int shmbuf_check_create(const struct shmbuf_create *args,
			       const struct shmbuf_backing *ops)
{
	if (args->flags || args->reserved)
		return -EINVAL;
	if (IS_ERR(ops) || args->cache > SHMBUF_CACHE_DEVICE)
		return -EINVAL;
	if (!numa_node_valid(args->numa_node))
		return -EINVAL;
	if (!name_valid(args->name))
		return -EINVAL;
	if (!ops || !(ops->caches & BIT(args->cache)))
		return -EOPNOTSUPP;
	return 0;
}

/* Return the SHMBUF_BACKING_* of a backing name from fdinfo, or -EINVAL. */
int shmbuf_find_backing(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(shmbuf_backings); i++) {
		if (shmbuf_backings[i] && !strcmp(shmbuf_backings[i]->name, name))
			return i;
	}
	return -EINVAL;
}

/**
 * shmbuf_create() - create a buffer
 * @args: arguments of SHMBUF_IOC_CREATE; @args->fd is ignored
 * @dev: device to allocate memory for; ignored if the backing has no device
 *
 * Charges the memory to the current process.
 *
 * Context: Process context, may sleep.
 * Return: the buffer, to be released with shmbuf_put(), or an ERR_PTR() with
 *	the errno of SHMBUF_IOC_CREATE.
 */
struct shmbuf *shmbuf_create(const struct shmbuf_create *args,
			     struct device *dev)
{
	const struct shmbuf_backing *ops = find_backing(args->backing);
	size_t size;
	int err;

	err = shmbuf_round_size(args->size, &size);
	if (!err)
		err = shmbuf_check_create(args, ops);
	if (err)
		return ERR_PTR(err);
	return shmbuf_alloc(ops, size, args, dev);
}
EXPORT_SYMBOL_GPL(shmbuf_create);

/* Drop the creation reference, or the buffer leaks: the file holds the only one. */
static struct file *create_file(const struct shmbuf_create *args,
				struct device *dev, u64 *size)
{
	struct shmbuf *buf = shmbuf_create(args, dev);
	struct file *file;

	if (IS_ERR(buf))
		return ERR_CAST(buf);
	*size = buf->size;
	file = shmbuf_open_file(buf, O_RDWR);
	shmbuf_put(buf);
	return file;
}

long shmbuf_ioctl_create(struct device *dev, void __user *uarg, size_t usize)
{
	struct shmbuf_create args;
	int err;

	BUILD_BUG_ON(offsetofend(struct shmbuf_create, name) !=
		     SHMBUF_CREATE_SIZE_VER0);

	err = copy_struct_from_user(&args, sizeof(args), uarg, usize);
	if (err)
		return err;

	FD_PREPARE(fdf, O_CLOEXEC, create_file(&args, dev, &args.size));
	if (fdf.err)
		return fdf.err;
	args.fd = fd_prepare_fd(fdf);
	err = copy_struct_to_user(uarg, usize, &args, sizeof(args), NULL);
	if (err)
		return err;
	fd_publish(fdf);
	return 0;
}
