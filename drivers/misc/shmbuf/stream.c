// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing STREAM: contiguous pages that a device and the CPU use in turns, cached
 * by the CPU, with an explicit hand-over of the range that is to be seen.
 */

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cc_platform.h>
#include <linux/dma-mapping.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/mm.h>

#include "shmbuf.h"

static int shmbuf_stream_alloc(struct shmbuf *buf, int numa_node)
{
	struct device *dev = buf->dev;
	struct page *page;

	/* The API may decrypt the pages, which page table entries would not know. */
	if (!shmbuf_can_dma(dev, numa_node) ||
	    cc_platform_has(CC_ATTR_MEM_ENCRYPT))
		return -EOPNOTSUPP;
	page = dma_alloc_pages(dev, buf->size, &buf->dma, DMA_BIDIRECTIONAL,
			       SHMBUF_DMA_GFP);
	if (!page)
		return -ENOMEM;
	buf->vaddr = page_address(page);
	shmbuf_set_pfns(buf, page_to_pfn(page));
	/* The zeroes, or a SYNC that discards what is cached shows old data. */
	dma_sync_single_for_device(dev, buf->dma, buf->size, DMA_BIDIRECTIONAL);
	if (dma_need_sync(dev, buf->dma))
		buf->capabilities |= SHMBUF_CAP_NEEDS_SYNC;
	return 0;
}

static void shmbuf_stream_free(struct shmbuf *buf)
{
	if (buf->vaddr)
		dma_free_pages(buf->dev, buf->size, pfn_to_page(buf->pfn),
			       buf->dma, DMA_BIDIRECTIONAL);
	WRITE_ONCE(buf->vaddr, NULL);
}

VISIBLE_IF_KUNIT
void shmbuf_stream_sync(struct shmbuf *buf, size_t offset, size_t len,
			enum dma_data_direction dir, bool end)
{
	KUNIT_STATIC_STUB_REDIRECT(shmbuf_stream_sync, buf, offset, len, dir,
				   end);

	if (end)
		dma_sync_single_range_for_device(buf->dev, buf->dma, offset,
						 len, dir);
	else
		dma_sync_single_range_for_cpu(buf->dev, buf->dma, offset, len,
					      dir);
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_stream_sync);

const struct shmbuf_backing shmbuf_stream = {
	.name		= "stream",
	.caches		= BIT(SHMBUF_CACHE_CACHED),
	.mapping	= SHMBUF_MAP_PFNS,
	.of_device	= true,
	.alloc		= shmbuf_stream_alloc,
	.free		= shmbuf_stream_free,
	.copy		= shmbuf_device_copy,
	.sync		= shmbuf_stream_sync,
};
