// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer files: open, map, read, write, query.
 */

#include <kunit/visibility.h>
#include <linux/build_bug.h>
#include <linux/cacheinfo.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "geometry.h"
#include "shmbuf.h"

/* Not called for the files of shmbuf_open_file(). */
static int shmbuf_open(struct inode *inode, struct file *file)
{
	int err;

	if (shmbuf_revoked(shmbuf_of_file(file)))
		return -ENODEV;
	err = shmbuf_pin_mount();
	if (err)
		return err;
	/*
	 * An O_PATH file holds the inode without a mount pin. The pin above holds
	 * the current mount, not the superblock of an inode of an earlier mount.
	 */
	if (inode->i_sb != shmbuf_mnt->mnt_sb) {
		shmbuf_unpin_mount();
		return -ENXIO;
	}
	shmbuf_watch(shmbuf_of_file(file), file);
	return 0;
}

static int shmbuf_release(struct inode *inode, struct file *file)
{
	struct shmbuf *buf = shmbuf_of_file(file);

	if (inode == &buf->inode) {
		shmbuf_unpin_mount();
		return 0;
	}
	/* A named node has a separate inode, and the file holds a reference. */
	file->f_mapping = inode->i_mapping;
	shmbuf_put(buf);
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

	err = shmbuf_check_access(buf, iocb->ki_filp);
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

	done = shmbuf_check_access(buf, iocb->ki_filp);
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

static u32 capabilities(const struct shmbuf *buf)
{
	u32 caps = 0;

	if (shmbuf_revoked(buf))
		return SHMBUF_CAP_REVOKED;
	if (buf->ops->pinnable)
		caps |= SHMBUF_CAP_PINNABLE;
	if (buf->ops->sync && dma_need_sync(buf->dev, buf->dma))
		caps |= SHMBUF_CAP_NEEDS_SYNC;
	return caps;
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
		.backing = buf->ops->backing,
		.cache = buf->cache,
	};
	memcpy(info.name, buf->name, sizeof(info.name));
	spin_lock(&buf->lock);
	info.capabilities = capabilities(buf);
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

	err = shmbuf_check_access(buf, file);
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

	err = shmbuf_check_access(buf, file);
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

static int get_notify(struct shmbuf_notify *arg, const void __user *uarg,
		      size_t usize, u32 flags)
{
	int err;

	BUILD_BUG_ON(offsetofend(struct shmbuf_notify, reserved) !=
		     SHMBUF_NOTIFY_SIZE_VER0);

	err = copy_struct_from_user(arg, sizeof(*arg), uarg, usize);
	if (err)
		return err;
	if ((arg->flags & ~flags) || arg->reserved)
		return -EINVAL;
	return 0;
}

static long shmbuf_ioctl_signal(struct file *file, void __user *uarg,
				size_t usize)
{
	struct shmbuf *buf = shmbuf_of_file(file);
	struct shmbuf_notify arg;
	int err;

	if (shmbuf_revoked(buf))
		return -ENODEV;
	err = get_notify(&arg, uarg, usize, 0);
	if (err)
		return err;
	/* A signal is a store to the device and needs the same permissions. */
	if (buf->signal_device) {
		err = shmbuf_check_access(buf, file);
		if (err)
			return err;
		if (!(file->f_mode & FMODE_WRITE))
			return -EPERM;
	}
	arg.count = 0;
	arg.sequence = shmbuf_signal(buf);
	if (buf->signal_device)
		shmbuf_signal_device(buf);
	return copy_struct_to_user(uarg, usize, &arg, sizeof(arg), NULL);
}

static long shmbuf_ioctl_ack(struct file *file, void __user *uarg, size_t usize)
{
	struct shmbuf *buf = shmbuf_of_file(file);
	struct shmbuf_notify arg;
	int err;

	if (shmbuf_revoked(buf))
		return -ENODEV;
	err = get_notify(&arg, uarg, usize, SHMBUF_NOTIFY_WAIT);
	if (err)
		return err;
	/* Another thread may have acknowledged first through this file: wait again. */
	do {
		if (arg.flags & SHMBUF_NOTIFY_WAIT)
			err = shmbuf_wait(buf, file);
		if (err)
			return err;
		arg.sequence = shmbuf_ack(buf, file, &arg.count);
	} while ((arg.flags & SHMBUF_NOTIFY_WAIT) && !arg.count);
	return copy_struct_to_user(uarg, usize, &arg, sizeof(arg), NULL);
}

static long shmbuf_ioctl_export(struct file *file, void __user *uarg,
				size_t usize)
{
	struct shmbuf *buf = shmbuf_of_file(file);
	struct shmbuf_export arg;
	int err;

	BUILD_BUG_ON(offsetofend(struct shmbuf_export, fd) !=
		     SHMBUF_EXPORT_SIZE_VER0);

	err = shmbuf_check_access(buf, file);
	if (err)
		return err;
	err = copy_struct_from_user(&arg, sizeof(arg), uarg, usize);
	if (err)
		return err;
	if (arg.flags)
		return -EINVAL;
	if (!(file->f_mode & FMODE_WRITE))
		return -EPERM;

	FD_PREPARE(fdf, O_CLOEXEC, shmbuf_export_file(buf));
	if (fdf.err)
		return fdf.err;
	arg.fd = fd_prepare_fd(fdf);
	err = copy_struct_to_user(uarg, usize, &arg, sizeof(arg), NULL);
	if (err)
		return err;
	fd_publish(fdf);
	return 0;
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
				   SHMBUF_NOTIFY_SIZE_VER0))
		return shmbuf_ioctl_signal(file, uarg, usize);
	if (extensible_ioctl_valid(cmd, SHMBUF_IOC_ACK, SHMBUF_NOTIFY_SIZE_VER0))
		return shmbuf_ioctl_ack(file, uarg, usize);
	if (extensible_ioctl_valid(cmd, SHMBUF_IOC_EXPORT,
				   SHMBUF_EXPORT_SIZE_VER0))
		return shmbuf_ioctl_export(file, uarg, usize);
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
	seq_printf(m, "shmbuf-revoked:\t%d\n", shmbuf_revoked(buf));
}

static int shmbuf_file_mmap_prepare(struct vm_area_desc *desc)
{
	return shmbuf_prepare_mapping(shmbuf_of_file(desc->file), desc);
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
	.mmap_prepare	= shmbuf_file_mmap_prepare,
	.fsync		= noop_fsync,
	.poll		= shmbuf_poll,
	.show_fdinfo	= shmbuf_show_fdinfo,
	.get_unmapped_area = thp_get_unmapped_area,
	.unlocked_ioctl	= shmbuf_file_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/* Open a file that holds a reference to the buffer, with the access mode of @flags. */
static struct file *open_file(struct shmbuf *buf, int flags,
			      const struct file_operations *ops)
{
	char name[sizeof("shmbuf:") + SHMBUF_NAME_LEN] = "shmbuf:";
	struct file *file;
	int err;

	/* With aliases, a process would not see stores to the kernel address. */
	if (cpu_dcache_is_aliasing())
		return ERR_PTR(-EOPNOTSUPP);
	/* fput() drops this module reference and calls shmbuf_release(). */
	if (!fops_get(ops))
		return ERR_PTR(-ENODEV);
	err = shmbuf_pin_mount();
	if (err)
		goto put_fops;

	strscpy(name + strlen(name), buf->name, SHMBUF_NAME_LEN);
	ihold(&buf->inode);
	file = alloc_file_pseudo(&buf->inode, shmbuf_mnt, name, flags, ops);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto put_inode;
	}
	file->f_mode |= FMODE_PREAD | FMODE_PWRITE;
	shmbuf_watch(buf, file);
	return file;

put_inode:
	iput(&buf->inode);
	shmbuf_unpin_mount();
put_fops:
	fops_put(ops);
	return ERR_PTR(err);
}

/* Set i_fop, or opening /proc/PID/fd/N would fail with ENXIO. */
struct file *shmbuf_open_file(struct shmbuf *buf, int flags)
{
	buf->inode.i_fop = &shmbuf_file_ops;
	return open_file(buf, flags, &shmbuf_file_ops);
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_open_file);

/**
 * shmbuf_get_fd() - open a buffer for the current process
 * @buf: the buffer
 *
 * Context: Process context, may sleep.
 * Return: a read-write and close-on-exec file descriptor, as from
 *	SHMBUF_IOC_CREATE, which the process closes; -ENODEV if the buffer is
 *	revoked, -EOPNOTSUPP if the machine's D-cache aliases, -EMFILE,
 *	-ENFILE, -ENOMEM.
 */
int shmbuf_get_fd(struct shmbuf *buf)
{
	if (shmbuf_revoked(buf))
		return -ENODEV;
	return FD_ADD(O_CLOEXEC, shmbuf_open_file(buf, O_RDWR));
}
EXPORT_SYMBOL_GPL(shmbuf_get_fd);

/*
 * With ->mmap_prepare(), remap_file_pages() would bypass the checks of the driver. In
 * i_fop, /proc/PID/map_files would open the buffer for writing.
 */
static const struct file_operations shmbuf_mapped_ops = {
	.owner		= THIS_MODULE,
	.release	= shmbuf_release,
	.fsync		= noop_fsync,
	.get_unmapped_area = thp_get_unmapped_area,
};

/**
 * shmbuf_mmap_prepare() - map a buffer through the file of another driver
 * @buf: the buffer, chosen by the driver
 * @desc: the mapping; desc->pgoff is relative to the buffer
 *
 * Called from the ->mmap_prepare() of a driver with a device node. If the node has
 * several buffers, the driver selects a buffer by desc->pgoff and subtracts the page
 * offset at which that buffer begins. If the driver also sets ->get_unmapped_area()
 * to thp_get_unmapped_area(), and buffers begin at multiples of PMD_SIZE, large
 * buffers are mapped with PMDs.
 *
 * A new buffer file replaces the driver's file in the mapping, so a mapping holds the
 * buffer but not the driver. If the driver does not allow writing, it clears
 * VMA_MAYWRITE before the call. Such a mapping may be private. The driver calls this
 * last, returns the result, and does not change @desc afterwards.
 *
 * Context: mmap_lock held for writing.
 * Return: 0; -EINVAL for a private mapping with VMA_MAYWRITE, and for a window not
 *	inside the buffer;
 *	-EPERM for an executable mapping, for a writable mapping of a sealed
 *	buffer, and without CAP_SYS_RAWIO if the buffer needs it; -ENODEV if
 *	the buffer is revoked; -EOPNOTSUPP if the driver's file operations lack
 *	->mmap_prepare(), or if the machine's D-cache aliases; -ENFILE,
 *	-ENOMEM.
 */
int shmbuf_mmap_prepare(struct shmbuf *buf, struct vm_area_desc *desc)
{
	struct file *file;
	int err;

	/* compat_vma_mmap() takes another file reference, so this file would leak. */
	if (!desc->file->f_op->mmap_prepare)
		return -EOPNOTSUPP;
	err = shmbuf_prepare_mapping(buf, desc);
	if (err)
		return err;
	/*
	 * Open a file for this mapping only. If two mappings shared a file, mm could
	 * merge the mappings and leak the reference that desc->vm_file passes on.
	 */
	file = open_file(buf, vma_desc_test(desc, VMA_MAYWRITE_BIT) ?
			 O_RDWR : O_RDONLY, &shmbuf_mapped_ops);
	if (IS_ERR(file))
		return PTR_ERR(file);
	desc->vm_file = file;
	return 0;
}
EXPORT_SYMBOL_GPL(shmbuf_mmap_prepare);

/* Open a buffer through a device node: turn @file into a buffer file. */
int shmbuf_open_named(struct shmbuf *buf, struct file *file)
{
	if (cpu_dcache_is_aliasing())
		return -EOPNOTSUPP;
	if (shmbuf_revoked(buf) || !fops_get(&shmbuf_file_ops))
		return -ENODEV;
	replace_fops(file, &shmbuf_file_ops);
	file->f_mapping = shmbuf_get(buf)->inode.i_mapping;
	shmbuf_watch(buf, file);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_open_named);
