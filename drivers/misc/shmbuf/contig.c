// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing CONTIG: one physically contiguous range of pages.
 */

#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/uio.h>

#include "shmbuf.h"

static unsigned long shmbuf_nr_pages(const struct shmbuf *buf)
{
	return shmbuf_size(buf) >> PAGE_SHIFT;
}

static void free_page_range(struct page *page, unsigned long from,
			    unsigned long to)
{
	for (; from < to; from++)
		__free_page(page + from);
}

static int shmbuf_contig_alloc(struct shmbuf *buf, int numa_node)
{
	/* Fail, and do not kill anybody to get the memory. */
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN |
		    __GFP_RETRY_MAYFAIL;
	unsigned int order = get_order(shmbuf_size(buf));
	struct page *page;

	if (order > MAX_PAGE_ORDER)
		return -ENOMEM;
	if (numa_node != NUMA_NO_NODE)
		gfp |= __GFP_THISNODE;
	page = alloc_pages_node(numa_node, gfp, order);
	if (!page)
		return -ENOMEM;

	/* What was rounded up to a power of two goes back at once. */
	split_page(page, order);
	free_page_range(page, shmbuf_nr_pages(buf), 1UL << order);
	buf->pfn = page_to_pfn(page);
	buf->vaddr = page_address(page);
	return 0;
}

static void shmbuf_contig_free(struct shmbuf *buf)
{
	if (buf->vaddr)
		free_page_range(pfn_to_page(buf->pfn), 0, shmbuf_nr_pages(buf));
}

static ssize_t shmbuf_contig_copy(struct shmbuf *buf, loff_t pos,
				  struct iov_iter *iter)
{
	size_t len = iov_iter_count(iter), done;

	if (iov_iter_rw(iter) == ITER_DEST)
		done = copy_to_iter(buf->vaddr + pos, len, iter);
	else
		done = copy_from_iter(buf->vaddr + pos, len, iter);
	return done ?: -EFAULT;
}

const struct shmbuf_backing shmbuf_contig = {
	.caches		= BIT(SHMBUF_CACHE_CACHED),
	.mapping	= SHMBUF_MAP_PFNS,
	.alloc		= shmbuf_contig_alloc,
	.free		= shmbuf_contig_free,
	.copy		= shmbuf_contig_copy,
};
