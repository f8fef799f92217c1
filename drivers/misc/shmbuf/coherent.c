// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing COHERENT: memory of the DMA API that a device and the CPU see alike at
 * any time. Memory in the direct map of a cache-coherent device is mapped by page frame
 * number. Other memory has pages that only the API knows, so only the API can map it.
 */

#include <linux/cc_platform.h>
#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/mm.h>

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
	void *vaddr;

	if (!shmbuf_can_dma(dev, numa_node) || !dma_can_mmap(dev))
		return -EOPNOTSUPP;
	/* CACHED stands for what the architecture has. */
	if (dev_is_dma_coherent(dev)) {
		if (buf->cache != SHMBUF_CACHE_CACHED)
			return -EOPNOTSUPP;
	} else if (buf->cache == SHMBUF_CACHE_CACHED) {
		buf->cache = SHMBUF_CACHE_UNCACHED;
	}
	vaddr = dma_alloc_attrs(dev, buf->size, &buf->dma, SHMBUF_DMA_GFP,
				dma_attrs(buf));
	if (!vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr(&buf->map, vaddr);
	/* The API may decrypt the pages, which page table entries would not know. */
	if (dev_is_dma_coherent(dev) && virt_addr_valid(vaddr) &&
	    vaddr == page_address(virt_to_page(vaddr)) &&
	    !cc_platform_has(CC_ATTR_MEM_ENCRYPT))
		shmbuf_set_pfns(buf, page_to_pfn(virt_to_page(vaddr)));
	return 0;
}

static void shmbuf_coherent_free(struct shmbuf *buf)
{
	if (buf->map.vaddr)
		dma_free_attrs(buf->dev, buf->size, buf->map.vaddr, buf->dma,
			       dma_attrs(buf));
	iosys_map_clear(&buf->map);
}

static const struct vm_operations_struct shmbuf_coherent_vm_ops = {
	.mapped		= shmbuf_vma_mapped,
	.open		= shmbuf_vma_open,
	.close		= shmbuf_vma_close,
	.access		= shmbuf_vma_access,
};

static void shmbuf_coherent_prepare(struct shmbuf *buf,
				    struct vm_area_desc *desc)
{
	if (buf->pfn) {
		shmbuf_prepare_pfns(buf, desc);
		return;
	}
	desc->vm_ops = &shmbuf_coherent_vm_ops;
	/* VM_IO keeps get_user_pages() away from pages that the API may have. */
	vma_desc_set_flags(desc, VMA_IO_BIT, VMA_DONTEXPAND_BIT,
			   VMA_DONTDUMP_BIT);
}

/* ->mmap_prepare() has no VMA, and revocation would not find the mapping. */
static int shmbuf_coherent_mapped(struct shmbuf *buf, const struct file *file,
				  unsigned long start, unsigned long end,
				  vm_flags_t flags)
{
	struct vm_area_struct *vma;
	int err = -ENODEV;

	if (buf->pfn)
		return shmbuf_map_pfns(buf, file, start, end, flags);
	vma = shmbuf_find_new_vma(file, start, flags);
	if (!vma)
		return -EOPNOTSUPP;
	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	if (!shmbuf_revoked(buf)) {
		vma->vm_page_prot = shmbuf_accessed_prot(vma, flags & VM_WRITE);
		err = dma_mmap_attrs(buf->dev, vma, buf->map.vaddr, buf->dma,
				     buf->size, dma_attrs(buf));
	}
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
	return err;
}

const struct shmbuf_backing shmbuf_coherent = {
	.name		= "coherent",
	.backing	= SHMBUF_BACKING_COHERENT,
	.caches		= BIT(SHMBUF_CACHE_CACHED) |
			  BIT(SHMBUF_CACHE_WRITE_COMBINE) |
			  BIT(SHMBUF_CACHE_UNCACHED),
	.of_device	= true,
	.vm_ops		= &shmbuf_pfn_vm_ops,
	.alloc		= shmbuf_coherent_alloc,
	.free		= shmbuf_coherent_free,
	.prepare	= shmbuf_coherent_prepare,
	.mapped		= shmbuf_coherent_mapped,
	.copy		= shmbuf_device_copy,
};
