// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing COHERENT: memory that a device and the CPU see alike at any time, from
 * the DMA API. Only the API knows what it consists of, so only it can map it.
 */

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/numa.h>

#include "shmbuf.h"

static unsigned long dma_attrs(const struct shmbuf *buf)
{
	/* In one piece, or it would be mapped by struct pages, which can be pinned. */
	unsigned long attrs = DMA_ATTR_NO_WARN | DMA_ATTR_FORCE_CONTIGUOUS;

	if (buf->cache == SHMBUF_CACHE_WRITE_COMBINE)
		attrs |= DMA_ATTR_WRITE_COMBINE;
	return attrs;
}

static int shmbuf_coherent_alloc(struct shmbuf *buf, int numa_node)
{
	struct device *dev = buf->dev;

	if (!shmbuf_can_dma(dev, numa_node) || !dma_can_mmap(dev))
		return -EOPNOTSUPP;
	/* CACHED stands for what the architecture has. */
	if (dev_is_dma_coherent(dev)) {
		if (buf->cache != SHMBUF_CACHE_CACHED)
			return -EOPNOTSUPP;
	} else if (buf->cache == SHMBUF_CACHE_CACHED) {
		buf->cache = SHMBUF_CACHE_UNCACHED;
	}
	buf->vaddr = dma_alloc_attrs(dev, buf->size, &buf->dma, SHMBUF_DMA_GFP,
				     dma_attrs(buf));
	return buf->vaddr ? 0 : -ENOMEM;
}

static void shmbuf_coherent_free(struct shmbuf *buf)
{
	if (buf->vaddr)
		dma_free_attrs(buf->dev, buf->size, buf->vaddr, buf->dma,
			       dma_attrs(buf));
	WRITE_ONCE(buf->vaddr, NULL);
}

static int shmbuf_coherent_map(struct shmbuf *buf, struct vm_area_struct *vma)
{
	vma->vm_page_prot = shmbuf_accessed_prot(vma, vma->vm_flags & VM_WRITE);
	return dma_mmap_attrs(buf->dev, vma, buf->vaddr, buf->dma, buf->size,
			      dma_attrs(buf));
}

const struct shmbuf_backing shmbuf_coherent = {
	.name		= "coherent",
	.caches		= BIT(SHMBUF_CACHE_CACHED) |
			  BIT(SHMBUF_CACHE_WRITE_COMBINE) |
			  BIT(SHMBUF_CACHE_UNCACHED),
	.mapping	= SHMBUF_MAP_AT_ONCE,
	.of_device	= true,
	.alloc		= shmbuf_coherent_alloc,
	.free		= shmbuf_coherent_free,
	.map		= shmbuf_coherent_map,
	.copy		= shmbuf_device_copy,
};
