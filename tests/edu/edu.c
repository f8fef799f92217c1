// SPDX-License-Identifier: GPL-2.0
/*
 * An importer of a DMA-BUF that does DMA: QEMU's edu device. It has a small buffer
 * and copies between that and the memory of the machine. A test uses it by ioctl() on
 * /dev/edu. The device is described in QEMU's docs/specs/edu.rst.
 */

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/uaccess.h>

#include "edu.h"

#define EDU_SOURCE	0x80	/* registers */
#define EDU_TARGET	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define EDU_START	1	/* until the transfer is done */
#define EDU_TO_MEMORY	2
#define EDU_ADDRESS	0x40000	/* of its buffer, for the device */

static struct pci_dev *edu_pdev;
static void __iomem *edu_regs;

/* One import at a time. The reservation lock of the DMA-BUF protects edu_sgt. */
static DEFINE_MUTEX(edu_lock);
static struct dma_buf_attachment *edu_attachment;
static struct sg_table *edu_sgt;

static void edu_unmap(struct dma_buf_attachment *attach)
{
	if (edu_sgt)
		dma_buf_unmap_attachment(attach, edu_sgt, DMA_BIDIRECTIONAL);
	edu_sgt = NULL;
}

static const struct dma_buf_attach_ops edu_ops = {
	.invalidate_mappings	= edu_unmap,
};

static const struct dma_buf_attach_ops edu_peer_ops = {
	.allow_peer2peer	= true,
	.invalidate_mappings	= edu_unmap,
};

static long edu_attach(const struct edu_attach *arg)
{
	struct dma_buf *dmabuf = dma_buf_get(arg->fd);
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (arg->flags & EDU_STATIC)
		attach = dma_buf_attach(dmabuf, &edu_pdev->dev);
	else
		attach = dma_buf_dynamic_attach(dmabuf, &edu_pdev->dev,
						arg->flags & EDU_PEER ? &edu_peer_ops : &edu_ops,
						&edu_pdev->dev);
	if (IS_ERR(attach)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(attach);
	}
	dma_resv_lock(dmabuf->resv, NULL);
	sgt = dma_buf_map_attachment(attach, DMA_BIDIRECTIONAL);
	if (!IS_ERR(sgt))
		edu_sgt = sgt;
	dma_resv_unlock(dmabuf->resv);
	if (IS_ERR(sgt)) {
		dma_buf_detach(dmabuf, attach);
		dma_buf_put(dmabuf);
		return PTR_ERR(sgt);
	}
	edu_attachment = attach;
	return 0;
}

static void edu_detach(void)
{
	struct dma_buf *dmabuf;

	if (!edu_attachment)
		return;
	dmabuf = edu_attachment->dmabuf;
	dma_resv_lock(dmabuf->resv, NULL);
	edu_unmap(edu_attachment);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, edu_attachment);
	dma_buf_put(dmabuf);
	edu_attachment = NULL;
}

/* The address for the device, or DMA_MAPPING_ERROR if no segment has all of it. */
static dma_addr_t edu_address(const struct edu_transfer *arg)
{
	struct scatterlist *sg;
	u64 offset = arg->offset;
	int i;

	for_each_sgtable_dma_sg(edu_sgt, sg, i) {
		if (offset < sg_dma_len(sg))
			return sg_dma_len(sg) - offset < arg->length ? DMA_MAPPING_ERROR :
				sg_dma_address(sg) + offset;
		offset -= sg_dma_len(sg);
	}
	return DMA_MAPPING_ERROR;
}

static long edu_transfer(const struct edu_transfer *arg, bool to_memory)
{
	dma_addr_t addr;
	u32 command;

	if (!arg->length || arg->length > EDU_BUFFER)
		return -EINVAL;
	if (!edu_sgt)
		return -ENODEV;
	addr = edu_address(arg);
	if (addr == DMA_MAPPING_ERROR)
		return -EINVAL;
	writeq(to_memory ? EDU_ADDRESS : addr, edu_regs + EDU_SOURCE);
	writeq(to_memory ? addr : EDU_ADDRESS, edu_regs + EDU_TARGET);
	writeq(arg->length, edu_regs + EDU_COUNT);
	writeq(EDU_START | (to_memory ? EDU_TO_MEMORY : 0), edu_regs + EDU_COMMAND);
	return readl_poll_timeout(edu_regs + EDU_COMMAND, command, !(command & EDU_START),
				  1000, 600 * USEC_PER_SEC);
}

/* With the reservation lock, so that the mapping stays while the device uses it. */
static long edu_ioctl_transfer(const struct edu_transfer *arg, bool to_memory)
{
	struct dma_resv *resv;
	long ret;

	if (!edu_attachment)
		return -ENXIO;
	resv = edu_attachment->dmabuf->resv;
	dma_resv_lock(resv, NULL);
	ret = edu_transfer(arg, to_memory);
	dma_resv_unlock(resv);
	return ret;
}

static long edu_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	struct edu_transfer transfer;
	struct edu_attach attach;

	guard(mutex)(&edu_lock);
	switch (cmd) {
	case EDU_ATTACH:
		if (copy_from_user(&attach, (void __user *)uarg, sizeof(attach)))
			return -EFAULT;
		return edu_attachment ? -EBUSY : edu_attach(&attach);
	case EDU_READ:
	case EDU_WRITE:
		if (copy_from_user(&transfer, (void __user *)uarg, sizeof(transfer)))
			return -EFAULT;
		return edu_ioctl_transfer(&transfer, cmd == EDU_WRITE);
	case EDU_DETACH:
		edu_detach();
		return 0;
	}
	return -ENOTTY;
}

static int edu_release(struct inode *inode, struct file *file)
{
	guard(mutex)(&edu_lock);
	edu_detach();
	return 0;
}

static const struct file_operations edu_fops = {
	.owner		= THIS_MODULE,
	.release	= edu_release,
	.unlocked_ioctl	= edu_ioctl,
};

static struct miscdevice edu_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "edu",
	.fops	= &edu_fops,
};

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int err = pcim_enable_device(pdev);

	if (err)
		return err;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	edu_regs = pcim_iomap(pdev, 0, 0);
	if (!edu_regs)
		return -ENODEV;
	/* The device takes any length, as V4L2 and DRM say of theirs. */
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	pci_set_master(pdev);
	edu_pdev = pdev;
	return misc_register(&edu_misc);
}

static void edu_remove(struct pci_dev *pdev)
{
	misc_deregister(&edu_misc);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name		= "edu",
	.id_table	= edu_ids,
	.probe		= edu_probe,
	.remove		= edu_remove,
};
module_pci_driver(edu_driver);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("DMA-BUF importer for QEMU's edu device");
MODULE_LICENSE("GPL");
