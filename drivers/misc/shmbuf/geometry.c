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
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/log2.h>
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
 * shmbuf_pgoff_to_pfn() - page frame number of a page of a contiguous buffer
 * @base_pfn: page frame number of the buffer's first page
 * @size: size of the buffer in bytes, whole pages
 * @pgoff: which page of the buffer
 * @pfn: where to put the page frame number
 *
 * Context: Any, the page fault path among others.
 * Return: 0, or -EINVAL when the buffer has no such page.
 */
int shmbuf_pgoff_to_pfn(unsigned long base_pfn, size_t size, pgoff_t pgoff,
			unsigned long *pfn)
{
	if (pgoff >= size >> PAGE_SHIFT)
		return -EINVAL;
	*pfn = base_pfn + pgoff;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_pgoff_to_pfn);

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
	unsigned int order = min_t(unsigned int, limit, ilog2(end - index));

	return index ? min_t(unsigned int, order, __ffs(index)) : order;
}
EXPORT_SYMBOL_IF_KUNIT(shmbuf_folio_order);
