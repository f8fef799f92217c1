// SPDX-License-Identifier: GPL-2.0-only
/*
 * ->mmap() calls ->mmap_prepare() and ->mapped(), before mm inserts the VMA. Revocation
 * does not find such a mapping, so only faults, which check, may map pages.
 */

#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/pagemap.h>

#include "../shmbuf.h"

#undef shmbuf_file_mmap_prepare
#undef shmbuf_coherent_mapped

void shmbuf_set_desc_from_vma(struct compat_desc *desc, struct file *file,
			      struct vm_area_struct *vma)
{
	*desc = (struct compat_desc) {
		.file = file, .start = vma->vm_start, .end = vma->vm_end,
		.pgoff = vma->vm_pgoff, .vm_file = vma->vm_file,
		.vma_flags = vma->vm_flags, .page_prot = vma->vm_page_prot,
	};
}

/*
 * The DMA API maps all pages at once. Keep the attributes and the PFN that the API
 * chose, zap the PTEs, and leave the pages to faults.
 */
static int map_coherent(struct shmbuf *buf, struct vm_area_struct *vma)
{
	unsigned long attrs = DMA_ATTR_NO_WARN | DMA_ATTR_FORCE_CONTIGUOUS;
	struct follow_pfnmap_args args = { .vma = vma, .address = vma->vm_start };
	int err = -ENODEV;

	if (buf->cache == SHMBUF_CACHE_WRITE_COMBINE)
		attrs |= DMA_ATTR_WRITE_COMBINE;
	vma->vm_ops = &shmbuf_pfn_vm_ops;
	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	if (!shmbuf_revoked(buf))
		err = dma_mmap_attrs(buf->dev, vma, buf->map.vaddr, buf->dma,
				     buf->size, attrs) ?: follow_pfnmap_start(&args);
	if (!err) {
		buf->pfn = args.pfn - vma->vm_pgoff;
		follow_pfnmap_end(&args);
		zap_vma_ptes(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	}
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
	if (err)
		shmbuf_vma_close(vma);
	return err;
}

/* ->mapped() of COHERENT. map_coherent() follows where faults do not map the memory. */
int shmbuf_coherent_mapped(struct shmbuf *buf, const struct file *file,
			   unsigned long start, unsigned long end, vm_flags_t flags)
{
	return 0;
}

static bool may_merge(const struct vm_area_struct *vma, unsigned long addr)
{
	const struct vm_area_struct *other = vma_lookup(vma->vm_mm, addr);

	return other && other->vm_file == vma->vm_file &&
	       !((other->vm_flags ^ vma->vm_flags) & ~VM_SOFTDIRTY);
}

/*
 * If the VMA is like a neighbour, mm extends the neighbour and frees the VMA without
 * ->close(), so that the VMA would count for ever. So choose another hint about
 * readahead, which has no effect on memory that is always there.
 */
static void set_flags(struct vm_area_struct *vma, vm_flags_t flags)
{
	static const vm_flags_t hints[] = { 0, VM_RAND_READ, VM_SEQ_READ };
	int i;

	for (i = 0; i < ARRAY_SIZE(hints); i++) {
		vm_flags_init(vma, flags | hints[i]);
		if (!may_merge(vma, vma->vm_start - 1) && !may_merge(vma, vma->vm_end))
			break;
	}
}

int shmbuf_complete_mmap(struct compat_desc *desc, struct vm_area_struct *vma)
{
	int err;

	if (desc->vm_file != vma->vm_file) {
		vma_set_file(vma, desc->vm_file);
		fput(desc->vm_file);
	}
	set_flags(vma, desc->vma_flags);
	vma->vm_page_prot = desc->page_prot;
	vma->vm_pgoff = desc->pgoff;
	vma->vm_private_data = desc->private_data;
	vma->vm_ops = desc->vm_ops;
	if (!desc->vm_ops || !desc->vm_ops->mapped)
		return 0;
	err = desc->vm_ops->mapped(vma->vm_start, vma->vm_end, vma->vm_pgoff,
				   vma->vm_file, &vma->vm_private_data);
	if (err || desc->vm_ops->fault)
		return err;
	return map_coherent(vma->vm_private_data, vma);
}

/* ->mmap() of a buffer file. */
int shmbuf_file_mmap_prepare(struct file *file, struct vm_area_struct *vma)
{
	struct compat_desc desc;

	shmbuf_set_desc_from_vma(&desc, file, vma);
	return shmbuf_prepare_mapping(shmbuf_of_file(file), &desc) ?:
	       shmbuf_complete_mmap(&desc, vma);
}

/* ->mmap() of a driver that has ->mmap_prepare(). */
int shmbuf_compat_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct compat_file_ops *ops = (const void *)file->f_op;
	struct compat_desc desc;

	shmbuf_set_desc_from_vma(&desc, file, vma);
	return ops->compat_prepare(&desc) ?: shmbuf_complete_mmap(&desc, vma);
}
EXPORT_SYMBOL_GPL(shmbuf_compat_mmap);
