// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a buffer: made by CREATE, mapped, read, written, queried.
 */

#include <kunit/visibility.h>
#include <linux/array_size.h>
#include <linux/build_bug.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/nospec.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/util_macros.h>

#include "geometry.h"
#include "shmbuf.h"

/* Not for the file that CREATE makes, see shmbuf_alloc_file(). */
static int shmbuf_open(struct inode *inode, struct file *file)
{
	if (shmbuf_revoked(shmbuf_of_file(file)))
		return -ENODEV;
	shmbuf_watch(shmbuf_of_file(file), file);
	return shmbuf_pin_mount();
}

static int shmbuf_release(struct inode *inode, struct file *file)
{
	/* That of a named node has another inode. */
	if (inode != file->f_mapping->host)
		shmbuf_detach(file);
	else
		shmbuf_unpin_mount();
	return 0;
}

static ssize_t shmbuf_copy(struct kiocb *iocb, struct iov_iter *iter)
{
	struct shmbuf *buf = shmbuf_of_file(iocb->ki_filp);
	ssize_t done = buf->ops->copy(buf, iocb->ki_pos, iter);

	if (done > 0)
		iocb->ki_pos += done;
	return done;
}

static ssize_t shmbuf_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct shmbuf *buf = shmbuf_of_file(iocb->ki_filp);
	size_t len;
	int err;

	err = shmbuf_check_access(iocb->ki_filp);
	if (err)
		return err;
	len = shmbuf_clamp_io(buf->size, iocb->ki_pos, iov_iter_count(to));
	if (!len)
		return 0;
	iov_iter_truncate(to, len);
	return shmbuf_copy(iocb, to);
}

static ssize_t shmbuf_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct shmbuf *buf = shmbuf_of_file(iocb->ki_filp);
	ssize_t done;
	size_t len;

	done = shmbuf_check_access(iocb->ki_filp);
	if (done)
		return done;
	if (!iov_iter_count(from))
		return 0;
	if (iocb->ki_flags & IOCB_APPEND)
		iocb->ki_pos = buf->size;
	len = shmbuf_clamp_io(buf->size, iocb->ki_pos,
			      iov_iter_count(from));
	if (!len)
		return -ENOSPC;
	iov_iter_truncate(from, len);
	done = shmbuf_begin_write(buf);
	if (done)
		return done;
	done = shmbuf_copy(iocb, from);
	shmbuf_end_write(buf);
	return done;
}

static long shmbuf_ioctl_info(struct file *file, void __user *uarg,
			      size_t usize)
{
	struct shmbuf *buf = shmbuf_of_file(file);
	struct shmbuf_info info;
	int err;

	BUILD_BUG_ON(offsetofend(struct shmbuf_info, name) !=
		     SHMBUF_INFO_SIZE_VER0);

	err = copy_struct_from_user(&info, sizeof(info), uarg, usize);
	if (err)
		return err;
	info = (struct shmbuf_info) {
		.size = buf->size,
		.map_unit = buf->map_unit,
		.backing = buf->backing,
		.cache = buf->cache,
		.capabilities = buf->capabilities,
	};
	if (READ_ONCE(buf->vaddr) || READ_ONCE(buf->iomem))
		info.capabilities |= SHMBUF_CAP_KERNEL_MAPPED;
	memcpy(info.name, buf->name, sizeof(info.name));
	spin_lock(&buf->lock);
	if (buf->revoked)
		info.capabilities = SHMBUF_CAP_REVOKED;
	info.seals = buf->seals;
	info.sequence = atomic64_read_acquire(&buf->sequence);
	info.mappings = buf->mappings;
	info.writable_mappings = buf->writable_mappings;
	spin_unlock(&buf->lock);
	return copy_struct_to_user(uarg, usize, &info, sizeof(info), NULL);
}

static long shmbuf_ioctl_seal(struct file *file, void __user *uarg,
			      size_t usize)
{
	struct shmbuf *buf = shmbuf_of_file(file);
	struct shmbuf_seal arg;
	int err;

	BUILD_BUG_ON(offsetofend(struct shmbuf_seal, reserved) !=
		     SHMBUF_SEAL_SIZE_VER0);

	err = shmbuf_check_access(file);
	if (err)
		return err;
	err = copy_struct_from_user(&arg, sizeof(arg), uarg, usize);
	if (err)
		return err;
	if (arg.reserved ||
	    (arg.seals & ~(SHMBUF_SEAL_WRITE | SHMBUF_SEAL_SEAL)))
		return -EINVAL;
	if (arg.seals && !(file->f_mode & FMODE_WRITE))
		return -EPERM;
	err = shmbuf_seal(buf, arg.seals);
	if (err)
		return err;
	arg.seals = READ_ONCE(buf->seals);
	return copy_struct_to_user(uarg, usize, &arg, sizeof(arg), NULL);
}

static long shmbuf_ioctl_sync(struct file *file, void __user *uarg,
			      size_t usize)
{
	struct shmbuf *buf = shmbuf_of_file(file);
	enum dma_data_direction dir;
	struct shmbuf_sync arg;
	int err;

	BUILD_BUG_ON(offsetofend(struct shmbuf_sync, phase) !=
		     SHMBUF_SYNC_SIZE_VER0);

	err = shmbuf_check_access(file);
	if (err)
		return err;
	err = copy_struct_from_user(&arg, sizeof(arg), uarg, usize);
	if (err)
		return err;
	switch (arg.direction) {
	case SHMBUF_SYNC_READ:
		dir = DMA_FROM_DEVICE;
		break;
	case SHMBUF_SYNC_WRITE:
		dir = DMA_TO_DEVICE;
		break;
	case SHMBUF_SYNC_READ | SHMBUF_SYNC_WRITE:
		dir = DMA_BIDIRECTIONAL;
		break;
	default:
		return -EINVAL;
	}
	if (arg.phase > SHMBUF_SYNC_END)
		return -EINVAL;
	return shmbuf_sync(buf, arg.offset, arg.length, dir,
			   arg.phase == SHMBUF_SYNC_END);
}

static long shmbuf_ioctl_notify(struct file *file, unsigned int nr,
				void __user *uarg, size_t usize)
{
	struct shmbuf *buf = shmbuf_of_file(file);
	struct shmbuf_notify arg;
	int err;

	BUILD_BUG_ON(offsetofend(struct shmbuf_notify, reserved) !=
		     SHMBUF_NOTIFY_SIZE_VER0);

	if (shmbuf_revoked(buf))
		return -ENODEV;
	err = copy_struct_from_user(&arg, sizeof(arg), uarg, usize);
	if (err)
		return err;
	if (arg.flags || arg.reserved)
		return -EINVAL;
	/* To others it is a store to the device, with all that it takes. */
	if (nr == _IOC_NR(SHMBUF_IOC_SIGNAL) && buf->signal_device) {
		err = shmbuf_check_access(file);
		if (err)
			return err;
		if (!(file->f_mode & FMODE_WRITE))
			return -EPERM;
	}
	arg.count = 0;
	if (nr == _IOC_NR(SHMBUF_IOC_SIGNAL))
		arg.sequence = shmbuf_signal(buf);
	else
		arg.sequence = shmbuf_ack(buf, file, &arg.count);
	if (nr == _IOC_NR(SHMBUF_IOC_SIGNAL) && buf->signal_device)
		shmbuf_signal_device(buf);
	return copy_struct_to_user(uarg, usize, &arg, sizeof(arg), NULL);
}

static long shmbuf_file_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	void __user *uarg = (void __user *)arg;
	size_t usize = _IOC_SIZE(cmd);

	if (extensible_ioctl_valid(cmd, SHMBUF_IOC_INFO, SHMBUF_INFO_SIZE_VER0))
		return shmbuf_ioctl_info(file, uarg, usize);
	if (extensible_ioctl_valid(cmd, SHMBUF_IOC_SEAL, SHMBUF_SEAL_SIZE_VER0))
		return shmbuf_ioctl_seal(file, uarg, usize);
	if (extensible_ioctl_valid(cmd, SHMBUF_IOC_SYNC, SHMBUF_SYNC_SIZE_VER0))
		return shmbuf_ioctl_sync(file, uarg, usize);
	if (extensible_ioctl_valid(cmd, SHMBUF_IOC_SIGNAL,
				   SHMBUF_NOTIFY_SIZE_VER0) ||
	    extensible_ioctl_valid(cmd, SHMBUF_IOC_ACK,
				   SHMBUF_NOTIFY_SIZE_VER0))
		return shmbuf_ioctl_notify(file, _IOC_NR(cmd), uarg, usize);
	return -ENOTTY;
}

static void shmbuf_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct shmbuf *buf = shmbuf_of_file(file);

	guard(spinlock)(&buf->lock);
	seq_printf(m, "shmbuf-size:\t%zu\n", buf->size);
	seq_printf(m, "shmbuf-backing:\t%s\n", buf->ops->name);
	seq_printf(m, "shmbuf-cache:\t%s\n", shmbuf_cache_name(buf->cache));
	seq_printf(m, "shmbuf-mappings:\t%u\n", buf->mappings);
	seq_printf(m, "shmbuf-writable:\t%u\n", buf->writable_mappings);
	seq_printf(m, "shmbuf-seals:\t%#x\n", buf->seals);
	seq_printf(m, "shmbuf-sequence:\t%llu\n",
		   (u64)atomic64_read(&buf->sequence));
	seq_printf(m, "shmbuf-revoked:\t%d\n", buf->revoked);
}

static const struct file_operations shmbuf_file_ops = {
	.owner		= THIS_MODULE,
	.open		= shmbuf_open,
	.release	= shmbuf_release,
	.llseek		= generic_file_llseek,
	.read_iter	= shmbuf_read_iter,
	.write_iter	= shmbuf_write_iter,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.mmap_prepare	= shmbuf_mmap_prepare,
	.fsync		= noop_fsync,
	.poll		= shmbuf_poll,
	.show_fdinfo	= shmbuf_show_fdinfo,
	.get_unmapped_area = thp_get_unmapped_area,
	.unlocked_ioctl	= shmbuf_file_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/**
 * shmbuf_open_file() - make the first file of a buffer that is no program's
 * @buf: the buffer
 *
 * Context: Process context, may sleep.
 * Return: the file, which holds a reference to the buffer, or an ERR_PTR().
 */
struct file *shmbuf_open_file(struct shmbuf *buf)
{
	struct file *file = shmbuf_alloc_file(buf, &shmbuf_file_ops);

	if (!IS_ERR(file))
		shmbuf_watch(buf, file);
	return file;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_open_file);

/**
 * shmbuf_get_fd() - open a buffer for the current process
 * @buf: the buffer
 *
 * Context: Process context, may sleep.
 * Return: a file descriptor as SHMBUF_IOC_CREATE returns it, read-write and
 *	close-on-exec, for the process to close; or -ENODEV when the buffer is
 *	revoked, -EMFILE, -ENFILE, -ENOMEM.
 */
int shmbuf_get_fd(struct shmbuf *buf)
{
	if (shmbuf_revoked(buf))
		return -ENODEV;
	return FD_ADD(O_CLOEXEC, shmbuf_open_file(buf));
}
EXPORT_SYMBOL_GPL(shmbuf_get_fd);

/**
 * shmbuf_attach() - make a file of another driver a file of a buffer
 * @buf: the buffer
 * @file: a file that is being opened, of a character device
 *
 * For the ->open() of a driver with a device node of its own. Its file_operations
 * then have shmbuf_mmap_prepare() as ->mmap_prepare(), shmbuf_detach() in
 * ->release(), and thp_get_unmapped_area() as ->get_unmapped_area(), without which
 * little is mapped in huge entries. All else is up to the driver.
 *
 * Context: Process context, may sleep.
 * Return: 0, after which the file holds a reference to the buffer; or -ENODEV
 *	when it is revoked.
 */
int shmbuf_attach(struct shmbuf *buf, struct file *file)
{
	if (shmbuf_revoked(buf))
		return -ENODEV;
	file->f_mapping = shmbuf_get(buf)->inode.i_mapping;
	return 0;
}
EXPORT_SYMBOL_GPL(shmbuf_attach);

/**
 * shmbuf_detach() - undo shmbuf_attach()
 * @file: the file, which is being released, or whose ->open() fails after all
 *
 * Context: Process context, may sleep.
 */
void shmbuf_detach(struct file *file)
{
	struct shmbuf *buf = shmbuf_of_file(file);

	file->f_mapping = file_inode(file)->i_mapping;
	shmbuf_put(buf);
}
EXPORT_SYMBOL_GPL(shmbuf_detach);

/**
 * shmbuf_open_named() - open a buffer by its device node
 * @buf: the buffer
 * @file: the file, which becomes like the one of SHMBUF_IOC_CREATE
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENODEV.
 */
int shmbuf_open_named(struct shmbuf *buf, struct file *file)
{
	const struct file_operations *fops;
	int err;

	err = shmbuf_attach(buf, file);
	if (err)
		return err;
	fops = fops_get(&shmbuf_file_ops);
	if (!fops) {
		shmbuf_detach(file);
		return -ENODEV;
	}
	replace_fops(file, fops);
	shmbuf_watch(buf, file);
	return 0;
}

static const struct shmbuf_backing *const shmbuf_backings[] = {
	[SHMBUF_BACKING_PAGES]	= &shmbuf_pages,
	[SHMBUF_BACKING_CONTIG]	= &shmbuf_contig,
	[SHMBUF_BACKING_COHERENT] = PTR_IF(IS_ENABLED(CONFIG_HAS_DMA),
					   &shmbuf_coherent),
	[SHMBUF_BACKING_STREAM]	= PTR_IF(IS_ENABLED(CONFIG_HAS_DMA),
					 &shmbuf_stream),
	[SHMBUF_BACKING_REGION]	= NULL,
};

/* NULL for what this kernel has not, or not for programs to create. */
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

/* Names end up in files that people and programs read line by line. */
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

/**
 * shmbuf_find_backing() - the backing with a name
 * @name: as it is in fdinfo
 *
 * Context: Any.
 * Return: SHMBUF_BACKING_*, or -EINVAL.
 */
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
 * shmbuf_create() - make a buffer
 * @args: as for SHMBUF_IOC_CREATE; @args->fd is ignored
 * @dev: whose memory it is to be, for a backing of that kind, else ignored
 *
 * Context: Process context, may sleep. Charges the memory to the current process.
 * Return: the buffer, to be given back with shmbuf_put(), or an ERR_PTR() with
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

/**
 * shmbuf_create_file() - make a buffer and its file
 * @args: as userspace gave it; on success @args->size is the rounded size
 * @dev: whose memory it is to be, for a backing of that kind, or NULL
 *
 * Context: Process context, may sleep. Charges the memory to the caller.
 * Return: the file, which is all that holds the buffer, or an ERR_PTR() with
 *	the errno of SHMBUF_IOC_CREATE.
 */
struct file *shmbuf_create_file(struct shmbuf_create *args, struct device *dev)
{
	struct shmbuf *buf = shmbuf_create(args, dev);
	struct file *file;

	if (IS_ERR(buf))
		return ERR_CAST(buf);
	WRITE_ONCE(buf->by_program, true);
	file = shmbuf_open_file(buf);
	if (!IS_ERR(file))
		args->size = buf->size;
	shmbuf_put(buf);
	return file;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_create_file);
