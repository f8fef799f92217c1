// SPDX-License-Identifier: GPL-2.0-only
/*
 * All arithmetic on sizes, offsets and page frame numbers.
 *
 * A wrong comparison makes a driver's mmap handler a security hole: an unchecked offset
 * maps foreign memory, an unchecked sum wraps. Every entry point therefore calls the pure
 * functions of this file, and KUnit tests them directly. The functions never add
 * untrusted values; they subtract only after a comparison.
 */

#include <kunit/visibility.h>
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/minmax.h>

#include "geometry.h"

/* Compare before PAGE_ALIGN(), which wraps to 0 near the maximum. */
int shmbuf_round_size(u64 size, size_t *rounded)
{
	if (size == 0 || size > SHMBUF_MAX_SIZE)
		return -EINVAL;
	*rounded = PAGE_ALIGN(size);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_round_size);

/* Return -EINVAL unless @len bytes from page @pgoff on are inside. */
int shmbuf_check_window(size_t size, pgoff_t pgoff, size_t len)
{
	if (pgoff > size >> PAGE_SHIFT)
		return -EINVAL;
	if (len > size - (pgoff << PAGE_SHIFT))
		return -EINVAL;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_check_window);

/* Return -EINVAL unless @len bytes from @offset on are inside. */
int shmbuf_check_range(size_t size, u64 offset, u64 len)
{
	if (offset > size || len > size - offset)
		return -EINVAL;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_check_range);

/* Return the part of @count bytes from @pos on that is inside, 0 for a negative @pos. */
size_t shmbuf_clamp_io(size_t size, loff_t pos, size_t count)
{
	if (pos < 0 || pos >= size)
		return 0;
	return min(count, size - (size_t)pos);
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_clamp_io);

/*
 * Compute the PFN for a PTE or PMD that maps 2^@order pages from @pgoff on. Return
 * -EINVAL if a page is outside the buffer, or if the PFN is not aligned to the number
 * of pages, as a PMD requires.
 */
int shmbuf_pgoff_to_pfn(unsigned long base_pfn, size_t size, pgoff_t pgoff,
			unsigned int order, unsigned long *pfn)
{
	if (pgoff >= size >> PAGE_SHIFT)
		return -EINVAL;
	if (((size >> PAGE_SHIFT) - pgoff) >> order == 0)
		return -EINVAL;
	if (!IS_ALIGNED(base_pfn + pgoff, 1UL << order))
		return -EINVAL;
	*pfn = base_pfn + pgoff;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_pgoff_to_pfn);

/*
 * Compute the PFN of a physical range. Return -EINVAL if the range is empty, larger
 * than a buffer, not whole pages, or beyond the physical addresses or the PFNs.
 */
int shmbuf_region_to_pfn(phys_addr_t start, u64 size, unsigned long *pfn)
{
	if (size == 0 || size > SHMBUF_MAX_SIZE)
		return -EINVAL;
	if (!IS_ALIGNED(start, PAGE_SIZE) || !IS_ALIGNED(size, PAGE_SIZE))
		return -EINVAL;
	if (size - 1 > PHYS_ADDR_MAX - start)
		return -EINVAL;
	if (((start + (size - 1)) >> PAGE_SHIFT) > ULONG_MAX)
		return -EINVAL;
	*pfn = start >> PAGE_SHIFT;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_region_to_pfn);

/*
 * Return the largest order up to @limit at which a folio at @index is aligned and ends
 * by @end. The page cache and a PMD require the alignment. @end is more than @index.
 */
unsigned int shmbuf_folio_order(pgoff_t index, pgoff_t end, unsigned int limit)
{
	unsigned int order = limit;

	while (order && (!IS_ALIGNED(index, 1UL << order) ||
			 1UL << order > end - index))
		order--;
	return order;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_folio_order);
