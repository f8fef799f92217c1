// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test that mm operations on the folios of a buffer do not remove a page, split
 * a large folio for good, or corrupt a counter.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <pthread.h>

#include <linux/userfaultfd.h>

#include "shmbuf_mm.h"

#ifndef MADV_COLD
#define MADV_COLD		20
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#define MADV_GUARD_REMOVE	103
#endif
#ifndef MPOL_MF_MOVE
#define MPOL_MF_MOVE		2
#endif

#define COMPACT		"/proc/sys/vm/compact_memory"
#define UNEVICTABLE	"/proc/sys/vm/compact_unevictable_allowed"

static bool is_filled(const char *p)
{
	long i;

	for (i = 0; i < SIZE / page; i++) {
		if (*(const long *)(p + i * page) != i)
			return false;
	}
	return true;
}

/* Returns how many kB of the mapping at an address PMDs map. */
static long huge_kb(const char *p)
{
	char line[256], start[32];
	bool ours = false;
	long kb = -1;
	FILE *f;

	snprintf(start, sizeof(start), "%08lx-", (unsigned long)p);
	f = fopen("/proc/self/smaps", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "-s ") || strstr(line, "-p "))
			ours = !strncmp(line, start, strlen(start));
		else if (ours && sscanf(line, "FilePmdMapped: %ld", &kb) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kb;
}

/* Maps the buffer again, touches all of it, and returns huge_kb(). */
static long huge_kb_at_next_touch(int fd)
{
	char *p = map_and_fill(fd);
	long kb = huge_kb(p);

	munmap(p, SIZE);
	return kb;
}

/* madvise() and mprotect() by a process do not split folios for others. */
TEST_F(mm, split_by_a_reader)
{
	static const int advice[] = { MADV_COLD, MADV_PAGEOUT, MADV_DONTNEED };
	struct dirty before = dirty_memory();
	long kb = huge_kb_at_next_touch(self->fd), i;
	int ro = reopen(self->fd, O_RDONLY), n;
	char *q;

	ASSERT_GE(ro, 0);
	if (!kb)
		SKIP(return, "no huge pages, as under UML");
	for (n = 0; n < ARRAY_SIZE(advice); n++) {
		q = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, ro, 0);
		ASSERT_NE(q, MAP_FAILED);
		/* Advise PMDs first, and page tables after the split. */
		ASSERT_TRUE(is_filled(q));
		for (i = 0; i < SIZE; i += SIZE / 8)
			EXPECT_EQ(madvise(q + i + page, page, advice[n]), 0);
		ASSERT_EQ(mprotect(q + 3 * page, page, PROT_NONE), 0);
		ASSERT_EQ(mprotect(q + 3 * page, page, PROT_READ), 0);
		ASSERT_TRUE(is_filled(q));
		for (i = 0; i < SIZE; i += SIZE / 8)
			EXPECT_EQ(madvise(q + i + page, page, advice[n]), 0);
		munmap(q, SIZE);
		EXPECT_EQ(huge_kb_at_next_touch(self->fd), kb)
			TH_LOG("advice %d", advice[n]);
	}
	if (!access(SPLIT, W_OK)) {
		EXPECT_EQ(write_file(SPLIT, "1"), 0);
		EXPECT_EQ(huge_kb_at_next_touch(self->fd), kb);
	}
	EXPECT_TRUE(is_filled(self->p));
	EXPECT_SAME_DIRTY(before);
	close(ro);
}

/* Neither fadvise(), drop_caches nor sync_file_range() drops a page. */
TEST_F(mm, not_dropped)
{
	munmap(self->p, SIZE);
	EXPECT_EQ(posix_fadvise(self->fd, 0, SIZE, POSIX_FADV_DONTNEED), 0);
	write_file("/proc/sys/vm/drop_caches", "1");
	EXPECT_EQ(sync_file_range(self->fd, 0, SIZE, SYNC_FILE_RANGE_WRITE), 0);
	self->p = mmap(NULL, SIZE, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(self->p, MAP_FAILED);
	EXPECT_TRUE(is_filled(self->p));
}

/* A memory error affects only one page of a large folio. */
TEST_F(mm, memory_error)
{
	struct dirty before = dirty_memory();
	const long bad = SIZE / 2 / page + 7;
	long word;

	if (access(POISON, W_OK) || !pfn_of(self->p))
		SKIP(return, POISON ": %s, as under UML", strerror(errno));
	poison(pfn_of(self->p + bad * page));
	EXPECT_EQ(signal_of(self->p + bad * page), SIGBUS);
	EXPECT_EQ(*(long *)(self->p + (bad + 1) * page), bad + 1);
	munmap(self->p, SIZE);
	write_file("/proc/sys/vm/drop_caches", "1");
	EXPECT_EQ(pread(self->fd, &word, sizeof(word), bad * page), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(pread(self->fd, &word, sizeof(word), (bad + 1) * page),
		  sizeof(word));
	EXPECT_EQ(word, bad + 1);
	self->p = mmap(NULL, SIZE, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(self->p, MAP_FAILED);
	EXPECT_EQ(*(long *)(self->p + (bad - 1) * page), bad - 1);
	EXPECT_EQ(signal_of(self->p + bad * page), SIGBUS);
	EXPECT_SAME_DIRTY(before);
}

/* A pinned folio with a memory error is not split, evicted or migrated later. */
TEST_F(mm, memory_error_of_a_pinned_block)
{
	const long bad = SIZE / 2 / page + 5;
	struct iovec word = { self->p + (bad + 4) * page, 8 };
	bool large = get_info(self->fd).map_unit > page;
	int ends[2], nodes[] = { 0 }, status[1];
	unsigned long long pfn = pfn_of(self->p + (bad + 1) * page);
	void *pages[] = { self->p + (bad + 1) * page };
	char text[8];

	if (access(POISON, W_OK) || !pfn_of(self->p))
		SKIP(return, POISON ": %s, as under UML", strerror(errno));
	ASSERT_EQ(pipe(ends), 0);
	ASSERT_EQ(vmsplice(ends[1], &word, 1, 0), 8);
	poison(pfn_of(self->p + bad * page));
	EXPECT_EQ(pread(self->fd, text, 8, (bad + 4) * page), large ? -1 : 8);
	EXPECT_EQ(read(ends[0], text, 8), 8);
	close(ends[0]);
	close(ends[1]);
	for (nodes[0] = 0; nodes[0] < 2; nodes[0]++)
		syscall(__NR_move_pages, 0, 1, pages, nodes, status,
			MPOL_MF_MOVE);
	EXPECT_EQ(pfn_of(pages[0]), pfn);
	munmap(self->p, SIZE);
	write_file("/proc/sys/vm/drop_caches", "1");
	self->p = mmap(NULL, SIZE, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(self->p, MAP_FAILED);
	EXPECT_EQ(*(long *)(self->p + (bad + 1) * page), bad + 1);
	EXPECT_EQ(signal_of(self->p + bad * page), SIGBUS);
}

/* Soft-offlining a page fails, as the page cannot be migrated. */
TEST_F(mm, soft_offline)
{
	long kb = huge_kb(self->p);

	if (access(POISON, W_OK))
		SKIP(return, POISON ": %s, as under UML", strerror(errno));
	EXPECT_EQ(madvise(self->p + 9 * page, page, 101 /* SOFT_OFFLINE */), -1);
	EXPECT_TRUE(is_filled(self->p));
	EXPECT_EQ(huge_kb_at_next_touch(self->fd), kb);
}

/* Compaction moves no page, and can be told to leave the mappings alone. */
TEST_F(mm, compaction)
{
	struct rusage before, after;
	char old[2] = "1";
	int fd;

	if (access(COMPACT, W_OK) || access(UNEVICTABLE, W_OK))
		SKIP(return, COMPACT ": %s", strerror(errno));
	fd = open(UNEVICTABLE, O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(read(fd, old, 1), 1);
	close(fd);
	EXPECT_EQ(write_file(UNEVICTABLE, "0"), 0);
	EXPECT_EQ(write_file(COMPACT, "1"), 0);
	getrusage(RUSAGE_THREAD, &before);
	getrusage(RUSAGE_THREAD, &before);
	EXPECT_TRUE(is_filled(self->p));
	getrusage(RUSAGE_THREAD, &after);
	/* The buffer has thousands of pages. A few other pages may fault. */
	EXPECT_LT(after.ru_minflt - before.ru_minflt, 8);
	EXPECT_EQ(write_file(UNEVICTABLE, "1"), 0);
	EXPECT_EQ(write_file(COMPACT, "1"), 0);
	getrusage(RUSAGE_THREAD, &before);
	EXPECT_TRUE(is_filled(self->p));
	getrusage(RUSAGE_THREAD, &after);
	TH_LOG("%ld faults after a compaction of unevictable memory",
	       after.ru_minflt - before.ru_minflt);
	EXPECT_EQ(write_file(UNEVICTABLE, old), 0);
}

/* move_pages() does not migrate a page of a buffer. */
TEST_F(mm, move_pages)
{
	unsigned long long pfn = pfn_of(self->p);
	void *pages[] = { self->p, self->p + SIZE / 2 };
	int nodes[] = { 0, 0 }, status[2], node;

	for (node = 0; node < 2; node++) {
		nodes[0] = node;
		nodes[1] = node;
		if (syscall(__NR_move_pages, 0, 2, pages, nodes, status,
			    MPOL_MF_MOVE) < 0)
			SKIP(return, "move_pages: %s, one node as under UML",
			     strerror(errno));
	}
	EXPECT_EQ(pfn_of(self->p), pfn);
	EXPECT_TRUE(is_filled(self->p));
}

/* Operations for anonymous memory fail on a buffer, or do nothing. */
TEST_F(mm, not_anonymous)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (unsigned long)self->p, SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC);

	if (uffd >= 0) {
		ASSERT_EQ(ioctl(uffd, UFFDIO_API, &api), 0);
		EXPECT_EQ(ioctl(uffd, UFFDIO_REGISTER, &reg), -1);
		EXPECT_EQ(errno, EINVAL);
		close(uffd);
	}
	EXPECT_EQ(madvise(self->p, SIZE, MADV_COLLAPSE), -1);
	EXPECT_EQ(errno, EINVAL);
	if (madvise(self->p, SIZE, MADV_MERGEABLE))
		EXPECT_EQ(errno, EINVAL);
	write_file("/proc/self/clear_refs", "1");
	write_file("/proc/self/clear_refs", "4");
	EXPECT_TRUE(is_filled(self->p));
}

/* /proc/PID/mem cannot write through a read-only or sealed mapping. */
TEST_F(mm, proc_mem)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	struct shmbuf_seal seal = { .seals = SHMBUF_SEAL_WRITE };
	long word = 99;
	char *q;

	ASSERT_GE(mem, 0);
	q = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(q, MAP_FAILED);
	EXPECT_EQ(pwrite(mem, &word, sizeof(word), (unsigned long)q), -1);
	EXPECT_EQ(errno, EIO);
	munmap(q, SIZE);
	munmap(self->p, SIZE);
	ASSERT_EQ(ioctl(self->fd, SHMBUF_IOC_SEAL, &seal), 0);
	self->p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(self->p, MAP_FAILED);
	EXPECT_EQ(pwrite(mem, &word, sizeof(word), (unsigned long)self->p), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_TRUE(is_filled(self->p));
	close(mem);
}

static bool stop_guarding;

static void *guard_page(void *p)
{
	while (!__atomic_load_n(&stop_guarding, __ATOMIC_RELAXED)) {
		madvise(p, page, MADV_GUARD_INSTALL);
		madvise(p, page, MADV_GUARD_REMOVE);
	}
	return NULL;
}

/*
 * A guard page needs a page table where a write fault would install a PMD. The
 * kernel log shows if the two race.
 */
TEST_F(mm, guard_races_with_faults)
{
	pthread_t thread;
	int i;

	__atomic_store_n(&stop_guarding, false, __ATOMIC_RELAXED);
	ASSERT_EQ(pthread_create(&thread, NULL, guard_page, self->p + 100 * page), 0);
	for (i = 0; i < 5000; i++) {
		ASSERT_EQ(mmap(self->p, SIZE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED, self->fd, 0), self->p);
		self->p[0] = i;
	}
	__atomic_store_n(&stop_guarding, true, __ATOMIC_RELAXED);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(self->p[0], (char)(i - 1));
}

/* remap_file_pages() splits a VMA, and fails beyond the end of the buffer. */
TEST_F(mm, remap_file_pages)
{
	if (syscall(__NR_remap_file_pages, self->p, page, 0, 9, 0))
		SKIP(return, "remap_file_pages: %s", strerror(errno));
	EXPECT_EQ(*(long *)self->p, 9);
	EXPECT_EQ(get_info(self->fd).mappings, 2);
	EXPECT_EQ(syscall(__NR_remap_file_pages, self->p, page, 0, SIZE / page,
			  0), -1);
	EXPECT_EQ(errno, EINVAL);
}

SHMBUF_HARNESS_MAIN
