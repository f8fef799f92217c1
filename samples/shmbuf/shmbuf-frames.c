// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver with a character device, /dev/frames, that has two buffers at two
 * offsets. An imaginary frame grabber writes into streaming DMA memory. A program
 * maps the memory through /dev/frames, or through a file descriptor that an ioctl
 * returns.
 */

#include <linux/array_size.h>
#include <linux/device/faux.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/shmbuf.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "frames.h"

static struct faux_device *grabber;
static struct shmbuf *bufs[2];
static DEFINE_MUTEX(capture_mutex);	/* one frame at a time */

/* Real hardware would do this by DMA. */
static void grab(struct shmbuf *buf, u8 frame)
{
	memset(shmbuf_vmap(buf), frame, shmbuf_size(buf));
}

static long capture(struct shmbuf *buf)
{
	static u8 frame;
	int err;

	guard(mutex)(&capture_mutex);
	err = shmbuf_sync(buf, 0, shmbuf_size(buf), DMA_FROM_DEVICE, true);
	if (err)
		return err;
	grab(buf, ++frame);
	err = shmbuf_sync(buf, 0, shmbuf_size(buf), DMA_FROM_DEVICE, false);
	return err ?: frame;
}

static long frames_ioctl(struct file *file, unsigned int cmd, unsigned long n)
{
	if (n >= ARRAY_SIZE(bufs))
		return -EINVAL;
	n = array_index_nospec(n, ARRAY_SIZE(bufs));
	switch (cmd) {
	case FRAMES_CAPTURE:
		return capture(bufs[n]);
	case FRAMES_GET_FD:
		return shmbuf_get_fd(bufs[n]);
	}
	return -ENOTTY;
}

static int frames_mmap_prepare(struct vm_area_desc *desc)
{
	unsigned long n = desc->pgoff / (FRAMES_STRIDE / PAGE_SIZE);

	if (n >= ARRAY_SIZE(bufs))
		return -EINVAL;
	n = array_index_nospec(n, ARRAY_SIZE(bufs));
	desc->pgoff %= FRAMES_STRIDE / PAGE_SIZE;
	return shmbuf_mmap_prepare(bufs[n], desc);
}

static const struct file_operations frames_ops = {
	.owner		= THIS_MODULE,
	.mmap_prepare	= frames_mmap_prepare,
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

/* Revoke, or a process could access the device's memory through an old mapping. */
static void put_buffers(void)
{
	int n;

	for (n = 0; n < ARRAY_SIZE(bufs) && bufs[n]; n++) {
		shmbuf_revoke(bufs[n]);
		shmbuf_put(bufs[n]);
	}
}

static int create_buffers(void)
{
	struct shmbuf_create args = {
		.size = SZ_64K,
		.backing = SHMBUF_BACKING_STREAM,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "frames",
	};
	struct shmbuf *buf;
	dma_addr_t addr;
	int n;

	for (n = 0; n < ARRAY_SIZE(bufs); n++) {
		buf = shmbuf_create(&args, &grabber->dev);
		if (IS_ERR(buf))
			return PTR_ERR(buf);
		bufs[n] = buf;
		/* A driver for real hardware writes this to a register. */
		addr = shmbuf_dma_addr(buf);
		dev_dbg(&grabber->dev, "frames go to %pad\n", &addr);
	}
	return 0;
}

static int __init frames_init(void)
{
	int err;

	grabber = faux_device_create("frames", NULL, NULL);
	if (!grabber)
		return -ENODEV;
	err = dma_coerce_mask_and_coherent(&grabber->dev, DMA_BIT_MASK(32));
	if (!err)
		err = create_buffers();
	if (!err)
		err = misc_register(&frames_misc);
	if (err) {
		put_buffers();
		faux_device_destroy(grabber);
	}
	return err;
}

static void __exit frames_exit(void)
{
	/* Prevent new mappings. Open files would hold the module. */
	misc_deregister(&frames_misc);
	put_buffers();
	faux_device_destroy(grabber);
}

module_init(frames_init);
module_exit(frames_exit);

MODULE_DESCRIPTION("shmbuf sample: a driver with a device node and two buffers");
MODULE_LICENSE("GPL");
