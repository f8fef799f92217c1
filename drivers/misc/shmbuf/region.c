// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing REGION: a physical range that another driver owns, such as device registers
 * or device memory.
 *
 * The kernel maps the whole range at creation, with the cache attribute of process
 * mappings. read() and ->access() use the kernel mapping. On x86, the kernel mapping
 * also reserves the memory type of the range, which PTEs of I/O memory follow.
 */

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cc_platform.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/pfn.h>
#include <linux/string.h>

#include "geometry.h"
#include "shmbuf.h"

static bool is_ram(phys_addr_t start, u64 size)
{
	return region_intersects(start, size, IORESOURCE_SYSTEM_RAM,
				 IORES_DESC_NONE) != REGION_DISJOINT;
}

VISIBLE_IF_KUNIT int shmbuf_map_region(struct shmbuf *buf)
{
	phys_addr_t start = PFN_PHYS(buf->pfn);
	void __iomem *iomem = NULL;
	void *vaddr = NULL;

	KUNIT_STATIC_STUB_REDIRECT(shmbuf_map_region, buf);

	switch (buf->cache) {
	case SHMBUF_CACHE_CACHED:
		/* Decrypt as for processes, or read() would see ciphertext. */
		vaddr = memremap(start, buf->size, MEMREMAP_WB |
				 (is_ram(start, buf->size) ? 0 : MEMREMAP_DEC));
		break;
	case SHMBUF_CACHE_WRITE_COMBINE:
		vaddr = memremap(start, buf->size, MEMREMAP_WC);
		break;
	case SHMBUF_CACHE_UNCACHED:
		/* On arm64, pgprot_noncached() is stricter than ioremap(). */
		iomem = ioremap_np(start, buf->size) ?:
			ioremap(start, buf->size);
		break;
	case SHMBUF_CACHE_DEVICE:
		iomem = ioremap(start, buf->size);
	}
	if (iomem)
		iosys_map_set_vaddr_iomem(&buf->map, iomem);
	else
		iosys_map_set_vaddr(&buf->map, vaddr);
	return iosys_map_is_null(&buf->map) ? -ENOMEM : 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_map_region);

static void shmbuf_region_free(struct shmbuf *buf)
{
	if (buf->map.is_iomem)
		iounmap(buf->map.vaddr_iomem);
	else if (buf->map.vaddr)
		memunmap(buf->map.vaddr);
	iosys_map_clear(&buf->map);
}

static void shmbuf_region_prepare(struct shmbuf *buf, struct vm_area_desc *desc)
{
	shmbuf_prepare_pfns(buf, desc);
	/* Device memory is not encrypted. Encrypted PTEs would garble the data. */
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT) &&
	    !is_ram(PFN_PHYS(buf->pfn), buf->size))
		desc->page_prot = pgprot_decrypted(desc->page_prot);
}

static const struct shmbuf_backing shmbuf_region = {
	.name		= "region",
	.backing	= SHMBUF_BACKING_REGION,
	.of_device	= true,
	.vm_ops		= &shmbuf_pfn_vm_ops,
	.free		= shmbuf_region_free,
	.prepare	= shmbuf_region_prepare,
	.mapped		= shmbuf_populate_pfns,
	.copy		= shmbuf_device_copy,
};

/**
 * shmbuf_wrap_region() - create a buffer from a physical range
 * @region: the range, which the caller continues to own
 *
 * Context: Process context, may sleep.
 * Return: the buffer, to be released with shmbuf_put(), or an ERR_PTR():
 *	-EINVAL if the range is not whole pages or the attribute is unknown,
 *	-EOPNOTSUPP if the range cannot have the attribute, -ENOMEM.
 */
struct shmbuf *shmbuf_wrap_region(const struct shmbuf_region *region)
{
	struct shmbuf_create args = {
		.cache = region->cache,
	};
	unsigned long pfn;
	struct shmbuf *buf;
	int err;

	err = shmbuf_region_to_pfn(region->start, region->size, &pfn);
	if (err)
		return ERR_PTR(err);
	if (region->cache > SHMBUF_CACHE_DEVICE)
		return ERR_PTR(-EINVAL);
	/* The direct map maps RAM cached. Another cache mode would conflict. */
	if (is_ram(region->start, region->size) &&
	    region->cache != SHMBUF_CACHE_CACHED)
		return ERR_PTR(-EOPNOTSUPP);

	strscpy(args.name, region->name, sizeof(args.name));
	buf = shmbuf_alloc(&shmbuf_region, region->size, &args, region->dev);
	if (IS_ERR(buf))
		return buf;
	/* The device may write at any time, so a write seal would not hold. */
	buf->seals = SHMBUF_SEAL_SEAL;
	buf->privileged = region->privileged;
	buf->signal_device = region->signal;
	buf->provider = region->provider;
	shmbuf_set_pfns(buf, pfn);
	err = shmbuf_map_region(buf);
	if (err) {
		shmbuf_put(buf);
		return ERR_PTR(err);
	}
	return buf;
}
EXPORT_SYMBOL_GPL(shmbuf_wrap_region);
