// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping a buffer: what is allowed, what is counted, what a fault finds.
 *
 * ->mmap_prepare() only describes a mapping and keeps no state, because mmap()
 * may still fail after it. A mapping counts from ->mapped() on, which runs
 * once the VMA exists. mm calls ->close() also for a VMA whose ->mapped() was
 * never reached or failed, so ->mapped() leaves a mark in vm_private_data,
 * which mm keeps only on success, and ->open() and ->close() look at the mark.
 *
 * mm merges no VMA with VM_DONTEXPAND, so each VMA stays the one counted.
 */

#include <kunit/visibility.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/spinlock.h>

#include "geometry.h"
#include "shmbuf.h"

static int count_new_mapping(struct shmbuf *buf, bool writable)
{
	guard(spinlock)(&buf->lock);
	/* Sealed since ->mmap_prepare() looked, or about to be. */
	if (writable && (buf->seals & SHMBUF_SEAL_WRITE))
		return -EPERM;
	if (writable && buf->sealing)
		return -EAGAIN;
	buf->mappings++;
	buf->writable_mappings += writable;
	return 0;
}

static int shmbuf_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
			 const struct file *file, void **vm_private_data)
{
	struct shmbuf *buf = shmbuf_of_file(file);

	*vm_private_data = buf;
	return count_new_mapping(buf, false);
}

static int shmbuf_mapped_writable(unsigned long start, unsigned long end,
				  pgoff_t pgoff, const struct file *file,
				  void **vm_private_data)
{
	struct shmbuf *buf = shmbuf_of_file(file);

	*vm_private_data = buf;
	return count_new_mapping(buf, true);
}

/* A VMA that is counted already grew in number or went. */
static void count_mapping(struct shmbuf *buf, int change, bool writable)
{
	guard(spinlock)(&buf->lock);
	buf->mappings += change;
	if (writable)
		buf->writable_mappings += change;
}

/* A VMA was split, or copied by fork() or mremap(). */
static void shmbuf_vma_open(struct vm_area_struct *vma)
{
	struct shmbuf *buf = vma->vm_private_data;

	if (buf)
		count_mapping(buf, 1, vma->vm_flags & VM_MAYWRITE);
}

static void shmbuf_vma_close(struct vm_area_struct *vma)
{
	struct shmbuf *buf = vma->vm_private_data;

	if (buf)
		count_mapping(buf, -1, vma->vm_flags & VM_MAYWRITE);
}

static vm_fault_t shmbuf_pfn_fault(struct vm_fault *vmf)
{
	struct shmbuf *buf = shmbuf_of_file(vmf->vma->vm_file);
	unsigned long pfn;

	if (shmbuf_pgoff_to_pfn(buf->pfn, shmbuf_size(buf), vmf->pgoff, &pfn))
		return VM_FAULT_SIGBUS;
	return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
}

/* ->mapped() does not see the flags of the VMA, so each kind has its own. */
static const struct vm_operations_struct shmbuf_pfn_vm_ops = {
	.mapped		= shmbuf_mapped,
	.open		= shmbuf_vma_open,
	.close		= shmbuf_vma_close,
	.fault		= shmbuf_pfn_fault,
};

static const struct vm_operations_struct shmbuf_pfn_writable_vm_ops = {
	.mapped		= shmbuf_mapped_writable,
	.open		= shmbuf_vma_open,
	.close		= shmbuf_vma_close,
	.fault		= shmbuf_pfn_fault,
};

static const struct vm_operations_struct shmbuf_folio_vm_ops = {
	.mapped		= shmbuf_mapped,
	.open		= shmbuf_vma_open,
	.close		= shmbuf_vma_close,
	.fault		= filemap_fault,
	.map_pages	= filemap_map_pages,
	.huge_fault	= shmbuf_pages_huge_fault,
};

static const struct vm_operations_struct shmbuf_folio_writable_vm_ops = {
	.mapped		= shmbuf_mapped_writable,
	.open		= shmbuf_vma_open,
	.close		= shmbuf_vma_close,
	.fault		= filemap_fault,
	.map_pages	= filemap_map_pages,
	.huge_fault	= shmbuf_pages_huge_fault,
};

static void prepare_folios(struct vm_area_desc *desc)
{
	/* ->huge_fault() also where THP is for who asks for it (madvise). */
	vma_desc_set_flags(desc, VMA_HUGEPAGE_BIT);
	desc->vm_ops = vma_desc_test(desc, VMA_MAYWRITE_BIT) ?
		       &shmbuf_folio_writable_vm_ops : &shmbuf_folio_vm_ops;
}

static void prepare_pfns(struct vm_area_desc *desc)
{
	vma_desc_set_flags(desc, VMA_PFNMAP_BIT, VMA_DONTDUMP_BIT);
	desc->vm_ops = vma_desc_test(desc, VMA_MAYWRITE_BIT) ?
		       &shmbuf_pfn_writable_vm_ops : &shmbuf_pfn_vm_ops;
}

/**
 * shmbuf_mmap_prepare() - ->mmap_prepare() of every file of a buffer
 * @desc: the mapping that userspace asks for
 *
 * Any window inside the buffer can be mapped, shared and not executable.
 * mprotect() can add PROT_EXEC no more than mmap() could. Nothing is mapped
 * or counted yet.
 *
 * Context: Process context, mmap_lock held for writing.
 * Return: 0, -EINVAL for a private mapping or a window not inside the buffer,
 *	-EPERM for an executable one, and for a writable one when the buffer is
 *	sealed against that.
 */
int shmbuf_mmap_prepare(struct vm_area_desc *desc)
{
	struct shmbuf *buf = shmbuf_of_file(desc->file);
	int err;

	/* VM_SHARED is not set for a shared mapping of a read-only file. */
	if (!vma_desc_test(desc, VMA_MAYSHARE_BIT))
		return -EINVAL;
	/* mm refuses this too, on files of a noexec filesystem such as ours. */
	if (vma_desc_test(desc, VMA_EXEC_BIT))
		return -EPERM;
	err = shmbuf_check_window(shmbuf_size(buf), desc->pgoff,
				  vma_desc_size(desc));
	if (err)
		return err;

	if (READ_ONCE(buf->seals) & SHMBUF_SEAL_WRITE) {
		if (vma_desc_test(desc, VMA_WRITE_BIT))
			return -EPERM;
		vma_desc_clear_flags(desc, VMA_MAYWRITE_BIT);
	}
	vma_desc_clear_flags(desc, VMA_MAYEXEC_BIT);
	vma_desc_set_flags(desc, VMA_DONTEXPAND_BIT);
	if (buf->ops->mapping == SHMBUF_MAP_FOLIOS)
		prepare_folios(desc);
	else
		prepare_pfns(desc);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_mmap_prepare);
