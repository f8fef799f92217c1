// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing STREAM: contiguous pages, cached by the CPU, which a device and the CPU
 * use in turn. SYNC transfers ownership of a range between the CPU and the device.
 */

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cc_platform.h>
#include <linux/dma-mapping.h>
#include <linux/errno.h>
#include <linux/export.h>

#include "shmbuf.h"

static int shmbuf_stream_alloc(struct shmbuf *buf, int numa_node)
{
	struct device *dev = buf->dev;
	struct page *page;

	/* If the API decrypts the pages, PTEs by PFN would lack the decrypted bit. */
	if (!shmbuf_can_dma(dev, numa_node) ||
	    cc_platform_has(CC_ATTR_MEM_ENCRYPT))
		return -EOPNOTSUPP;
	page = dma_alloc_pages(dev, buf->size, &buf->dma, DMA_BIDIRECTIONAL,
			       SHMBUF_DMA_GFP);
	if (!page)
		return -ENOMEM;
	iosys_map_set_vaddr(&buf->map, page_address(page));
	shmbuf_set_pfns(buf, page_to_pfn(page));
	/* Write back the zeroes: a SYNC to the CPU may discard the cache. */
	dma_sync_single_for_device(dev, buf->dma, buf->size, DMA_BIDIRECTIONAL);
	return 0;
}

static void shmbuf_stream_free(struct shmbuf *buf)
{
	if (buf->map.vaddr)
		dma_free_pages(buf->dev, buf->size, pfn_to_page(buf->pfn),
			       buf->dma, DMA_BIDIRECTIONAL);
	iosys_map_clear(&buf->map);
}

VISIBLE_IF_KUNIT
void shmbuf_stream_sync(struct shmbuf *buf, size_t offset, size_t len,
			enum dma_data_direction dir, bool end)
{
	KUNIT_STATIC_STUB_REDIRECT(shmbuf_stream_sync, buf, offset, len, dir,
				   end);

	lockdep_assert_held(&buf->inode.i_mapping->invalidate_lock);
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
	.backing	= SHMBUF_BACKING_STREAM,
	.caches		= BIT(SHMBUF_CACHE_CACHED),
	.exportable	= true,
	.of_device	= true,
	.vm_ops		= &shmbuf_pfn_vm_ops,
	.alloc		= shmbuf_stream_alloc,
	.free		= shmbuf_stream_free,
	.prepare	= shmbuf_prepare_pfns,
	.mapped		= shmbuf_map_pfns,
	.copy		= shmbuf_device_copy,
	.sync		= shmbuf_stream_sync,
};
