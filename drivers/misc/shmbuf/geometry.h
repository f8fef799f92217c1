/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHMBUF_GEOMETRY_H
#define _SHMBUF_GEOMETRY_H

#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/types.h>

/*
 * The largest buffer. LONG_MAX keeps every byte offset representable as a
 * loff_t, an ssize_t and a size_t at once, on 32 bit too.
 */
#define SHMBUF_MAX_SIZE	((size_t)LONG_MAX & PAGE_MASK)

int shmbuf_round_size(u64 size, size_t *rounded);
int shmbuf_check_window(size_t size, pgoff_t pgoff, size_t len);
int shmbuf_check_range(size_t size, u64 offset, u64 len);
size_t shmbuf_clamp_io(size_t size, loff_t pos, size_t count);
int shmbuf_pgoff_to_pfn(unsigned long base_pfn, size_t size, pgoff_t pgoff,
			unsigned int order, unsigned long *pfn);
int shmbuf_region_to_pfn(phys_addr_t start, u64 size, unsigned long *pfn);
unsigned int shmbuf_folio_order(pgoff_t index, pgoff_t end, unsigned int limit);

#endif /* _SHMBUF_GEOMETRY_H */
