// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing CONTIG: one physically contiguous range of pages.
 */

#include <linux/align.h>
#include <linux/cpuset.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/numa.h>
#include <linux/sched/signal.h>
#include <linux/set_memory.h>
#include <linux/topology.h>
#include <linux/uio.h>

#ifdef CONFIG_X86
#include <asm/memtype.h>
#endif

#include "shmbuf.h"

/* Fail rather than invoke the OOM killer. */
#define SHMBUF_CONTIG_GFP	(GFP_USER | __GFP_ZERO | __GFP_NOWARN | \
				 __GFP_RETRY_MAYFAIL)

static unsigned long shmbuf_nr_pages(const struct shmbuf *buf)
{
	return buf->size >> PAGE_SHIFT;
}

/* The struct pages of a range need not be contiguous, so count PFNs. */
static void free_pfns(unsigned long pfn, unsigned long nr)
{
#ifdef CONFIG_CONTIG_ALLOC
	if (nr)
		free_contig_range(pfn, nr);
#else
	for (; nr; pfn++, nr--)
		__free_page(pfn_to_page(pfn));
#endif
}

static struct page *alloc_block(unsigned int order, int numa_node)
{
	gfp_t gfp = SHMBUF_CONTIG_GFP | __GFP_ACCOUNT;
	struct page *page;

	if (numa_node != NUMA_NO_NODE)
		gfp |= __GFP_THISNODE;
	page = alloc_pages_node(numa_node, gfp, order);
	if (page)
		split_page(page, order);
	return page;
}

/*
 * Allocate a range, migrating its movable pages. alloc_contig_pages() cannot charge a
 * memory cgroup.
 */
static struct page *alloc_range(unsigned long nr, int numa_node)
{
#ifdef CONFIG_CONTIG_ALLOC
	gfp_t gfp = SHMBUF_CONTIG_GFP;

	if (numa_node == NUMA_NO_NODE)
		numa_node = numa_mem_id();
	else
		gfp |= __GFP_THISNODE;
	return alloc_contig_pages(nr, gfp, numa_node,
				  &cpuset_current_mems_allowed);
#else
	return NULL;
#endif
}

/*
 * Mapping a page with two cache attributes can lose stores or corrupt memory. If the
 * architecture can change the direct map, change the direct map first.
 */
#ifdef CONFIG_X86
#define SHMBUF_CONTIG_CACHES	(BIT(SHMBUF_CACHE_CACHED) | \
				 BIT(SHMBUF_CACHE_WRITE_COMBINE) | \
				 BIT(SHMBUF_CACHE_UNCACHED))

static int change_cache(struct shmbuf *buf)
{
	unsigned long addr = (unsigned long)buf->map.vaddr;

	switch (buf->cache) {
	case SHMBUF_CACHE_WRITE_COMBINE:
		return set_memory_wc(addr, shmbuf_nr_pages(buf));
	case SHMBUF_CACHE_UNCACHED:
		return set_memory_uc(addr, shmbuf_nr_pages(buf));
	}
	return 0;
}

static int restore_cache(struct shmbuf *buf)
{
	if (buf->cache == SHMBUF_CACHE_CACHED)
		return 0;
	return set_memory_wb((unsigned long)buf->map.vaddr,
			     shmbuf_nr_pages(buf));
}
#else
#define SHMBUF_CONTIG_CACHES	BIT(SHMBUF_CACHE_CACHED)
#define pat_enabled()		false
static int change_cache(struct shmbuf *buf) { return 0; }
static int restore_cache(struct shmbuf *buf) { return 0; }
#endif

static int shmbuf_contig_alloc(struct shmbuf *buf, int numa_node)
{
	unsigned long nr = shmbuf_nr_pages(buf), got;
	unsigned int order = get_order(buf->size);
	struct page *page;

	if (buf->cache != SHMBUF_CACHE_CACHED && !pat_enabled())
		return -EOPNOTSUPP;
	/* set_memory_*() takes an int and would truncate a larger count. */
	if (buf->cache != SHMBUF_CACHE_CACHED && nr > INT_MAX)
		return -ENOMEM;
	if (order <= MAX_PAGE_ORDER) {
		got = 1UL << order;
		page = alloc_block(order, numa_node);
	} else {
		/* Allow PMD mappings. Unaligned, map_unit stays PAGE_SIZE. */
		got = ALIGN(nr, PMD_SIZE >> PAGE_SHIFT);
		page = alloc_range(got, numa_node);
	}
	if (!page)
		return fatal_signal_pending(current) ? -EINTR : -ENOMEM;

	/* Free the pages that rounding added. */
	free_pfns(page_to_pfn(page) + nr, got - nr);
	iosys_map_set_vaddr(&buf->map, page_address(page));
	shmbuf_set_pfns(buf, page_to_pfn(page));
	return change_cache(buf);
}

static void shmbuf_contig_free(struct shmbuf *buf)
{
	/* If the direct map cannot be restored, leak the pages rather than reuse them. */
	if (buf->map.vaddr && !restore_cache(buf))
		free_pfns(buf->pfn, shmbuf_nr_pages(buf));
}

static ssize_t shmbuf_contig_copy(struct shmbuf *buf, loff_t pos,
				  struct iov_iter *iter)
{
	size_t len, copied, done = 0;
	void *addr;

	do {
		addr = buf->map.vaddr + pos + done;
		len = min(iov_iter_count(iter), PMD_SIZE);
		if (iov_iter_rw(iter) == ITER_DEST)
			copied = copy_to_iter(addr, len, iter);
		else
			copied = copy_from_iter(addr, len, iter);
		done += copied;
		cond_resched();
	} while (copied == len && iov_iter_count(iter) &&
		 !fatal_signal_pending(current) && !shmbuf_revoked(buf));
	return done ?: -EFAULT;
}

const struct shmbuf_backing shmbuf_contig = {
	.name		= "contig",
	.backing	= SHMBUF_BACKING_CONTIG,
	.caches		= SHMBUF_CONTIG_CACHES,
	.exportable	= true,
	.vm_ops		= &shmbuf_pfn_vm_ops,
	.alloc		= shmbuf_contig_alloc,
	.free		= shmbuf_contig_free,
	.prepare	= shmbuf_prepare_pfns,
	.mapped		= shmbuf_map_pfns,
	.copy		= shmbuf_contig_copy,
};
