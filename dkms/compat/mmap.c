// SPDX-License-Identifier: GPL-2.0-only
/*
 * ->mmap() on behalf of ->mmap_prepare() and ->mapped().
 *
 * ->mapped() runs before mm inserts the VMA. So it finds no VMA, and a revocation in
 * between does not find the mapping. A later fault finds the buffer revoked.
 */

#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "../shmbuf.h"

#undef shmbuf_file_mmap_prepare
#undef shmbuf_coherent_mapped
#undef file_operations

void shmbuf_set_desc_from_vma(struct compat_desc *desc, struct file *file,
			      struct vm_area_struct *vma)
{
	*desc = (struct compat_desc) {
		.file		= file,
		.start		= vma->vm_start,
		.end		= vma->vm_end,
		.pgoff		= vma->vm_pgoff,
		.vm_file	= vma->vm_file,
		.vma_flags	= vma->vm_flags,
		.page_prot	= vma->vm_page_prot,
	};
}
EXPORT_SYMBOL_GPL(shmbuf_set_desc_from_vma);

/*
 * The DMA API knows the pages, and maps all of them at once. Revocation would not find
 * the VMA yet, so only keep what the API says, and let faults map the pages.
 */
static int map_coherent(struct shmbuf *buf, struct vm_area_struct *vma)
{
	unsigned long attrs = DMA_ATTR_NO_WARN | DMA_ATTR_FORCE_CONTIGUOUS;
	struct follow_pfnmap_args args = { .vma = vma, .address = vma->vm_start };
	int err = -ENODEV;

	if (buf->cache == SHMBUF_CACHE_WRITE_COMBINE)
		attrs |= DMA_ATTR_WRITE_COMBINE;
	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	if (!shmbuf_revoked(buf))
		err = dma_mmap_attrs(buf->dev, vma, buf->map.vaddr, buf->dma,
				     buf->size, attrs);
	if (!err)
		err = follow_pfnmap_start(&args);
	if (!err) {
		buf->pfn = args.pfn - vma->vm_pgoff;
		follow_pfnmap_end(&args);
		zap_vma_ptes(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	}
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
	return err;
}

/* ->mapped() of COHERENT; the rest is in map_coherent(), which has the VMA. */
int shmbuf_coherent_mapped(struct shmbuf *buf, struct vm_area_struct *vma,
			   vm_flags_t flags)
{
	return 0;
}

static bool may_merge(const struct vm_area_struct *vma,
		      const struct vm_area_struct *other)
{
	return other && other->vm_file == vma->vm_file &&
	       !((other->vm_flags ^ vma->vm_flags) & ~VM_SOFTDIRTY);
}

/*
 * If the new VMA looks like a neighbour, mm extends that one and frees the new one
 * without ->close(), and the count stays. So give it another of the hints about
 * readahead, which does not exist for such memory.
 */
static void set_flags(struct vm_area_struct *vma, vm_flags_t flags)
{
	static const vm_flags_t hints[] = { 0, VM_RAND_READ, VM_SEQ_READ };
	struct vm_area_struct *next = vma_lookup(vma->vm_mm, vma->vm_end);
	struct vm_area_struct *prev = NULL;
	int i;

	if (vma->vm_start)
		prev = vma_lookup(vma->vm_mm, vma->vm_start - 1);
	for (i = 0; i < ARRAY_SIZE(hints); i++) {
		vm_flags_init(vma, flags | hints[i]);
		if (!may_merge(vma, prev) && !may_merge(vma, next))
			break;
	}
}

int shmbuf_compat_vma_mmap(struct compat_desc *desc, struct vm_area_struct *vma)
{
	struct shmbuf *buf;
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
	if (!desc->vm_ops->mapped)
		return 0;
	err = desc->vm_ops->mapped(vma->vm_start, vma->vm_end, vma->vm_pgoff,
				   vma->vm_file, &vma->vm_private_data);
	if (err || desc->vm_ops->fault)
		return err;
	buf = vma->vm_private_data;
	err = map_coherent(buf, vma);
	if (err)
		vma->vm_ops->close(vma);
	else
		vma->vm_ops = &shmbuf_pfn_vm_ops;
	return err;
}
EXPORT_SYMBOL_GPL(shmbuf_compat_vma_mmap);

static int compat_mmap(struct file *file, struct vm_area_struct *vma,
		       int (*prepare)(struct compat_desc *desc))
{
	struct compat_desc desc;
	int err;

	shmbuf_set_desc_from_vma(&desc, file, vma);
	err = prepare(&desc);
	return err ?: shmbuf_compat_vma_mmap(&desc, vma);
}

static int prepare_file(struct compat_desc *desc)
{
	return shmbuf_prepare_mapping(shmbuf_of_file(desc->file), desc);
}

int shmbuf_file_mmap_prepare(struct file *file, struct vm_area_struct *vma)
{
	return compat_mmap(file, vma, prepare_file);
}

struct compat_file_ops {
	struct file_operations;
	int (*compat_prepare)(struct compat_desc *desc);
};

/* ->mmap() of a driver that has ->mmap_prepare(). */
int shmbuf_compat_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct compat_file_ops *ops = (const void *)file->f_op;

	return compat_mmap(file, vma, ops->compat_prepare);
}
EXPORT_SYMBOL_GPL(shmbuf_compat_mmap);
