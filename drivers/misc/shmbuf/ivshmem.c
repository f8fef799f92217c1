// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared memory between virtual machines: QEMU's ivshmem device.
 *
 * BAR 2 is memory that several guests share. The driver publishes BAR 2 as
 * /dev/shmbuf-ivshmemN. Unbinding the driver or unplugging the device revokes the
 * buffer. BAR 2 is host memory, so the driver maps BAR 2 cached.
 *
 * The doorbell variant has MSI-X vectors. Each interrupt signals the buffer. The variant
 * also gives each guest a number, "id" in sysfs. A signal from a process rings vector 0
 * of the guest that "peer" in sysfs names. The device does not list the guests, and
 * ignores a doorbell for a missing guest.
 *
 * QEMU's docs/specs/ivshmem-spec.rst specifies the protocol.
 */

#include <linux/bits.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/shmbuf.h>
#include <linux/sprintf.h>
#include <linux/sysfs.h>

#define IVSHMEM_REGS		0	/* BARs */
#define IVSHMEM_MEMORY		2

#define IVSHMEM_IV_POSITION	8	/* registers */
#define IVSHMEM_DOORBELL	12

#define IVSHMEM_MAX_VECTORS	32

struct ivshmem {
	void __iomem *regs;
	struct shmbuf *buf;
	u16 peer;		/* guest that a signal rings */
	int number;
};

static DEFINE_IDA(ivshmem_numbers);

static void ivshmem_ring(struct device *dev)
{
	struct ivshmem *iv = dev_get_drvdata(dev);

	iowrite32((u32)READ_ONCE(iv->peer) << 16, iv->regs + IVSHMEM_DOORBELL);
}

static irqreturn_t ivshmem_interrupt(int irq, void *data)
{
	struct ivshmem *iv = data;

	shmbuf_signal(iv->buf);
	return IRQ_HANDLED;
}

static ssize_t id_show(struct device *dev, struct device_attribute *attr,
		       char *text)
{
	struct ivshmem *iv = dev_get_drvdata(dev);
	u32 id = ioread32(iv->regs + IVSHMEM_IV_POSITION);

	/* The server has not sent a number yet, or the device is unplugged. */
	if (id == U32_MAX)
		return -ENODEV;
	return sysfs_emit(text, "%u\n", id);
}
static DEVICE_ATTR_RO(id);

static ssize_t peer_show(struct device *dev, struct device_attribute *attr,
			 char *text)
{
	struct ivshmem *iv = dev_get_drvdata(dev);

	return sysfs_emit(text, "%u\n", READ_ONCE(iv->peer));
}

static ssize_t peer_store(struct device *dev, struct device_attribute *attr,
			  const char *text, size_t len)
{
	struct ivshmem *iv = dev_get_drvdata(dev);
	u16 peer;
	int err;

	err = kstrtou16(text, 0, &peer);
	if (err)
		return err;
	WRITE_ONCE(iv->peer, peer);
	return len;
}
static DEVICE_ATTR_RW(peer);

static struct attribute *ivshmem_attrs[] = {
	&dev_attr_id.attr,
	&dev_attr_peer.attr,
	NULL
};

static umode_t ivshmem_visible(struct kobject *kobj, struct attribute *attr,
			       int n)
{
	return to_pci_dev(kobj_to_dev(kobj))->msix_cap ? attr->mode : 0;
}

static const struct attribute_group ivshmem_group = {
	.attrs		= ivshmem_attrs,
	.is_visible	= ivshmem_visible,
};
__ATTRIBUTE_GROUPS(ivshmem);

/* Runs after the interrupts are freed and before the registers are unmapped. */
static void ivshmem_withdraw(void *data)
{
	struct ivshmem *iv = data;

	shmbuf_unpublish(iv->buf);
	shmbuf_revoke(iv->buf);
	shmbuf_put(iv->buf);
}

static void ivshmem_free_number(void *data)
{
	struct ivshmem *iv = data;

	ida_free(&ivshmem_numbers, iv->number);
}

static int ivshmem_wrap(struct pci_dev *pdev, struct ivshmem *iv)
{
	struct shmbuf_region region = {
		.start = pci_resource_start(pdev, IVSHMEM_MEMORY),
		.size = pci_resource_len(pdev, IVSHMEM_MEMORY),
		.cache = SHMBUF_CACHE_CACHED,
		.dev = &pdev->dev,
		.name = pci_name(pdev),
		.signal = pdev->msix_cap ? ivshmem_ring : NULL,
	};
	int err = pcim_p2pdma_init(pdev);

	if (err && err != -EOPNOTSUPP)
		return err;
	if (!err)
		region.provider = pcim_p2pdma_provider(pdev, IVSHMEM_MEMORY);

	iv->buf = shmbuf_wrap_region(&region);
	if (IS_ERR(iv->buf))
		return dev_err_probe(&pdev->dev, PTR_ERR(iv->buf),
				     "cannot share %llu bytes of memory\n",
				     region.size);
	return devm_add_action_or_reset(&pdev->dev, ivshmem_withdraw, iv);
}

static int ivshmem_request_vectors(struct pci_dev *pdev, struct ivshmem *iv)
{
	int nr, i, err;

	if (!pdev->msix_cap)
		return 0;
	pci_set_master(pdev);
	nr = pci_alloc_irq_vectors(pdev, 1, IVSHMEM_MAX_VECTORS, PCI_IRQ_MSIX);
	if (nr < 0) {
		dev_warn(&pdev->dev, "no MSI-X vectors, no doorbell can ring\n");
		return 0;
	}
	for (i = 0; i < nr; i++) {
		err = devm_request_threaded_irq(&pdev->dev,
						pci_irq_vector(pdev, i), NULL,
						ivshmem_interrupt, IRQF_ONESHOT,
						"shmbuf-ivshmem", iv);
		if (err)
			return err;
	}
	return 0;
}

static int ivshmem_publish(struct ivshmem *iv)
{
	char name[SHMBUF_NAME_LEN];

	snprintf(name, sizeof(name), "ivshmem%d", iv->number);
	return shmbuf_publish(iv->buf, name, 0600);
}

static int ivshmem_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct ivshmem *iv;
	int err;

	/* Revision 0 has legacy interrupts, and starts without its memory. */
	if (!pdev->revision)
		return dev_err_probe(dev, -ENODEV,
				     "revision 0, which only QEMU before 2.6 has\n");
	iv = devm_kzalloc(dev, sizeof(*iv), GFP_KERNEL);
	if (!iv)
		return -ENOMEM;
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	err = pcim_request_all_regions(pdev, "shmbuf-ivshmem");
	if (err)
		return err;
	iv->regs = pcim_iomap(pdev, IVSHMEM_REGS, 0);
	if (!iv->regs)
		return dev_err_probe(dev, -ENODEV, "no registers\n");
	/* By default, the peer of two guests is the other guest. */
	iv->peer = ioread32(iv->regs + IVSHMEM_IV_POSITION) ^ 1;
	pci_set_drvdata(pdev, iv);

	iv->number = ida_alloc(&ivshmem_numbers, GFP_KERNEL);
	if (iv->number < 0)
		return iv->number;
	err = devm_add_action_or_reset(dev, ivshmem_free_number, iv);
	if (err)
		return err;
	err = ivshmem_wrap(pdev, iv);
	if (err)
		return err;
	err = ivshmem_request_vectors(pdev, iv);
	if (err)
		return err;
	return ivshmem_publish(iv);
}

static const struct pci_device_id ivshmem_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, ivshmem_ids);

static struct pci_driver ivshmem_driver = {
	.name		= "shmbuf-ivshmem",
	.id_table	= ivshmem_ids,
	.probe		= ivshmem_probe,
	.dev_groups	= ivshmem_groups,
};
module_pci_driver(ivshmem_driver);

MODULE_DESCRIPTION("Memory shared between virtual machines (QEMU ivshmem)");
MODULE_LICENSE("GPL");
