/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included before a test that moves several VMAs by one mremap(), which kernels before
 * 6.17 refuse.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

static inline void *oldmm_mremap(void *from, size_t old_len, size_t len, int flags, ...)
{
	char *old = from, *to, *start, *end, *at = old, *last = old + old_len, line[512];
	va_list args;
	FILE *maps;

	va_start(args, flags);
	to = va_arg(args, char *);
	va_end(args);
	if (!(flags & MREMAP_FIXED) || len != old_len)
		return mremap(old, old_len, len, flags, to);
	maps = fopen("/proc/self/maps", "r");
	while (maps && to != MAP_FAILED && fgets(line, sizeof(line), maps) &&
	       sscanf(line, "%p-%p", (void **)&start, (void **)&end) == 2) {
		if (end <= at || start >= last)
			continue;
		if (start > at && at == old)
			break;
		start = start > at ? start : at;
		at = end < last ? end : last;
		if (mremap(start, at - start, at - start, flags, to + (start - old)) == MAP_FAILED)
			to = MAP_FAILED;
	}
	if (maps)
		fclose(maps);
	if (at != old)
		return to;
	errno = EFAULT;
	return MAP_FAILED;
}

#define mremap	oldmm_mremap
