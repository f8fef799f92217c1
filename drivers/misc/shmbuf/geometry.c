// SPDX-License-Identifier: GPL-2.0-only
/*
 * All arithmetic on sizes, offsets and page frame numbers.
 *
 * A wrong comparison here is what turns a driver's mmap handler into a hole:
 * an unchecked offset maps somebody else's memory, an unchecked sum wraps.
 * So it lives in pure functions, which every entry point calls and which the
 * KUnit suite tests directly. None of them adds before it has compared: sums
 * of untrusted values are never formed, only differences known not to wrap.
 */

#include <kunit/visibility.h>
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/minmax.h>

#include "geometry.h"

/**
 * shmbuf_round_size() - turn a requested size into the size of a buffer
 * @size: bytes that were asked for
 * @rounded: where to put the size in whole pages, in bytes
 *
 * The comparison comes before PAGE_ALIGN(), which wraps to 0 near the top.
 *
 * Context: Any.
 * Return: 0, or -EINVAL for 0 and for more than SHMBUF_MAX_SIZE.
 */
int shmbuf_round_size(u64 size, size_t *rounded)
{
	if (size == 0 || size > SHMBUF_MAX_SIZE)
		return -EINVAL;
	*rounded = PAGE_ALIGN(size);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_round_size);

/**
 * shmbuf_check_window() - is a window in pages inside the buffer?
 * @size: size of the buffer in bytes, whole pages
 * @pgoff: where the window starts, in pages
 * @len: length of the window in bytes
 *
 * Context: Any.
 * Return: 0, or -EINVAL when any byte of the window is outside.
 */
int shmbuf_check_window(size_t size, pgoff_t pgoff, size_t len)
{
	if (pgoff > size >> PAGE_SHIFT)
		return -EINVAL;
	if (len > size - (pgoff << PAGE_SHIFT))
		return -EINVAL;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_check_window);

/**
 * shmbuf_check_range() - is a range in bytes inside the buffer?
 * @size: size of the buffer in bytes
 * @offset: where the range begins
 * @len: its length
 *
 * Context: Any.
 * Return: 0, or -EINVAL when any byte of the range is outside.
 */
int shmbuf_check_range(size_t size, u64 offset, u64 len)
{
	if (offset > size || len > size - offset)
		return -EINVAL;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_check_range);

/**
 * shmbuf_clamp_io() - how much of a read or write is inside the buffer?
 * @size: size of the buffer in bytes
 * @pos: file position
 * @count: bytes that were asked for
 *
 * Context: Any.
 * Return: at most @count; 0 when @pos is negative or not inside the buffer.
 */
size_t shmbuf_clamp_io(size_t size, loff_t pos, size_t count)
{
	if (pos < 0 || pos >= size)
		return 0;
	return min(count, size - (size_t)pos);
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_clamp_io);

/**
 * shmbuf_pgoff_to_pfn() - page frame number for an entry of a page table
 * @base_pfn: page frame number of the first page of a contiguous buffer
 * @size: size of the buffer in bytes, whole pages
 * @pgoff: first page of the buffer that the entry is for
 * @order: the entry is for 2^@order pages
 * @pfn: where to put the page frame number
 *
 * Context: Any, the page fault path among others.
 * Return: 0, or -EINVAL when the buffer has not all of these pages, or they do
 *	not begin at a multiple of their number, as a huge entry demands.
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

/**
 * shmbuf_region_to_pfn() - page frame number of a physical range
 * @start: physical address of the first byte
 * @size: bytes
 * @pfn: where to put the page frame number
 *
 * Context: Any.
 * Return: 0, or -EINVAL when the range is empty, too large for a buffer, not whole
 *	pages, or goes beyond what a physical address or a page frame number
 *	can say.
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

/**
 * shmbuf_folio_order() - order of the next folio of a buffer
 * @index: page offset where it starts
 * @end: page offset of the end of the buffer, more than @index
 * @limit: the largest order allowed
 *
 * Context: Any.
 * Return: the largest order at which the folio is aligned to its own size, as
 *	the page cache and a huge page table entry want it, and ends no later
 *	than @end.
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
