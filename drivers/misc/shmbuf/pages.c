// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing PAGES: folios in the page cache of the buffer's own inode, as large as
 * possible.
 *
 * A mapping is an ordinary shared file mapping: mm finds the folios in the page
 * cache, get_user_pages() and futexes work, and a fault takes no driver lock. The
 * folios must not move, because the kernel mapping and DMA may use them at any time.
 * mm does not migrate a dirty folio, ->release_folio() refuses to drop or split a folio,
 * and an unevictable mapping is not reclaimed.
 */

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/folio_batch.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/lockdep.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/userfaultfd_k.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "geometry.h"
#include "shmbuf.h"
#include "trace.h"

/* Called if mm has removed a folio for a memory error: the contents are lost. */
static int shmbuf_read_folio(struct file *file, struct folio *folio)
{
	folio_unlock(folio);
	return -EIO;
}

/* A folio is dirty from the start, and clean after a memory error. */
static bool shmbuf_dirty_folio(struct address_space *mapping,
			       struct folio *folio)
{
	return false;
}

/*
 * A process that may only read the buffer can ask mm to split a folio, for
 * instance with MADV_PAGEOUT. mm would not merge the pages again. After a memory error,
 * allow the split, or mm would free the bad page with the other pages of the folio. If
 * revocation has set i_size to 0 meanwhile, mm drops the whole folio. If dirty, the pages
 * would be accounted to a writeback domain, which this inode does not have.
 */
static bool shmbuf_release_folio(struct folio *folio, gfp_t gfp)
{
	if (!folio_test_large(folio) || !folio_test_has_hwpoisoned(folio))
		return false;
	/* Splitting a pinned folio fails, and mm could evict the clean folio later. */
	if (folio_ref_count(folio) != folio_expected_ref_count(folio) + 1)
		return false;
	folio_clear_dirty(folio);
	return true;
}

static const struct address_space_operations shmbuf_pages_aops = {
	.read_folio	= shmbuf_read_folio,
	.dirty_folio	= shmbuf_dirty_folio,
	.release_folio	= shmbuf_release_folio,
};

/* Fail rather than invoke the OOM killer. */
#define SHMBUF_PAGES_GFP	(GFP_HIGHUSER | __GFP_NOWARN | \
				 __GFP_RETRY_MAYFAIL)

VISIBLE_IF_KUNIT
struct folio *shmbuf_alloc_folio(unsigned int order, int numa_node)
{
	gfp_t gfp = SHMBUF_PAGES_GFP | __GFP_ZERO;

	KUNIT_STATIC_STUB_REDIRECT(shmbuf_alloc_folio, order, numa_node);

	/* Fall back to a smaller folio rather than compact memory for a large folio. */
	if (order)
		gfp = (gfp & ~__GFP_RETRY_MAYFAIL) | __GFP_NORETRY;
	if (numa_node == NUMA_NO_NODE)
		return folio_alloc(gfp, order);
	return __folio_alloc_node(gfp | __GFP_THISNODE, order, numa_node);
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_alloc_folio);

static int add_folio(struct address_space *mapping, struct folio *folio,
		     pgoff_t index)
{
	int err = filemap_add_folio(mapping, folio, index, SHMBUF_PAGES_GFP);

	if (!err) {
		folio_mark_uptodate(folio);
		folio_set_dirty(folio);
		folio_unlock(folio);
	}
	/* Drop the allocation reference: the page cache holds other references. */
	folio_put(folio);
	return err;
}

static int shmbuf_pages_alloc(struct shmbuf *buf, int numa_node)
{
	struct address_space *mapping = buf->inode.i_mapping;
	pgoff_t index = 0, end = buf->size >> PAGE_SHIFT;
	unsigned int order, limit;
	struct folio *folio;
	int err;

	mapping->a_ops = &shmbuf_pages_aops;
	mapping_set_gfp_mask(mapping, GFP_HIGHUSER);
	mapping_set_unevictable(mapping);
	mapping_set_release_always(mapping);
	mapping_set_large_folios(mapping);
	limit = min_t(size_t, mapping_max_folio_order(mapping), PMD_ORDER);

	while (index < end) {
		if (fatal_signal_pending(current))
			return -EINTR;
		order = shmbuf_folio_order(index, end, limit);
		folio = shmbuf_alloc_folio(order, numa_node);
		if (!folio) {
			if (!order)
				return -ENOMEM;
			/* Do not retry an order that just failed. */
			limit = order - 1;
			continue;
		}
		if (order == PMD_ORDER)
			buf->map_unit = PMD_SIZE;
		err = add_folio(mapping, folio, index);
		if (err)
			return err;
		index += 1UL << order;
		cond_resched();
	}
	buf->small_folios = PAGE_SIZE << limit < SHMBUF_PTES_AROUND;
	return 0;
}

/*
 * Drop the references of shmbuf_pages_vmap(). The page cache, which inode eviction
 * frees, may have dropped a folio since, so find the folios through the vmap.
 */
static void shmbuf_pages_free(struct shmbuf *buf)
{
	unsigned long i = 0, nr = buf->size >> PAGE_SHIFT;
	struct folio *folio;

	if (!buf->map.vaddr)
		return;
	while (i < nr) {
		folio = page_folio(vmalloc_to_page(buf->map.vaddr + i * PAGE_SIZE));
		i += folio_nr_pages(folio);
		folio_put(folio);
	}
	vunmap(buf->map.vaddr);
}

/*
 * Refuse a folio with a memory error: a machine check in the kernel is fatal. Refuse a
 * folio that is not up to date: a fault allocated the folio after mm had removed a bad
 * folio. Such a folio contains stale data of another user.
 */
static struct folio *get_folio(struct shmbuf *buf, pgoff_t index)
{
	struct folio *folio = filemap_get_folio(buf->inode.i_mapping, index);

	if (IS_ERR(folio) || (folio_test_uptodate(folio) &&
			      !folio_contain_hwpoisoned_page(folio)))
		return folio;
	folio_put(folio);
	return ERR_PTR(-EIO);
}

/* filemap_read() would also copy from pages with a memory error. */
static ssize_t copy_folios(struct shmbuf *buf, loff_t pos,
			   struct iov_iter *iter)
{
	size_t copied, done = 0;
	int err = -EFAULT;

	while (iov_iter_count(iter)) {
		struct folio *folio;
		size_t offset, len;

		folio = get_folio(buf, (pos + done) >> PAGE_SHIFT);
		if (IS_ERR(folio)) {
			err = -EIO;
			break;
		}
		offset = offset_in_folio(folio, pos + done);
		len = min(iov_iter_count(iter), folio_size(folio) - offset);
		if (iov_iter_rw(iter) == ITER_DEST)
			copied = copy_folio_to_iter(folio, offset, len, iter);
		else
			copied = copy_folio_from_iter(folio, offset, len, iter);
		folio_put(folio);
		done += copied;
		if (copied < len || fatal_signal_pending(current) ||
		    shmbuf_revoked(buf))
			break;
		cond_resched();
	}
	return done ?: err;
}

/* Hold each folio, or mm could split or migrate the folio while the kernel maps it. */
static int shmbuf_pages_vmap(struct shmbuf *buf)
{
	unsigned long i = 0, nr = buf->size >> PAGE_SHIFT;
	struct page **pages __free(kvfree) = NULL;
	struct folio *folio;
	void *vaddr = NULL;

	lockdep_assert_held_write(&buf->inode.i_rwsem);
	pages = kvmalloc_objs(*pages, nr);
	if (!pages)
		return -ENOMEM;
	while (i < nr) {
		folio = get_folio(buf, i);
		if (IS_ERR(folio))
			break;
		do {
			pages[i] = folio_file_page(folio, i);
		} while (++i < folio_next_index(folio));
		cond_resched();
	}
	if (i == nr)
		vaddr = vmap(pages, nr, VM_MAP, PAGE_KERNEL);
	if (!vaddr) {
		while (i) {
			folio = page_folio(pages[i - 1]);
			i -= folio_nr_pages(folio);
			folio_put(folio);
		}
		return -ENOMEM;
	}
	iosys_map_set_vaddr(&buf->map, vaddr);
	return 0;
}

/* Releasing a private batch drains the per-CPU batches of mm on this CPU. */
static long release_batch(void *batch)
{
	folio_batch_release(batch);
	return 0;
}

/*
 * Per-CPU batches hold references to folios that are not on the LRU list yet. Drain the
 * batches like lru_add_drain_all(), which is not exported. If a CPU goes offline, mm
 * drains its batches.
 */
static void drain_all_batches(struct folio *folio)
{
	/* A batch is too large for the stack, but a slab allocation does not fail. */
	struct folio_batch *batch __free(kfree) =
		kmalloc_obj(*batch, GFP_KERNEL | __GFP_NOFAIL);
	int cpu;

	for_each_online_cpu(cpu) {
		if (fatal_signal_pending(current))
			break;
		folio_get(folio);
		/* The batch records the CPU that it drained. */
		folio_batch_init(batch);
		folio_batch_add(batch, folio);
		work_on_cpu(cpu, release_batch, batch);
	}
}

/*
 * The folio lock prevents new mappings: faults take it, and fork() leaves shared file
 * mappings to faults, see vma_needs_copy(). An unmap drops the mapcount before the
 * reference. Read the reference count first, or an unmap in between could hide a
 * foreign reference.
 */
static bool has_user(struct folio *folio, int own)
{
	int refs;

	if (!folio_trylock(folio))
		return true;
	refs = folio_ref_count(folio);
	smp_rmb();	/* pairs with the atomic operations of an unmap */
	own += folio_expected_ref_count(folio);
	folio_unlock(folio);
	return refs != own;
}

/*
 * A folio is in use if it has references beyond those of the page cache, page tables
 * and shmbuf_vmap(). These are pins, but also plain references, through which some
 * filesystems write for O_DIRECT. Faults and read() briefly hold a reference.
 */
static bool shmbuf_pages_in_use(struct shmbuf *buf, bool settle)
{
	pgoff_t index = 0, end = buf->size >> PAGE_SHIFT;
	int own = buf->map.vaddr ? 2 : 1;
	struct folio *folio;
	bool in_use;

	lockdep_assert_held_write(&buf->inode.i_rwsem);
	while (index < end) {
		folio = get_folio(buf, index);
		if (IS_ERR(folio))
			return true;
		in_use = has_user(folio, own);
		if (in_use && settle)
			drain_all_batches(folio);
		index += folio_nr_pages(folio);
		folio_put(folio);
		if (in_use || fatal_signal_pending(current))
			return true;
		cond_resched();
	}
	return false;
}

/* Lock each folio: otherwise a fault past its i_size check could map the folio later. */
static void shmbuf_pages_fence(struct shmbuf *buf)
{
	pgoff_t index = 0, end = buf->size >> PAGE_SHIFT;
	struct folio *folio;

	lockdep_assert_held_write(&buf->inode.i_mapping->invalidate_lock);
	while (index < end) {
		folio = filemap_lock_folio(buf->inode.i_mapping, index);
		/* mm removed a bad page, or split pages beyond i_size. */
		if (IS_ERR(folio)) {
			index++;
			continue;
		}
		index += folio_nr_pages(folio);
		folio_unlock(folio);
		folio_put(folio);
		cond_resched();
	}
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
static vm_fault_t map_huge_folio(struct vm_fault *vmf, bool wait)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	vm_fault_t ret = VM_FAULT_FALLBACK;
	struct folio *folio;

	if (!thp_vma_suitable_order(vmf->vma, vmf->address & PMD_MASK,
				    PMD_ORDER))
		return VM_FAULT_FALLBACK;
	folio = filemap_get_folio(mapping, vmf->pgoff);
	if (IS_ERR(folio))
		return VM_FAULT_FALLBACK;
	/* Check i_size under the lock: revocation sets i_size, then locks the folio. */
	if (wait) {
		folio_lock(folio);
	} else if (!folio_trylock(folio)) {
		folio_put(folio);
		return VM_FAULT_FALLBACK;
	}
	if (vmf->pgoff >= i_size_read(mapping->host) >> PAGE_SHIFT)
		ret = VM_FAULT_SIGBUS;
	else if (pmd_none(pmdp_get_lockless(vmf->pmd)) &&
		 folio->mapping == mapping &&
		 folio_order(folio) == PMD_ORDER && folio_test_uptodate(folio) &&
		 !folio_test_has_hwpoisoned(folio))
		/*
		 * MADV_GUARD_INSTALL may install a page table at any time, and mm
		 * warns if a writable insertion finds a page table.
		 */
		ret = vmf_insert_folio_pmd(vmf, folio, false);
	folio_unlock(folio);
	folio_put(folio);
	return ret;
}

static void map_folios_ahead(struct vm_fault *vmf)
{
	unsigned long address = vmf->address & PMD_MASK;
	pmd_t *pmd = vmf->pmd;

	while ((address += PMD_SIZE) % SHMBUF_FAULT_AROUND) {
		struct vm_fault next = {
			.vma		= vmf->vma,
			.address	= address,
			.pgoff		= linear_page_index(vmf->vma, address),
			.flags		= vmf->flags,
			.pmd		= ++pmd,
		};

		if (pmd_none(pmdp_get_lockless(pmd)) &&
		    map_huge_folio(&next, false) != VM_FAULT_NOPAGE)
			return;
	}
}

/* Without this, filemap_fault() allocates a page table before it installs a PMD. */
static vm_fault_t shmbuf_pages_huge_fault(struct vm_fault *vmf,
					  unsigned int order)
{
	vm_fault_t ret;

	if (order != PMD_ORDER)
		return VM_FAULT_FALLBACK;
	ret = map_huge_folio(vmf, true);
	if (ret == VM_FAULT_NOPAGE)
		map_folios_ahead(vmf);
	if (ret != VM_FAULT_FALLBACK)
		trace_shmbuf_fault(shmbuf_of_file(vmf->vma->vm_file), vmf,
				   order, ret);
	return ret;
}
#else
#define shmbuf_pages_huge_fault	NULL
#endif

/* mm maps only one folio for a write fault. With small folios, map several. */
static vm_fault_t shmbuf_pages_fault(struct vm_fault *vmf)
{
	unsigned long start = ALIGN_DOWN(vmf->address, SHMBUF_PTES_AROUND);
	struct vm_area_struct *vma = vmf->vma;
	vm_fault_t ret = 0;
	pgoff_t first, last;

	if ((vmf->flags & FAULT_FLAG_WRITE) &&
	    shmbuf_of_file(vma->vm_file)->small_folios &&
	    !uffd_disable_fault_around(vma)) {
		first = linear_page_index(vma, max(start, vma->vm_start));
		last = linear_page_index(vma, min(start + SHMBUF_PTES_AROUND,
						  vma->vm_end) - 1);
		ret = filemap_map_pages(vmf, first, last);
	}
	return ret ?: filemap_fault(vmf);
}

static const struct vm_operations_struct shmbuf_pages_vm_ops = {
	.mapped		= shmbuf_vma_mapped,
	.open		= shmbuf_vma_open,
	.close		= shmbuf_vma_close,
	.fault		= shmbuf_pages_fault,
	.map_pages	= filemap_map_pages,
	.huge_fault	= shmbuf_pages_huge_fault,
};

static void shmbuf_pages_prepare(struct shmbuf *buf, struct vm_area_desc *desc)
{
	/* Without VM_HUGEPAGE, the THP policy "madvise" would bypass ->huge_fault(). */
	vma_desc_set_flags(desc, VMA_HUGEPAGE_BIT);
}

const struct shmbuf_backing shmbuf_pages = {
	.name		= "pages",
	.backing	= SHMBUF_BACKING_PAGES,
	.caches		= BIT(SHMBUF_CACHE_CACHED),
	.exportable	= true,
	.pinnable	= true,
	.vm_ops		= &shmbuf_pages_vm_ops,
	.alloc		= shmbuf_pages_alloc,
	.free		= shmbuf_pages_free,
	.prepare	= shmbuf_pages_prepare,
	.copy		= copy_folios,
	.vmap		= shmbuf_pages_vmap,
	.in_use		= shmbuf_pages_in_use,
	.fence		= shmbuf_pages_fence,
};
