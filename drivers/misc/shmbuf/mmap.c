// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping a buffer: what is allowed, what is counted, what a fault finds.
 *
 * ->mmap_prepare() only describes a mapping and keeps no state, because mmap()
 * may still fail after it. A mapping counts from ->mapped() on, which runs
 * once the VMA exists. ->mmap_prepare() leaves the flags of the VMA in
 * vm_private_data, and ->mapped() replaces them with the buffer. mm keeps the
 * buffer only if ->mapped() succeeds, but calls ->close() in either case. So a
 * VMA counts if its vm_private_data is the buffer.
 *
 * mm may extend a VMA, but never merges away a VMA that has ->close(). So the
 * number of VMAs changes only in ->mapped(), ->open() and ->close().
 */

#include <kunit/visibility.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/uio.h>

#include "geometry.h"
#include "shmbuf.h"
#include "trace.h"

static int count_new_mapping(struct shmbuf *buf, bool writable)
{
	guard(spinlock)(&buf->lock);
	if (buf->revoked)
		return -ENODEV;
	/* Sealed since ->mmap_prepare() looked, or about to be: look again. */
	if (writable && (buf->sealing || (buf->seals & SHMBUF_SEAL_WRITE)))
		return -EAGAIN;
	buf->mappings++;
	buf->writable_mappings += writable;
	trace_shmbuf_map(buf);
	return 0;
}

/* Adjust the counts when a VMA is duplicated or removed. */
static void count_mapping(struct shmbuf *buf, int change, bool writable)
{
	guard(spinlock)(&buf->lock);
	buf->mappings += change;
	if (writable)
		buf->writable_mappings += change;
	if (change > 0)
		trace_shmbuf_map(buf);
	else
		trace_shmbuf_unmap(buf);
}

/*
 * ->mmap_prepare() has no VMA, and revocation does not find a mapping that
 * ->mmap_prepare() would make. In ->mapped() the VMA is write-locked and in the
 * file's tree of mappings.
 */
static int map_at_once(struct shmbuf *buf, struct vm_area_struct *vma)
{
	int err;

	if (!vma)
		return -EOPNOTSUPP;
	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	err = buf->revoked ? -ENODEV : buf->ops->map(buf, vma);
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
	return err;
}

/*
 * A file whose ->mmap() forwards to ->mmap_prepare() has not inserted its VMA yet.
 * The tree still has the VMA that MAP_FIXED replaces, and that VMA does not have
 * the private data of this one.
 */
static struct vm_area_struct *find_new_vma(const struct file *file,
					   unsigned long start,
					   const void *private_data)
{
	struct vm_area_struct *vma = vma_lookup(current->mm, start);

	if (!vma || vma->vm_file != file ||
	    vma->vm_private_data != private_data)
		return NULL;
	return vma;
}

/*
 * mm populates no VM_PFNMAP mapping, although MAP_LOCKED and mlockall() ask for
 * that. The mapping stays valid if populating it fails: a later access faults.
 */
static void populate(unsigned long start, unsigned long end, vm_flags_t flags)
{
	unsigned int fault_flags = flags & VM_WRITE ? FAULT_FLAG_WRITE : 0;
	unsigned long addr;

	for (addr = start; addr < end; addr += PAGE_SIZE) {
		if (fatal_signal_pending(current) ||
		    fixup_user_fault(current->mm, addr, fault_flags, NULL))
			return;
		cond_resched();
	}
}

static int shmbuf_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
			 const struct file *file, void **vm_private_data)
{
	vm_flags_t flags = (unsigned long)*vm_private_data;
	struct shmbuf *buf = shmbuf_of_file(file);
	bool writable = flags & VM_MAYWRITE;
	int err;

	err = count_new_mapping(buf, writable);
	if (err)
		return err;
	if (buf->ops->mapping == SHMBUF_MAP_AT_ONCE) {
		err = map_at_once(buf, find_new_vma(file, start,
						    *vm_private_data));
		if (err) {
			count_mapping(buf, -1, writable);
			return err;
		}
	}
	if (buf->ops->mapping == SHMBUF_MAP_PFNS &&
	    (flags & VM_LOCKED_MASK) == VM_LOCKED &&
	    find_new_vma(file, start, *vm_private_data))
		populate(start, end, flags);
	*vm_private_data = buf;
	return 0;
}

static bool is_counted(const struct vm_area_struct *vma)
{
	return vma->vm_private_data == shmbuf_of_file(vma->vm_file);
}

/* A VMA was split, or copied by fork() or mremap(). */
static void shmbuf_vma_open(struct vm_area_struct *vma)
{
	if (is_counted(vma))
		count_mapping(vma->vm_private_data, 1,
			      vma->vm_flags & VM_MAYWRITE);
}

static void shmbuf_vma_close(struct vm_area_struct *vma)
{
	if (is_counted(vma))
		count_mapping(vma->vm_private_data, -1,
			      vma->vm_flags & VM_MAYWRITE);
}

static vm_fault_t shmbuf_pfn_fault(struct vm_fault *vmf)
{
	struct shmbuf *buf = shmbuf_of_file(vmf->vma->vm_file);
	pgprot_t prot = shmbuf_accessed_prot(vmf->vma,
					     vmf->flags & FAULT_FLAG_WRITE);
	unsigned long pfn;
	vm_fault_t ret;

	if (shmbuf_pgoff_to_pfn(buf->pfn, buf->size, vmf->pgoff, 0, &pfn))
		return VM_FAULT_SIGBUS;
	filemap_invalidate_lock_shared(buf->inode.i_mapping);
	if (buf->revoked)
		ret = VM_FAULT_SIGBUS;
	else if (shmbuf_has_huge_entry(vmf))
		ret = VM_FAULT_NOPAGE;
	else
		ret = vmf_insert_pfn_prot(vmf->vma, vmf->address, pfn, prot);
	filemap_invalidate_unlock_shared(buf->inode.i_mapping);
	trace_shmbuf_fault(buf, vmf, 0, ret);
	return ret;
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
static void map_pfns_ahead(struct vm_fault *vmf)
{
	unsigned long address = vmf->address & PMD_MASK, pfn;
	struct vm_area_struct *vma = vmf->vma;
	struct shmbuf *buf = shmbuf_of_file(vma->vm_file);
	pmd_t *pmd = vmf->pmd;

	while ((address += PMD_SIZE) % SHMBUF_FAULT_AROUND) {
		struct vm_fault next = {
			.vma		= vma,
			.address	= address,
			.pmd		= ++pmd,
		};

		if (!thp_vma_suitable_order(vma, address, PMD_ORDER) ||
		    shmbuf_pgoff_to_pfn(buf->pfn, buf->size,
					linear_page_index(vma, address),
					PMD_ORDER, &pfn))
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
	struct vm_area_struct *vma = vmf->vma;
	struct shmbuf *buf = shmbuf_of_file(vma->vm_file);
	unsigned long address = vmf->address & PMD_MASK, pfn;
	vm_fault_t ret = VM_FAULT_NOPAGE;

	if (order != PMD_ORDER || !thp_vma_suitable_order(vma, address, order))
		return VM_FAULT_FALLBACK;
	if (shmbuf_pgoff_to_pfn(buf->pfn, buf->size,
				linear_page_index(vma, address), order, &pfn))
		return VM_FAULT_FALLBACK;
	/* Exclusive, so that no other fault puts a page table there now. */
	filemap_invalidate_lock(buf->inode.i_mapping);
	if (buf->revoked)
		ret = VM_FAULT_SIGBUS;
	else if (!shmbuf_has_page_table(vmf))
		ret = vmf_insert_pfn_pmd(vmf, pfn,
					 vmf->flags & FAULT_FLAG_WRITE);
	if (ret == VM_FAULT_NOPAGE)
		map_pfns_ahead(vmf);
	filemap_invalidate_unlock(buf->inode.i_mapping);
	trace_shmbuf_fault(buf, vmf, order, ret);
	return ret;
}
#else
#define shmbuf_pfn_huge_fault	NULL
#endif

/* For ptrace() and /proc/PID/mem, where there is no struct page. */
static int shmbuf_vma_access(struct vm_area_struct *vma, unsigned long addr,
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

static const struct vm_operations_struct shmbuf_pfn_vm_ops = {
	.mapped		= shmbuf_mapped,
	.open		= shmbuf_vma_open,
	.close		= shmbuf_vma_close,
	.fault		= shmbuf_pfn_fault,
	.huge_fault	= shmbuf_pfn_huge_fault,
	.access		= shmbuf_vma_access,
};

static const struct vm_operations_struct shmbuf_folio_vm_ops = {
	.mapped		= shmbuf_mapped,
	.open		= shmbuf_vma_open,
	.close		= shmbuf_vma_close,
	.fault		= filemap_fault,
	.map_pages	= filemap_map_pages,
	.huge_fault	= shmbuf_pages_huge_fault,
};

static const struct vm_operations_struct shmbuf_at_once_vm_ops = {
	.mapped		= shmbuf_mapped,
	.open		= shmbuf_vma_open,
	.close		= shmbuf_vma_close,
	.access		= shmbuf_vma_access,
};

static void prepare_folios(struct vm_area_desc *desc)
{
	/* ->huge_fault() also where THP is for who asks for it (madvise). */
	vma_desc_set_flags(desc, VMA_HUGEPAGE_BIT);
	desc->vm_ops = &shmbuf_folio_vm_ops;
}

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

static void prepare_pfns(struct vm_area_desc *desc)
{
	struct shmbuf *buf = shmbuf_of_file(desc->file);

	desc->page_prot = cache_pgprot(desc->page_prot, buf->cache);
	if (buf->ops->io)
		vma_desc_set_flags(desc, VMA_IO_BIT);
	/* Memory of a guest or of the machine may be encrypted, a device is not. */
	if (buf->ops->io && !buf->is_ram)
		desc->page_prot = pgprot_decrypted(desc->page_prot);
	vma_desc_set_flags(desc, VMA_PFNMAP_BIT, VMA_DONTEXPAND_BIT,
			   VMA_DONTDUMP_BIT);
	desc->vm_ops = &shmbuf_pfn_vm_ops;
}

static void prepare_at_once(struct vm_area_desc *desc)
{
	/* VM_IO, as the pages are not for get_user_pages() even if there are some. */
	vma_desc_set_flags(desc, VMA_IO_BIT, VMA_DONTEXPAND_BIT,
			   VMA_DONTDUMP_BIT);
	desc->vm_ops = &shmbuf_at_once_vm_ops;
}

/**
 * shmbuf_mmap_prepare() - ->mmap_prepare() of every file of a buffer, also of a
 *	driver that has shmbuf_attach() in its ->open()
 * @desc: the mapping that userspace asks for
 *
 * Any window inside the buffer can be mapped, shared and not executable.
 * mprotect() can add PROT_EXEC no more than mmap() could. Nothing is mapped
 * or counted yet.
 *
 * Context: Process context, mmap_lock held for writing.
 * Return: 0, -EINVAL for a private mapping or a window not inside the buffer,
 *	-EPERM for an executable one, and for a writable one when the buffer is
 *	sealed against that, and without CAP_SYS_RAWIO for a buffer that needs
 *	it, -ENODEV when it is revoked.
 */
int shmbuf_mmap_prepare(struct vm_area_desc *desc)
{
	struct shmbuf *buf = shmbuf_of_file(desc->file);
	int err;

	err = shmbuf_check_access(desc->file);
	if (err)
		return err;
	/* VM_SHARED is not set for a shared mapping of a read-only file. */
	if (!vma_desc_test(desc, VMA_MAYSHARE_BIT))
		return -EINVAL;
	/* mm refuses this too, on files of a noexec filesystem such as ours. */
	if (vma_desc_test(desc, VMA_EXEC_BIT))
		return -EPERM;
	err = shmbuf_check_window(buf->size, desc->pgoff,
				  vma_desc_size(desc));
	if (err)
		return err;

	if (READ_ONCE(buf->seals) & SHMBUF_SEAL_WRITE) {
		if (vma_desc_test(desc, VMA_WRITE_BIT))
			return -EPERM;
		vma_desc_clear_flags(desc, VMA_MAYWRITE_BIT);
	}
	vma_desc_clear_flags(desc, VMA_MAYEXEC_BIT);
	switch (buf->ops->mapping) {
	case SHMBUF_MAP_FOLIOS:
		prepare_folios(desc);
		break;
	case SHMBUF_MAP_PFNS:
		prepare_pfns(desc);
		break;
	case SHMBUF_MAP_AT_ONCE:
		prepare_at_once(desc);
		break;
	}
	/* With VM_READ, the value is odd and never the address of a buffer. */
	desc->private_data = (void *)(vma_flags_to_legacy(desc->vma_flags) |
				      VM_READ);
	return 0;
}
EXPORT_SYMBOL_GPL(shmbuf_mmap_prepare);
