// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver with a character device of its own, /dev/frames, whose mmap() is that of
 * shmbuf, to read and to copy. A frame grabber that is not there writes into
 * streaming DMA memory, which a program maps through the driver's node or
 * through a file descriptor that the driver gives it.
 */

#include <linux/device/faux.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/shmbuf.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "frames.h"

static struct faux_device *grabber;
static struct shmbuf *buf;
static dma_addr_t grabber_base;		/* a register of a real one */
static DEFINE_MUTEX(capture_mutex);	/* one frame at a time */

/* What the hardware would do, at grabber_base, by DMA. */
static void grab(u8 frame)
{
	memset(shmbuf_vmap(buf), frame, shmbuf_size(buf));
}

static long capture(void)
{
	static u8 frame;
	int err;

	guard(mutex)(&capture_mutex);
	err = shmbuf_sync(buf, 0, shmbuf_size(buf), DMA_FROM_DEVICE, true);
	if (err)
		return err;
	grab(++frame);
	err = shmbuf_sync(buf, 0, shmbuf_size(buf), DMA_FROM_DEVICE, false);
	return err ?: frame;
}

static long frames_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case FRAMES_CAPTURE:
		return capture();
	case FRAMES_GET_FD:
		return shmbuf_get_fd(buf);
	}
	return -ENOTTY;
}

static int frames_open(struct inode *inode, struct file *file)
{
	return shmbuf_attach(buf, file);
}

static int frames_release(struct inode *inode, struct file *file)
{
	shmbuf_detach(file);
	return 0;
}

static const struct file_operations frames_ops = {
	.owner		= THIS_MODULE,
	.open		= frames_open,
	.release	= frames_release,
	.mmap_prepare	= shmbuf_mmap_prepare,
	.get_unmapped_area = thp_get_unmapped_area,
	.unlocked_ioctl	= frames_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice frames_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "frames",
	.fops	= &frames_ops,
	.mode	= 0600,
};

static int __init frames_init(void)
{
	struct shmbuf_create args = {
		.size = SZ_64K,
		.backing = SHMBUF_BACKING_STREAM,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "frames",
	};
	int err;

	grabber = faux_device_create("frames", NULL, NULL);
	if (!grabber)
		return -ENODEV;
	err = dma_coerce_mask_and_coherent(&grabber->dev, DMA_BIT_MASK(32));
	if (err)
		goto destroy_grabber;
	buf = shmbuf_create(&args, &grabber->dev);
	if (IS_ERR(buf)) {
		err = PTR_ERR(buf);
		goto destroy_grabber;
	}
	grabber_base = shmbuf_dma_addr(buf);
	err = misc_register(&frames_misc);
	if (err)
		goto put_buffer;
	dev_dbg(&grabber->dev, "frames go to %pad\n", &grabber_base);
	return 0;

put_buffer:
	shmbuf_revoke(buf);
	shmbuf_put(buf);
destroy_grabber:
	faux_device_destroy(grabber);
	return err;
}

static void __exit frames_exit(void)
{
	/* No new files of ours; there are none left, or we would not be here. */
	misc_deregister(&frames_misc);
	/* But there may be of those that were passed on. The memory is the device's. */
	shmbuf_revoke(buf);
	shmbuf_put(buf);
	faux_device_destroy(grabber);
}

module_init(frames_init);
module_exit(frames_exit);

MODULE_DESCRIPTION("shmbuf sample: a driver with a device node of its own");
MODULE_LICENSE("GPL");
