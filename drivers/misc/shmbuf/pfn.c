// SPDX-License-Identifier: GPL-2.0-only
/*
 * PFN mappings of backings that are one physical range.
 */

#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "geometry.h"
#include "shmbuf.h"
#include "trace.h"

/*
 * If the hardware does not manage the accessed and dirty flags, the first access to an
 * old PTE and the first write to a clean PTE fault. Set the flags in advance.
 */
pgprot_t shmbuf_accessed_prot(const struct vm_area_struct *vma, bool write)
{
	pte_t pte = pte_mkyoung(pfn_pte(0, vma->vm_page_prot));

	/* On x86, a PROT_NONE PTE inverts its PFN (L1TF) and would corrupt prot. */
	if (!vma_is_accessible(vma))
		return vma->vm_page_prot;
	/* On MIPS XPA, truncation would lose the cache attribute in the high half. */
	if (sizeof(pte_val(pte)) > sizeof(pgprot_t))
		return vma->vm_page_prot;
	if (write)
		pte = pte_mkdirty(pte);
	return __pgprot(pte_val(pte));
}

/* A concurrent fault of a thread with THP enabled may have installed a PMD. */
static bool has_huge_entry(const struct vm_fault *vmf)
{
	return pmd_trans_huge(pmdp_get_lockless(vmf->pmd));
}

/*
 * Map a page and the following pages, as mm does for folios. PTEs that are already
 * installed remain unchanged.
 */
static vm_fault_t map_around(struct vm_area_struct *vma, unsigned long address,
			     unsigned long pfn, bool write)
{
	unsigned long end = min(ALIGN(address + 1, SHMBUF_PTES_AROUND),
				vma->vm_end);
	pgprot_t prot = shmbuf_accessed_prot(vma, write);
	vm_fault_t ret = vmf_insert_pfn_prot(vma, address, pfn, prot);

	while (ret == VM_FAULT_NOPAGE && (address += PAGE_SIZE) < end) {
		if (vmf_insert_pfn_prot(vma, address, ++pfn, prot) !=
		    VM_FAULT_NOPAGE)
			break;
	}
	return ret;
}

/* Find the PFN that a PMD would map. Return an errno if a PTE has to map the address. */
static int find_huge_pfn(struct vm_area_struct *vma, unsigned long address,
			 unsigned long *pfn)
{
	struct shmbuf *buf = shmbuf_of_file(vma->vm_file);

	if (!IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) ||
	    !thp_vma_suitable_order(vma, address, PMD_ORDER))
		return -EINVAL;
	return shmbuf_pgoff_to_pfn(buf->pfn, buf->size,
				   linear_page_index(vma, address), PMD_ORDER,
				   pfn);
}

static vm_fault_t shmbuf_pfn_fault(struct vm_fault *vmf)
{
	struct shmbuf *buf = shmbuf_of_file(vmf->vma->vm_file);
	struct address_space *mapping = buf->inode.i_mapping;
	unsigned long pfn, huge_pfn;
	vm_fault_t ret;
	bool huge;

	if (shmbuf_pgoff_to_pfn(buf->pfn, buf->size, vmf->pgoff, 0, &pfn))
		return VM_FAULT_SIGBUS;
	/* Take the lock exclusively, or a concurrent fault could install a PMD. */
	huge = !find_huge_pfn(vmf->vma, vmf->address & PMD_MASK, &huge_pfn);
	if (huge)
		filemap_invalidate_lock(mapping);
	else
		filemap_invalidate_lock_shared(mapping);
	if (shmbuf_revoked(buf))
		ret = VM_FAULT_SIGBUS;
	else if (has_huge_entry(vmf))
		ret = VM_FAULT_NOPAGE;
	else
		ret = map_around(vmf->vma, vmf->address, pfn,
				 vmf->flags & FAULT_FLAG_WRITE);
	if (huge)
		filemap_invalidate_unlock(mapping);
	else
		filemap_invalidate_unlock_shared(mapping);
	trace_shmbuf_fault(buf, vmf, 0, ret);
	return ret;
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
static void map_pfns_ahead(struct vm_fault *vmf)
{
	struct shmbuf *buf = shmbuf_of_file(vmf->vma->vm_file);
	unsigned long address = vmf->address & PMD_MASK, pfn;
	pmd_t *pmd = vmf->pmd;

	lockdep_assert_held(&buf->inode.i_mapping->invalidate_lock);
	while ((address += PMD_SIZE) % SHMBUF_FAULT_AROUND) {
		struct vm_fault next = {
			.vma		= vmf->vma,
			.address	= address,
			.pmd		= ++pmd,
		};

		if (find_huge_pfn(vmf->vma, address, &pfn))
			return;
		if (pmd_none(pmdp_get_lockless(pmd)) &&
		    vmf_insert_pfn_pmd(&next, pfn,
				       vmf->flags & FAULT_FLAG_WRITE) !=
		    VM_FAULT_NOPAGE)
			return;
	}
}

static vm_fault_t shmbuf_pfn_huge_fault(struct vm_fault *vmf,
					unsigned int order)
{
	struct shmbuf *buf = shmbuf_of_file(vmf->vma->vm_file);
	vm_fault_t ret = VM_FAULT_NOPAGE;
	unsigned long pfn;

	if (order != PMD_ORDER ||
	    find_huge_pfn(vmf->vma, vmf->address & PMD_MASK, &pfn))
		return VM_FAULT_FALLBACK;
	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	if (shmbuf_revoked(buf))
		ret = VM_FAULT_SIGBUS;
	else if (!shmbuf_has_page_table(vmf))
		ret = vmf_insert_pfn_pmd(vmf, pfn,
					 vmf->flags & FAULT_FLAG_WRITE);
	if (ret == VM_FAULT_NOPAGE)
		map_pfns_ahead(vmf);
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
	trace_shmbuf_fault(buf, vmf, order, ret);
	return ret;
}
#else
#define shmbuf_pfn_huge_fault	NULL
#endif

/* ->access() for ptrace() and /proc/PID/mem: GUP fails without struct pages. */
int shmbuf_vma_access(struct vm_area_struct *vma, unsigned long addr,
		      void *data, int len, int write)
{
	struct shmbuf *buf = shmbuf_of_file(vma->vm_file);
	loff_t pos = ((loff_t)linear_page_index(vma, addr) << PAGE_SHIFT) +
		     offset_in_page(addr);
	struct kvec vec = { .iov_base = data };
	struct iov_iter iter;

	if (write && !(vma->vm_flags & VM_WRITE))
		return -EFAULT;
	vec.iov_len = shmbuf_clamp_io(buf->size, pos,
				      min_t(size_t, len, vma->vm_end - addr));
	if (!vec.iov_len || shmbuf_revoked(buf))
		return -EFAULT;
	iov_iter_kvec(&iter, write ? ITER_SOURCE : ITER_DEST, &vec, 1,
		      vec.iov_len);
	return buf->ops->copy(buf, pos, &iter);
}

const struct vm_operations_struct shmbuf_pfn_vm_ops = {
	.mapped		= shmbuf_vma_mapped,
	.open		= shmbuf_vma_open,
	.close		= shmbuf_vma_close,
	.fault		= shmbuf_pfn_fault,
	.huge_fault	= shmbuf_pfn_huge_fault,
	.access		= shmbuf_vma_access,
};

static pgprot_t cache_pgprot(pgprot_t prot, u32 cache)
{
	switch (cache) {
	case SHMBUF_CACHE_WRITE_COMBINE:
		return pgprot_writecombine(prot);
	case SHMBUF_CACHE_UNCACHED:
		return pgprot_noncached(prot);
	case SHMBUF_CACHE_DEVICE:
		return pgprot_device(prot);
	}
	return prot;
}

void shmbuf_prepare_pfns(struct shmbuf *buf, struct vm_area_desc *desc)
{
	desc->page_prot = cache_pgprot(desc->page_prot, buf->cache);
	vma_desc_set_flags(desc, VMA_IO_BIT, VMA_PFNMAP_BIT,
			   VMA_DONTEXPAND_BIT, VMA_DONTDUMP_BIT);
}

/*
 * mm does not populate VM_PFNMAP mappings, although MAP_LOCKED and mlockall() request
 * that. If populating fails, the mapping stays valid, and later accesses fault.
 */
int shmbuf_populate_pfns(struct shmbuf *buf, const struct file *file,
			 unsigned long start, unsigned long end,
			 vm_flags_t flags)
{
	unsigned int fault_flags = flags & VM_WRITE ? FAULT_FLAG_WRITE : 0;
	unsigned long addr;

	if ((flags & VM_LOCKED_MASK) != VM_LOCKED ||
	    !shmbuf_find_new_vma(file, start, flags))
		return 0;
	for (addr = start; addr < end; addr = ALIGN(addr + 1, SHMBUF_PTES_AROUND)) {
		if (fatal_signal_pending(current) ||
		    fixup_user_fault(current->mm, addr, fault_flags, NULL))
			break;
		cond_resched();
	}
	return 0;
}

/*
 * Map a window smaller than a PMD at once, as single faults cost more. Do not use this
 * for a region: mm tracks the memory type of a range that remap_pfn_range() maps until
 * the VMA is removed, possibly after the device.
 */
int shmbuf_map_pfns(struct shmbuf *buf, const struct file *file,
		    unsigned long start, unsigned long end, vm_flags_t flags)
{
	struct vm_area_struct *vma;
	unsigned long pfn;

	if (end - start >= PMD_SIZE)
		return shmbuf_populate_pfns(buf, file, start, end, flags);
	vma = shmbuf_find_new_vma(file, start, flags);
	if (!vma || !vma_is_accessible(vma) ||
	    shmbuf_pgoff_to_pfn(buf->pfn, buf->size, vma->vm_pgoff, 0, &pfn))
		return 0;
	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	if (!shmbuf_revoked(buf)) {
		if (end - start == PAGE_SIZE)
			map_around(vma, start, pfn, flags & VM_WRITE);
		else
			remap_pfn_range(vma, start, pfn, end - start,
					shmbuf_accessed_prot(vma, flags &
							     VM_WRITE));
	}
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
	return 0;
}
