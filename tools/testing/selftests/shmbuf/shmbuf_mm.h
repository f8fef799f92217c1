/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fixture with a buffer large enough for huge pages, and helpers that read mm counters
 * and inject memory errors.
 */
#ifndef _SHMBUF_MM_H
#define _SHMBUF_MM_H

#include <sys/klog.h>

#include "shmbuf_fixtures.h"

#define SIZE		(16 << 20)
#define SPLIT		"/sys/kernel/debug/split_huge_pages"
#define POISON		"/sys/kernel/debug/hwpoison/corrupt-pfn"

FIXTURE(mm) {
	int fd;
	char *p;
};

/* Maps all of the buffer, and stores a number into each page. */
static inline char *map_and_fill(int fd)
{
	char *p = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);
	long i;

	if (p == MAP_FAILED)
		abort();
	for (i = 0; i < SIZE / page; i++)
		*(long *)(p + i * page) = i;
	return p;
}

FIXTURE_SETUP(mm)
{
	page = sysconf(_SC_PAGESIZE);
	self->fd = -1;
	if (over_memlock_limit(SIZE))
		SKIP(return, "RLIMIT_MEMLOCK is less than 16 MiB");
	self->fd = create_buffer(SHMBUF_BACKING_PAGES, SIZE);
	if (self->fd < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	self->p = map_and_fill(self->fd);
}

FIXTURE_TEARDOWN(mm)
{
	if (self->fd < 0)
		return;
	munmap(self->p, SIZE);
	close(self->fd);
}

struct dirty {
	long nodes, zones, negative;
};

/*
 * Returns the counters of dirty memory, after the per-CPU counts are folded in.
 * A negative counter reads as 0, but the kernel logs it.
 */
static inline struct dirty dirty_memory(void)
{
	static char log[1 << 18];
	struct dirty d = {};
	char *line;
	int fd, n;

	fd = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, log, 1);
		close(fd);
	}
	n = klogctl(3, log, sizeof(log) - 1);
	log[n > 0 ? n : 0] = 0;
	for (line = log; (line = strstr(line, "vmstat_refresh: nr_")); line++)
		d.negative++;
	d.nodes = read_number("/proc/vmstat", "nr_dirty ");
	d.zones = read_number("/proc/vmstat", "nr_zone_write_pending ");
	return d;
}

/* Other processes dirty pages meanwhile, but fewer than a huge page has. */
#define EXPECT_SAME_DIRTY(before) do {					\
	struct dirty __d = dirty_memory();				\
									\
	EXPECT_LT(labs(__d.nodes - (before).nodes), 256);		\
	EXPECT_LT(labs(__d.zones - (before).zones), 256);		\
	EXPECT_EQ(__d.negative, (before).negative);			\
} while (0)

/* Returns the page frame number of a page, or 0 without root. */
static inline unsigned long long pfn_of(const char *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, 8, (unsigned long)p / page * 8) != 8)
		entry = 0;
	close(fd);
	return entry & ((1ULL << 55) - 1);
}

/* The write fails, as the bad page stays in the page cache. */
static inline void poison(unsigned long long pfn)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", pfn);
	write_file(POISON, text);
}

#endif /* _SHMBUF_MM_H */
