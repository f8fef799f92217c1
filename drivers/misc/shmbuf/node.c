// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/shmbuf, the node that makes buffers, and the module itself.
 */

#include <kunit/visibility.h>
#include <linux/build_bug.h>
#include <linux/cacheinfo.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>

#include "shmbuf.h"

static long shmbuf_ioctl_create(struct device *dev, void __user *uarg,
				size_t usize)
{
	struct shmbuf_create args;
	int err;

	BUILD_BUG_ON(offsetofend(struct shmbuf_create, name) !=
		     SHMBUF_CREATE_SIZE_VER0);

	err = copy_struct_from_user(&args, sizeof(args), uarg, usize);
	if (err)
		return err;

	FD_PREPARE(fdf, O_CLOEXEC, shmbuf_create_file(&args, dev));
	if (fdf.err)
		return fdf.err;
	args.fd = fd_prepare_fd(fdf);
	err = copy_struct_to_user(uarg, usize, &args, sizeof(args), NULL);
	if (err)
		return err;
	fd_publish(fdf);
	return 0;
}

static long shmbuf_node_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	struct miscdevice *node = file->private_data;

	if (extensible_ioctl_valid(cmd, SHMBUF_IOC_CREATE,
				   SHMBUF_CREATE_SIZE_VER0))
		return shmbuf_ioctl_create(node->this_device,
					   (void __user *)arg, _IOC_SIZE(cmd));
	return -ENOTTY;
}

/* Who has the node open makes buffers, and the first need not mount. */
static int shmbuf_node_open(struct inode *inode, struct file *file)
{
	return shmbuf_pin_mount();
}

static int shmbuf_node_release(struct inode *inode, struct file *file)
{
	shmbuf_unpin_mount();
	return 0;
}

VISIBLE_IF_KUNIT const struct file_operations shmbuf_node_ops = {
	.owner		= THIS_MODULE,
	.open		= shmbuf_node_open,
	.release	= shmbuf_node_release,
	.unlocked_ioctl	= shmbuf_node_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};
EXPORT_SYMBOL_IF_KUNIT(shmbuf_node_ops);

static struct miscdevice shmbuf_node = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "shmbuf",
	.fops	= &shmbuf_node_ops,
	.mode	= 0600,
};

static char *buffers;
module_param(buffers, charp, 0444);
MODULE_PARM_DESC(buffers, "Buffers to publish as /dev/shmbuf-NAME: NAME:SIZE[:BACKING[:CACHE]],...");

static int __init shmbuf_init(void)
{
	int err;

	/* User and kernel addresses would not see each other's stores. */
	if (cpu_dcache_is_aliasing())
		return -EOPNOTSUPP;
	err = shmbuf_core_init();
	if (err)
		return err;
	err = misc_register(&shmbuf_node);
	if (err) {
		shmbuf_core_exit();
		return err;
	}
	/* As a device of its own; if it cannot be, it has no DMA memory. */
	err = dma_coerce_mask_and_coherent(shmbuf_node.this_device,
					   DMA_BIT_MASK(64));
	if (err)
		pr_debug("shmbuf: no memory for DMA: %d\n", err);
	shmbuf_debug_init();
	/* A buffer that cannot be published is reported, and does not fail init. */
	shmbuf_publish_list(buffers, shmbuf_node.this_device, &buffers);
	return 0;
}

static void __exit shmbuf_exit(void)
{
	shmbuf_debug_exit();
	misc_deregister(&shmbuf_node);
	shmbuf_core_exit();
}

module_init(shmbuf_init);
module_exit(shmbuf_exit);

MODULE_DESCRIPTION("Kernel buffers that processes map");
MODULE_LICENSE("GPL");
