// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing REGION: a physical range that somebody else owns, registers or memory
 * of a device for instance.
 *
 * The kernel maps it as a whole from the beginning, cached in the same way as it
 * will be for processes. That is how read() and a debugger get at it, and on x86
 * it is what makes the attribute be in force: page table entries for I/O memory
 * follow the memory type that is on record for the range.
 */

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/pfn.h>
#include <linux/string.h>

#include "geometry.h"
#include "shmbuf.h"

VISIBLE_IF_KUNIT int shmbuf_map_region(struct shmbuf *buf)
{
	phys_addr_t start = PFN_PHYS(buf->pfn);

	KUNIT_STATIC_STUB_REDIRECT(shmbuf_map_region, buf);

	switch (buf->cache) {
	case SHMBUF_CACHE_CACHED:
		/* In a guest with encrypted memory, as processes see it. */
		buf->vaddr = memremap(start, buf->size, MEMREMAP_WB |
				      (buf->is_ram ? 0 : MEMREMAP_DEC));
		break;
	case SHMBUF_CACHE_WRITE_COMBINE:
		buf->vaddr = memremap(start, buf->size, MEMREMAP_WC);
		break;
	case SHMBUF_CACHE_UNCACHED:
		/* pgprot_noncached() is stricter than ioremap() on some. */
		buf->iomem = ioremap_np(start, buf->size) ?:
			     ioremap(start, buf->size);
		break;
	case SHMBUF_CACHE_DEVICE:
		buf->iomem = ioremap(start, buf->size);
	}
	return buf->vaddr || buf->iomem ? 0 : -ENOMEM;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_map_region);

static void shmbuf_region_free(struct shmbuf *buf)
{
	if (buf->vaddr)
		memunmap(buf->vaddr);
	if (buf->iomem)
		iounmap(buf->iomem);
	WRITE_ONCE(buf->vaddr, NULL);
	WRITE_ONCE(buf->iomem, NULL);
}

static const struct shmbuf_backing shmbuf_region = {
	.name		= "region",
	.mapping	= SHMBUF_MAP_PFNS,
	.of_device	= true,
	.io		= true,
	.free		= shmbuf_region_free,
	.copy		= shmbuf_device_copy,
};

static bool is_ram(const struct shmbuf_region *region)
{
	return region_intersects(region->start, region->size,
				 IORESOURCE_SYSTEM_RAM,
				 IORES_DESC_NONE) != REGION_DISJOINT;
}

/**
 * shmbuf_wrap_region() - make a buffer of a physical range
 * @region: the range, which stays the caller's
 *
 * Context: Process context, may sleep.
 * Return: the buffer, to be given back with shmbuf_put(), or an ERR_PTR():
 *	-EINVAL when the range is not whole pages or the attribute is unknown,
 *	-EOPNOTSUPP when the range cannot have the attribute, -ENOMEM.
 */
struct shmbuf *shmbuf_wrap_region(const struct shmbuf_region *region)
{
	struct shmbuf_create args = {
		.backing = SHMBUF_BACKING_REGION,
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
	/* The kernel has memory mapped already, and cached. */
	if (is_ram(region) && region->cache != SHMBUF_CACHE_CACHED)
		return ERR_PTR(-EOPNOTSUPP);

	strscpy(args.name, region->name, sizeof(args.name));
	buf = shmbuf_alloc(&shmbuf_region, region->size, &args, region->dev);
	if (IS_ERR(buf))
		return buf;
	/* Who else writes there is not known, so nobody is promised anything. */
	buf->seals = SHMBUF_SEAL_SEAL;
	buf->privileged = region->privileged;
	buf->is_ram = is_ram(region);
	buf->signal_device = region->signal;
	buf->signal_data = region->data;
	shmbuf_set_pfns(buf, pfn);
	err = shmbuf_map_region(buf);
	if (err) {
		shmbuf_put(buf);
		return ERR_PTR(err);
	}
	return buf;
}
EXPORT_SYMBOL_GPL(shmbuf_wrap_region);
