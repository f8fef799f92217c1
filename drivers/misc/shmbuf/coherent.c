// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing COHERENT: DMA API memory that a device and the CPU access coherently. For a
 * cache-coherent device, memory in the direct map is mapped by page frame number. The
 * page frame numbers of other memory are known only to the DMA API, which maps it.
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
	/* Without FORCE_CONTIGUOUS, the API maps struct pages, which GUP can pin. */
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
	/* CACHED selects the architecture's cache mode. */
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
	/* If the API decrypts the pages, PTEs by PFN would lack the decrypted bit. */
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
	/* Without VM_IO, GUP could pin pages that the API frees at revocation. */
	vma_desc_set_flags(desc, VMA_IO_BIT, VMA_DONTEXPAND_BIT,
			   VMA_DONTDUMP_BIT);
}

/* In ->mmap_prepare(), the VMA does not exist yet: revocation would miss the mapping. */
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
