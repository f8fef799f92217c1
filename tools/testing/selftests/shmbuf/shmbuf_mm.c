// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations of mm on the folios of a buffer: none of them takes a page away,
 * splits a large folio for good, or leaves a counter wrong.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <pthread.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <linux/userfaultfd.h>

#include "shmbuf_selftest.h"
#include "kselftest_harness.h"

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
#ifndef __NR_mseal
#define __NR_mseal		462
#endif
#ifndef MPOL_MF_MOVE
#define MPOL_MF_MOVE		2
#endif

#define SIZE		(16 << 20)
#define SPLIT		"/sys/kernel/debug/split_huge_pages"
#define COMPACT		"/proc/sys/vm/compact_memory"
#define UNEVICTABLE	"/proc/sys/vm/compact_unevictable_allowed"
#define POISON		"/sys/kernel/debug/hwpoison/corrupt-pfn"

static long page;

FIXTURE(mm) {
	int fd;
	char *p;
};

/* Maps all of the buffer, and stores a number into each page. */
static char *map_and_fill(int fd)
{
	char *p = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);
	long i;

	if (p == MAP_FAILED)
		abort();
	for (i = 0; i < SIZE / page; i++)
		*(long *)(p + i * page) = i;
	return p;
}

static bool is_filled(const char *p)
{
	long i;

	for (i = 0; i < SIZE / page; i++) {
		if (*(const long *)(p + i * page) != i)
			return false;
	}
	return true;
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

/* kB of the mapping at an address that huge entries map. */
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

/* Maps the buffer anew, touches all of it, and looks how it is mapped. */
static long huge_kb_at_next_touch(int fd)
{
	char *p = map_and_fill(fd);
	long kb = huge_kb(p);

	munmap(p, SIZE);
	return kb;
}

struct dirty {
	long nodes, zones, negative;
};

/*
 * The counters of dirty memory, after the parts that each CPU has are added. A
 * negative one reads as 0, but the kernel log has it.
 */
static struct dirty dirty_memory(void)
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

/* Others write files meanwhile, but less than a huge page. */
#define EXPECT_SAME_DIRTY(before) do {					\
	struct dirty __d = dirty_memory();				\
									\
	EXPECT_LT(labs(__d.nodes - (before).nodes), 256);		\
	EXPECT_LT(labs(__d.zones - (before).zones), 256);		\
	EXPECT_EQ(__d.negative, (before).negative);			\
} while (0)

/* After revocation all pages are beyond i_size, which a split may drop. */
TEST_F(mm, split_after_revocation)
{
	struct dirty before = dirty_memory();
	int i, fd;

	if (access(SPLIT, W_OK))
		SKIP(return, SPLIT ": %s%s", strerror(errno),
		     is_uml() ? ", UML has no huge pages" : "");
	if (access(REVOKE, W_OK))
		SKIP(return, REVOKE ": %s", strerror(errno));
	for (i = 0; i < 4; i++) {
		fd = create_buffer(SHMBUF_BACKING_PAGES, SIZE);
		ASSERT_GE(fd, 0);
		munmap(map_and_fill(fd), SIZE);
		ASSERT_EQ(revoke_buffer(fd), 0);
		EXPECT_EQ(write_file(SPLIT, "1"), 0);
		close(fd);
	}
	EXPECT_SAME_DIRTY(before);
}

/* Large folios stay large for all, whatever one process says of its mapping. */
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
		/* Of a huge entry, and of a page table. */
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

/* All pages are still there after the caches were dropped, in each way. */
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

/* The page frame number of a page, which root may know; or 0. */
static unsigned long long pfn_of(const char *p)
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

/* mm says that it failed, as the bad page stays in the page cache. */
static void poison(unsigned long long pfn)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx", pfn);
	write_file(POISON, text);
}

/* A memory error takes one page of a large folio, and nothing else. */
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

/* And of a buffer that was revoked before. */
TEST_F(mm, memory_error_after_revocation)
{
	struct dirty before = dirty_memory();
	unsigned long long pfn = pfn_of(self->p + 5 * page);

	if (access(POISON, W_OK) || !pfn)
		SKIP(return, POISON ": %s, as under UML", strerror(errno));
	ASSERT_EQ(revoke_buffer(self->fd), 0);
	munmap(self->p, SIZE);
	poison(pfn);
	close(self->fd);
	self->fd = create_buffer(SHMBUF_BACKING_PAGES, SIZE);
	self->p = map_and_fill(self->fd);
	EXPECT_SAME_DIRTY(before);
}

/* A block that is pinned cannot be split, and later is not evicted or migrated. */
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

/* A page that is to be taken out of service stays: it cannot move. */
TEST_F(mm, soft_offline)
{
	long kb = huge_kb(self->p);

	if (access(POISON, W_OK))
		SKIP(return, POISON ": %s, as under UML", strerror(errno));
	EXPECT_EQ(madvise(self->p + 9 * page, page, 101 /* SOFT_OFFLINE */), -1);
	EXPECT_TRUE(is_filled(self->p));
	EXPECT_EQ(huge_kb_at_next_touch(self->fd), kb);
}

/* Compaction does not move a page, and leaves mappings alone if told so. */
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
	/* Of thousands of pages; another page of the program may fault. */
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

/* Nor does any other migration. */
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

/* What manages anonymous memory refuses this one, or does nothing. */
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

/* Not even a debugger writes where the process may not. */
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
 * kernel's log tells whether one of them finds the other half done.
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

/* A sealed area stays until its process ends, but loses its pages all the same. */
TEST_F(mm, mseal)
{
	int status;
	pid_t pid;

	if (access(REVOKE, W_OK))
		SKIP(return, REVOKE ": %s", strerror(errno));
	/* Not the start of a page. */
	if (syscall(__NR_mseal, 1, page, 0) && errno != EINVAL)
		SKIP(return, "mseal: %s, as under UML", strerror(errno));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (syscall(__NR_mseal, self->p, SIZE, 0))
			_exit(errno);
		if (!munmap(self->p, SIZE) || errno != EPERM)
			_exit(100);
		if (revoke_buffer(self->fd))
			_exit(101);
		_exit(signal_of(self->p) == SIGBUS ? 0 : 102);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(wait_for_counts(self->fd, 1, 1));
}

/* Pages in another order: areas of their own, and within the buffer. */
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
