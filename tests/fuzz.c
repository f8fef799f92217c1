// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compare random operations on buffers with a model: results, contents, counts
 * of mappings, and signals. A seed gives the same operations each time, so that
 * a divergence can be replayed.
 *
 *	fuzz [-s SEED] [-n OPERATIONS] [-r ROUNDS] [-m MINUTES] [-c]
 *
 * Each round has its own seed, which is the seed of the previous round plus
 * one. By default one round has seed 1, and another has the time as its seed.
 * After each operation one file is compared with the model, and with -c all
 * files.
 */

#define _GNU_SOURCE
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "shmbuf_selftest.h"
#include "kselftest.h"

#define BUFFERS_MAX	6
#define FILES_MAX	12
#define SMALL_PAGES	64		/* part of the arena with small mappings */
#define LARGE_SIZE	(3UL << 20)	/* has room for a PMD mapping */
#define ARENA_PAGES	(SMALL_PAGES + 1024)
#define HISTORY		24

struct buffer {
	size_t size;			/* 0: not in use */
	uint32_t backing;
	uint32_t seals;
	uint64_t sequence;
	bool revoked;
	char name[SHMBUF_NAME_LEN];
	unsigned char *bytes;
};

struct file {
	int fd;				/* -1: not open */
	struct buffer *buf;
	int mode;			/* O_RDONLY, O_WRONLY or O_RDWR */
	off_t pos;
	uint64_t seen;
};

/* The mapping at a page of the arena. A VMA is a run of pages with the same id. */
struct slot {
	struct buffer *buf;		/* NULL: a hole */
	size_t pgoff;
	int prot;
	bool maywrite;
	unsigned int id;
};

static struct buffer buffers[BUFFERS_MAX];
static struct file files[FILES_MAX];
static struct slot slots[ARENA_PAGES];
static unsigned int last_id;
static unsigned char *arena;
static size_t page, arena_pages;
static int dev, pipes[2];
static bool have_backing[4], can_revoke, is_root, uml, check_each_file;

static char prefix[16];		/* of the names of buffers */
static uint64_t seed, random_state;
static unsigned long step;
static char history[HISTORY][128];

static uint64_t next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dULL;
}

static size_t below(size_t n)
{
	return (next_random() >> 16) % n;
}

static bool one_in(size_t n)
{
	return !below(n);
}

/* Records the operation, to be printed if the model and the driver differ. */
static __printf(1, 2) void note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(history[step % HISTORY], sizeof(history[0]), fmt, args);
	va_end(args);
}

static __noreturn void diverged(const char *what, long got, long expected)
{
	unsigned long i;

	for (i = step < HISTORY ? 0 : step - HISTORY + 1; i <= step; i++)
		ksft_print_msg("%lu: %s\n", i, history[i % HISTORY]);
	ksft_print_msg("%s: %ld, not %ld as expected\n", what, got, expected);
	ksft_print_msg("replay: fuzz -r 1 -s %llu -n %lu\n",
		       (unsigned long long)seed, step + 1);
	ksft_test_result_fail("the driver and the model differ\n");
	ksft_exit_fail();
}

static void expect(const char *what, long got, long expected)
{
	if (got != expected)
		diverged(what, got, expected);
}

/* The result of a system call, or -errno. */
#define RESULT(call) ({							\
	long __ret = (call);						\
									\
	__ret == -1 ? -errno : __ret;					\
})

static int index_of(const struct buffer *buf)
{
	return buf - buffers;
}

/* The model of the arena */

static bool starts_area(size_t i)
{
	return slots[i].buf && (!i || slots[i - 1].id != slots[i].id);
}

static size_t area_end(size_t i)
{
	unsigned int id = slots[i].id;

	while (i < arena_pages && slots[i].id == id)
		i++;
	return i;
}

/* Splits the VMA at a page. */
static void cut(size_t at)
{
	size_t end;

	if (at >= arena_pages || !slots[at].buf || starts_area(at))
		return;
	last_id++;
	for (end = area_end(at); at < end; at++)
		slots[at].id = last_id;
}

static void cut_range(size_t start, size_t n)
{
	cut(start);
	cut(start + n);
}

static void count(const struct buffer *buf, uint32_t *all, uint32_t *writable)
{
	size_t i;

	*all = 0;
	*writable = 0;
	for (i = 0; i < arena_pages; i++) {
		if (slots[i].buf != buf || !starts_area(i))
			continue;
		*all += 1;
		*writable += slots[i].maywrite;
	}
}

/*
 * mm merges VMAs of PAGES by rules that the model does not have. Therefore the counts are
 * compared with the VMAs of the process.
 */
static void count_areas(const struct file *file, uint32_t *all,
			uint32_t *writable)
{
	char line[512], inode[32], perms[5];
	bool ours = false;
	struct stat st;
	FILE *f;

	if (file->buf->backing != SHMBUF_BACKING_PAGES) {
		count(file->buf, all, writable);
		return;
	}
	*all = 0;
	*writable = 0;
	expect("fstat", RESULT(fstat(file->fd, &st)), 0);
	snprintf(inode, sizeof(inode), " %llu ", (unsigned long long)st.st_ino);
	f = fopen("/proc/self/smaps", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*x-%*x %4s ", perms) == 1) {
			ours = strstr(line, inode) && strstr(line, "/shmbuf:");
			*all += ours;
		} else if (ours && !strncmp(line, "VmFlags:", 8)) {
			*writable += !!strstr(line, " mw");
		}
	}
	if (f)
		fclose(f);
}

/* A buffer is freed with its last file and mapping. */
static void forget_unused(void)
{
	uint32_t all, writable;
	int i, f;

	for (i = 0; i < BUFFERS_MAX; i++) {
		for (f = 0; f < FILES_MAX; f++) {
			if (files[f].fd >= 0 && files[f].buf == &buffers[i])
				break;
		}
		count(&buffers[i], &all, &writable);
		if (f == FILES_MAX && !all)
			buffers[i].size = 0;
	}
}

static void clear_range(size_t start, size_t n)
{
	cut_range(start, n);
	memset(&slots[start], 0, n * sizeof(slots[0]));
	forget_unused();
}

/* Picks a range, mostly in the small part, sometimes in the whole arena. */
static void pick_range(size_t *start, size_t *n)
{
	if (one_in(8)) {
		*start = below(arena_pages);
		*n = 1 + below(arena_pages - *start);
	} else {
		*start = below(SMALL_PAGES);
		*n = 1 + below(SMALL_PAGES - *start < 16 ?
			       SMALL_PAGES - *start : 16);
	}
}

/* Picks a mapped page, if the arena has any. */
static size_t pick_page(void)
{
	size_t start = below(one_in(4) ? arena_pages : SMALL_PAGES), i;

	for (i = start; i < arena_pages; i++) {
		if (slots[i].buf)
			return i;
	}
	return start;
}

/* Files and buffers */

static struct file *pick_file(void)
{
	int start = below(FILES_MAX), i;

	for (i = 0; i < FILES_MAX; i++) {
		struct file *file = &files[(start + i) % FILES_MAX];

		if (file->fd >= 0)
			return file;
	}
	return NULL;
}

static struct file *free_file(void)
{
	int i;

	for (i = 0; i < FILES_MAX; i++) {
		if (files[i].fd < 0)
			return &files[i];
	}
	return NULL;
}

static struct buffer *free_buffer(void)
{
	int i;

	for (i = 0; i < BUFFERS_MAX; i++) {
		if (!buffers[i].size)
			return &buffers[i];
	}
	return NULL;
}

static struct shmbuf_create random_create(void)
{
	struct shmbuf_create c = {
		.numa_node = SHMBUF_NUMA_ANY,
		.fd = -1,
	};
	size_t i, len = below(SHMBUF_NAME_LEN);

	do {
		c.backing = below(4);
	} while (!have_backing[c.backing]);
	c.size = 1 + below(page < 16384 ? 24 * page : 8 * page);
	/* An unprivileged user may not be able to lock that much memory. */
	if (c.backing == SHMBUF_BACKING_PAGES && is_root && one_in(8))
		c.size = LARGE_SIZE - below(page);
	strcpy((char *)c.name, prefix);
	for (i = strlen(prefix); i < len; i++)
		c.name[i] = 'a' + below(26);
	return c;
}

static bool do_create(void)
{
	struct shmbuf_create c = random_create();
	struct buffer *buf = free_buffer();
	struct file *file = free_file();

	if (!buf || !file)
		return false;
	note("create %d: backing %u, size %llu", index_of(buf), c.backing,
	     (unsigned long long)c.size);
	buf->size = (c.size + page - 1) / page * page;
	expect("CREATE", RESULT(ioctl(dev, SHMBUF_IOC_CREATE, &c)), 0);
	expect("size", c.size, buf->size);
	buf->backing = c.backing;
	buf->seals = 0;
	buf->sequence = 0;
	buf->revoked = false;
	strcpy(buf->name, (char *)c.name);
	memset(buf->bytes, 0, buf->size);
	*file = (struct file) { .fd = c.fd, .buf = buf, .mode = O_RDWR };
	return true;
}

static bool create_refused(void)
{
	struct shmbuf_create c = random_create(), before;
	int err = EINVAL, fd = lowest_free_fd();

	switch (below(8)) {
	case 0:
		c.size = 0;
		break;
	case 1:
		c.size = UINT64_MAX - below(page);
		break;
	case 2:
		c.backing = 5 + below(1000);
		break;
	case 3:
		c.backing = SHMBUF_BACKING_REGION;
		err = EOPNOTSUPP;
		break;
	case 4:
		c.cache = 4 + below(1000);
		break;
	case 5:
		c.flags = 1 << below(32);
		break;
	case 6:
		c.reserved = 1 << below(32);
		break;
	case 7:
		memset(c.name, 'x', sizeof(c.name));
		break;
	}
	before = c;
	note("create, to be refused: size %llu, backing %u, cache %u, flags %x",
	     (unsigned long long)c.size, c.backing, c.cache, c.flags);
	expect("CREATE", RESULT(ioctl(dev, SHMBUF_IOC_CREATE, &c)), -err);
	expect("the argument", memcmp(&c, &before, sizeof(c)), 0);
	expect("free descriptor", lowest_free_fd(), fd);
	return true;
}

static bool open_again(void)
{
	struct file *file = free_file(), *old = pick_file();
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int mode = modes[below(3)];
	long fd;

	if (!file || !old)
		return false;
	note("open %d: mode %d", index_of(old->buf), mode);
	fd = RESULT(reopen(old->fd, mode));
	if (old->buf->revoked) {
		expect("open", fd, -ENODEV);
		return true;
	}
	if (fd < 0)
		diverged("open", fd, 0);
	*file = (struct file) {
		.fd = fd,
		.buf = old->buf,
		.mode = mode,
		.seen = old->buf->sequence,
	};
	return true;
}

static bool close_file(void)
{
	struct file *file = pick_file();

	if (!file)
		return false;
	note("close %d", index_of(file->buf));
	expect("close", RESULT(close(file->fd)), 0);
	file->fd = -1;
	forget_unused();
	return true;
}

/* Mappings */

/* The errors of mm come first, then those of the driver. */
static int map_errno(const struct file *file, int prot, int flags,
		     size_t pgoff, size_t n)
{
	const struct buffer *buf = file->buf;

	if (flags == MAP_SHARED && (prot & PROT_WRITE) &&
	    file->mode == O_RDONLY)
		return -EACCES;
	if (file->mode == O_WRONLY)
		return -EACCES;
	if (prot & PROT_EXEC)
		return -EPERM;
	if (buf->revoked)
		return -ENODEV;
	if (flags == MAP_PRIVATE)
		return -EINVAL;
	if (pgoff + n > buf->size / page)
		return -EINVAL;
	if ((prot & PROT_WRITE) && (buf->seals & SHMBUF_SEAL_WRITE))
		return -EPERM;
	return 0;
}

static int random_prot(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW, RW, RW };

	return one_in(16) ? PROT_READ | PROT_EXEC : prots[below(5)];
}

static bool do_map(void)
{
	struct file *file = pick_file();
	int prot = random_prot(), flags = one_in(16) ? MAP_PRIVATE : MAP_SHARED;
	size_t start, n, pgoff, i;
	struct buffer *buf;
	int err;

	if (!file)
		return false;
	buf = file->buf;
	pick_range(&start, &n);
	pgoff = below(buf->size / page + 2);
	if (buf->size > 64 * page && one_in(2)) {
		/* Map all of a large buffer where PMDs can map it. */
		start = SMALL_PAGES;
		n = buf->size / page;
		pgoff = 0;
	} else if (!one_in(8) && pgoff < buf->size / page &&
		   n > buf->size / page - pgoff) {
		n = buf->size / page - pgoff;
	}
	note("map %d at %zu: %zu pages from %zu, prot %d, flags %d, mode %d",
	     index_of(buf), start, n, pgoff, prot, flags, file->mode);
	err = map_errno(file, prot, flags, pgoff, n);
	if (mmap(arena + start * page, n * page, prot, flags | MAP_FIXED,
		 file->fd, (off_t)(pgoff * page)) == MAP_FAILED)
		expect("mmap", -errno, err);
	else
		expect("mmap", 0, err);
	/* mm unmaps the range before it calls the driver. */
	if (err != -EACCES && !(prot & PROT_EXEC))
		clear_range(start, n);
	if (err)
		return true;
	last_id++;
	for (i = 0; i < n; i++) {
		slots[start + i] = (struct slot) {
			.buf = buf,
			.pgoff = pgoff + i,
			.prot = prot,
			.maywrite = file->mode == O_RDWR &&
				    !(buf->seals & SHMBUF_SEAL_WRITE),
			.id = last_id,
		};
	}
	return true;
}

static bool do_unmap(void)
{
	size_t start, n;

	pick_range(&start, &n);
	note("unmap %zu pages at %zu", n, start);
	expect("munmap", RESULT(munmap(arena + start * page, n * page)), 0);
	clear_range(start, n);
	return true;
}

/* Protects one VMA after the other, up to the first that fails. */
static int model_protect(size_t start, size_t n, int prot)
{
	size_t i = start, end, last = start + n;

	while (i < last) {
		if (!slots[i].buf)
			return -ENOMEM;
		if ((prot & PROT_EXEC) ||
		    ((prot & PROT_WRITE) && !slots[i].maywrite))
			return -EACCES;
		end = area_end(i);
		if (end > last)
			end = last;
		if (slots[i].prot != prot)
			cut_range(i, end - i);
		for (; i < end; i++)
			slots[i].prot = prot;
	}
	return 0;
}

static bool do_protect(void)
{
	int prot = random_prot(), err;
	size_t start, n;

	pick_range(&start, &n);
	note("protect %zu pages at %zu: %d", n, start, prot);
	err = model_protect(start, n, prot);
	expect("mprotect",
	       RESULT(mprotect(arena + start * page, n * page, prot)), err);
	return true;
}

static bool do_move(void)
{
	size_t start, n, to, other, i;
	void *ret;

	pick_range(&start, &n);
	pick_range(&to, &other);
	if (to + n > arena_pages || (start < to + n && to < start + n))
		return false;
	for (i = 0; uml && i < n; i++) {
		if (slots[to + i].buf)
			return false;
	}
	note("move %zu pages from %zu to %zu", n, start, to);
	ret = mremap(arena + start * page, n * page, n * page,
		     MREMAP_MAYMOVE | MREMAP_FIXED, arena + to * page);
	if (!slots[start].buf) {
		expect("mremap", ret == MAP_FAILED ? -errno : 0, -EFAULT);
		return true;
	}
	expect("mremap", ret == arena + to * page ? 0 : -errno, 0);
	cut_range(start, n);
	for (i = 0; i < n; i++) {
		/* A hole in the source does not unmap its target. */
		if (!slots[start + i].buf)
			continue;
		if (starts_area(start + i))
			cut_range(to + i, area_end(start + i) - start - i);
		slots[to + i] = slots[start + i];
	}
	/* Each VMA has its own id. */
	for (i = 0; i < n; i++) {
		if (slots[start + i].buf &&
		    (!i || slots[start + i].id != slots[start + i - 1].id))
			last_id++;
		if (slots[start + i].buf)
			slots[to + i].id = last_id;
	}
	clear_range(start, n);
	return true;
}

/*
 * A PFN mapping cannot grow, be duplicated, or leave its memory behind. A
 * mapping of PAGES can, and shmbuf_file tests that.
 */
static bool resize(void)
{
	size_t start = pick_page(), n;
	unsigned char *at = arena + start * page;
	void *ret;
	int err;

	if (!slots[start].buf)
		return false;
	n = area_end(start) - start;
	switch (slots[start].buf->backing == SHMBUF_BACKING_PAGES ? 3 : below(4)) {
	case 0:
		note("grow %zu pages at %zu", n, start);
		ret = mremap(at, n * page, (n + 1) * page, MREMAP_MAYMOVE);
		err = EFAULT;
		break;
	case 1:
		note("double %zu pages at %zu", n, start);
		ret = mremap(at, 0, n * page, MREMAP_MAYMOVE);
		err = EFAULT;
		break;
	case 2:
		note("move %zu pages at %zu but leave them", n, start);
		ret = mremap(at, n * page, n * page,
			     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
		err = EINVAL;
		break;
	default:
		note("shrink %zu pages at %zu to 1", n, start);
		ret = mremap(at, n * page, page, 0);
		err = 0;
		if (n > 1)
			clear_range(start + 1, n - 1);
		break;
	}
	expect("mremap", ret == MAP_FAILED ? -errno : 0, -err);
	return true;
}

/* MADV_DONTNEED fails on PFN mappings. */
static bool dontneed(void)
{
	size_t i = pick_page();
	int err = 0;

	if (!slots[i].buf)
		err = ENOMEM;
	else if (slots[i].buf->backing != SHMBUF_BACKING_PAGES)
		err = EINVAL;
	note("MADV_DONTNEED at %zu", i);
	expect("madvise",
	       RESULT(madvise(arena + i * page, page, MADV_DONTNEED)), -err);
	return true;
}

/* Contents */

static sigjmp_buf after_signal;

static void on_signal(int sig)
{
	siglongjmp(after_signal, sig);
}

/* Returns the signal that it raised, or 0. */
static int access_memory(unsigned char *p, unsigned char *bytes, size_t n,
			 bool store)
{
	int sig = sigsetjmp(after_signal, 0);
	size_t i;

	if (sig)
		return sig;
	for (i = 0; i < n; i++) {
		if (store)
			__atomic_store_n(p + i, bytes[i], __ATOMIC_RELAXED);
		else
			bytes[i] = __atomic_load_n(p + i, __ATOMIC_RELAXED);
	}
	return 0;
}

static int expected_signal(const struct slot *slot, bool store)
{
	if (!slot->buf || slot->prot == PROT_NONE)
		return SIGSEGV;
	if (store && !(slot->prot & PROT_WRITE))
		return SIGSEGV;
	return slot->buf->revoked ? SIGBUS : 0;
}

static void random_bytes(unsigned char *bytes, size_t n)
{
	while (n--)
		*bytes++ = next_random() >> 56;
}

static bool touch(void)
{
	size_t i = pick_page(), n = 1 + below(64), at = below(page - n);
	bool store = one_in(2);
	struct slot *slot = &slots[i];
	unsigned char bytes[64], *model;
	int sig = expected_signal(slot, store);

	note("%s %zu bytes at %zu + %zu", store ? "store" : "load", n, i, at);
	random_bytes(bytes, n);
	expect("signal",
	       access_memory(arena + i * page + at, bytes, n, store), sig);
	if (sig)
		return true;
	model = slot->buf->bytes + slot->pgoff * page + at;
	if (store)
		memcpy(model, bytes, n);
	else
		expect("contents", memcmp(model, bytes, n), 0);
	return true;
}

/* Returns the result of read() or write() with a valid address. */
static long io_result(const struct file *file, off_t pos, size_t n, bool write)
{
	const struct buffer *buf = file->buf;
	bool inside = pos < (off_t)buf->size;

	if (file->mode == (write ? O_RDONLY : O_WRONLY))
		return -EBADF;
	if (buf->revoked)
		return -ENODEV;
	if (!n)
		return 0;
	if (write && !inside)
		return -ENOSPC;
	if (write && (buf->seals & SHMBUF_SEAL_WRITE))
		return -EPERM;
	if (!inside)
		return 0;
	return n < buf->size - pos ? n : buf->size - pos;
}

static off_t random_pos(const struct buffer *buf)
{
	return one_in(8) ? buf->size - 1 + below(2 * page) : below(buf->size);
}

static bool read_or_write(void)
{
	static unsigned char bytes[3 << 16];
	struct file *file = pick_file();
	bool write_it = one_in(2), at_pos = one_in(2);
	size_t n = below(one_in(4) ? sizeof(bytes) : 100);
	off_t pos;
	long ret, expected;

	if (!file)
		return false;
	pos = at_pos ? file->pos : random_pos(file->buf);
	note("%s%s %d: %zu bytes at %lld, mode %d", at_pos ? "" : "p",
	     write_it ? "write" : "read", index_of(file->buf), n,
	     (long long)pos, file->mode);
	if (write_it)
		random_bytes(bytes, n);
	expected = io_result(file, pos, n, write_it);
	if (at_pos)
		ret = write_it ? write(file->fd, bytes, n) :
				 read(file->fd, bytes, n);
	else
		ret = write_it ? pwrite(file->fd, bytes, n, pos) :
				 pread(file->fd, bytes, n, pos);
	expect("result", RESULT(ret), expected);
	if (expected <= 0)
		return true;
	if (at_pos)
		file->pos += expected;
	if (write_it)
		memcpy(file->buf->bytes + pos, bytes, expected);
	else
		expect("contents",
		       memcmp(file->buf->bytes + pos, bytes, expected), 0);
	return true;
}

/*
 * Copies through the kernel from or to a mapping, perhaps of the same buffer.
 */
static bool read_or_write_mapped(void)
{
	struct file *file = pick_file();
	size_t i = pick_page(), n = 1 + below(256), at = below(page - n);
	unsigned char *p = arena + i * page + at, *model, *other;
	bool write_it = one_in(2);
	struct slot *slot = &slots[i];
	long expected;
	off_t pos;

	if (!file)
		return false;
	pos = below(file->buf->size - n);
	/* The kernel may copy overlapping memory in any order. */
	if (slot->buf == file->buf && pos / page == slot->pgoff)
		return false;
	if (slot->buf == file->buf && (pos + n) / page == slot->pgoff)
		return false;
	/* The UML kernel can access PROT_NONE memory as well. */
	if (slot->buf && slot->prot == PROT_NONE)
		return false;
	note("%s %d: %zu bytes at %lld, memory at %zu + %zu",
	     write_it ? "write" : "read", index_of(file->buf), n,
	     (long long)pos, i, at);
	expected = io_result(file, pos, n, write_it);
	if (expected > 0 && expected_signal(slot, !write_it))
		expected = -EFAULT;
	expect("result",
	       RESULT(write_it ? pwrite(file->fd, p, n, pos) :
				 pread(file->fd, p, n, pos)), expected);
	if (expected <= 0)
		return true;
	model = file->buf->bytes + pos;
	other = slot->buf->bytes + slot->pgoff * page + at;
	memcpy(write_it ? model : other, write_it ? other : model, n);
	return true;
}

static bool do_seek(void)
{
	struct file *file = pick_file();
	off_t size, pos, expected;

	if (!file)
		return false;
	/* A revoked buffer has size 0. */
	size = file->buf->revoked ? 0 : file->buf->size;
	pos = random_pos(file->buf) - below(2 * page);
	note("seek %d: %lld from its end", index_of(file->buf), (long long)pos);
	expected = size + pos < 0 ? -EINVAL : size + pos;
	expect("lseek", RESULT(lseek(file->fd, pos, SEEK_END)), expected);
	if (expected >= 0)
		file->pos = expected;
	/* Mostly return to a position within the buffer. */
	if (!one_in(4)) {
		file->pos = random_pos(file->buf);
		expect("lseek", RESULT(lseek(file->fd, file->pos, SEEK_SET)),
		       file->pos);
	}
	return true;
}

static bool splice_out(void)
{
	static unsigned char bytes[2048];
	struct file *file = pick_file();
	size_t n = 1 + below(sizeof(bytes) - 1);
	loff_t pos;
	long expected;

	if (!file)
		return false;
	pos = random_pos(file->buf);
	expected = io_result(file, pos, n, false);
	note("splice %d: %zu bytes at %lld", index_of(file->buf), n,
	     (long long)pos);
	expect("splice", RESULT(splice(file->fd, &pos, pipes[1], NULL, n, 0)),
	       expected);
	if (expected <= 0)
		return true;
	expect("read", RESULT(read(pipes[0], bytes, n)), expected);
	expect("contents", memcmp(file->buf->bytes + pos - expected, bytes,
				  expected), 0);
	return true;
}

/* Seals, signals, SYNC */

static bool do_seal(void)
{
	struct file *file = pick_file();
	struct shmbuf_seal arg = { .seals = below(4) };
	uint32_t all, writable, added;
	struct buffer *buf;
	int err = 0;

	if (!file)
		return false;
	buf = file->buf;
	/* Seal seldom, so that most buffers can be written for a while. */
	if (!one_in(8))
		arg.seals = 0;
	if (one_in(16))
		arg.seals |= 4 << below(30);
	count(buf, &all, &writable);
	added = arg.seals & ~buf->seals;
	if (buf->revoked)
		err = ENODEV;
	else if (arg.seals > 3)
		err = EINVAL;
	else if (arg.seals && file->mode == O_RDONLY)
		err = EPERM;
	else if (added && (buf->seals & SHMBUF_SEAL_SEAL))
		err = EPERM;
	else if ((added & SHMBUF_SEAL_WRITE) && writable)
		err = EBUSY;
	note("seal %d: %x, has %x", index_of(buf), arg.seals, buf->seals);
	expect("SEAL", RESULT(ioctl(file->fd, SHMBUF_IOC_SEAL, &arg)), -err);
	if (err)
		return true;
	buf->seals |= added;
	expect("seals", arg.seals, buf->seals);
	return true;
}

static bool notify(void)
{
	struct file *file = pick_file();
	struct shmbuf_notify arg = { .flags = one_in(32) ? 2 : 0 };
	bool is_signal = one_in(2);
	int err = 0;

	if (!file)
		return false;
	if (file->buf->revoked)
		err = ENODEV;
	else if (arg.flags)
		err = EINVAL;
	else if (!is_signal && file->buf->sequence != file->seen && one_in(2))
		arg.flags = SHMBUF_NOTIFY_WAIT;
	note("%s %d, flags %x", is_signal ? "signal" : "ack", index_of(file->buf), arg.flags);
	expect("SIGNAL or ACK",
	       RESULT(ioctl(file->fd, is_signal ? SHMBUF_IOC_SIGNAL :
			    SHMBUF_IOC_ACK, &arg)), -err);
	if (err)
		return true;
	file->buf->sequence += is_signal;
	expect("sequence", arg.sequence, file->buf->sequence);
	expect("count", arg.count,
	       is_signal ? 0 : file->buf->sequence - file->seen);
	if (!is_signal)
		file->seen = file->buf->sequence;
	return true;
}

static bool wait_for_signal(void)
{
	struct file *file = pick_file();
	struct pollfd p = { .events = POLLIN | POLLOUT };
	int events;

	if (!file)
		return false;
	p.fd = file->fd;
	events = file->buf->revoked ? POLLHUP : POLLOUT;
	if (file->seen != file->buf->sequence)
		events |= POLLIN;
	note("poll %d", index_of(file->buf));
	expect("poll", RESULT(poll(&p, 1, 0)), 1);
	expect("events", p.revents, events);
	return true;
}

static bool sync_range(void)
{
	struct file *file = pick_file();
	struct shmbuf_sync arg, all;
	int err = 0;

	if (!file)
		return false;
	arg = (struct shmbuf_sync) {
		.offset = random_pos(file->buf),
		.length = one_in(16) ? UINT64_MAX - below(page) : below(page),
		.direction = one_in(16) ? below(8) : 1 + below(3),
		.phase = one_in(16) ? below(4) : below(2),
	};
	if (file->buf->revoked)
		err = ENODEV;
	else if (arg.direction < 1 || arg.direction > 3 || arg.phase > 1 ||
		 arg.offset > file->buf->size ||
		 arg.length > file->buf->size - arg.offset)
		err = EINVAL;
	note("sync %d: %llu + %llu, %u %u", index_of(file->buf),
	     (unsigned long long)arg.offset, (unsigned long long)arg.length,
	     arg.direction, arg.phase);
	/* Write back the cache first, as a SYNC may discard data in it. */
	all = (struct shmbuf_sync) {
		.length = file->buf->size,
		.direction = SHMBUF_SYNC_WRITE,
		.phase = SHMBUF_SYNC_END,
	};
	ioctl(file->fd, SHMBUF_IOC_SYNC, &all);
	expect("SYNC", RESULT(ioctl(file->fd, SHMBUF_IOC_SYNC, &arg)), -err);
	return true;
}

static bool take_away(void)
{
	struct file *file = pick_file();

	if (!file || !can_revoke || !one_in(16))
		return false;
	note("revoke %d", index_of(file->buf));
	expect("revoke", RESULT(revoke_buffer(file->fd)), 0);
	file->buf->revoked = true;
	return true;
}

/* Compares the result of INFO with the model. */
static void check_info(const struct file *file, uint32_t times)
{
	struct shmbuf_info info = get_info(file->fd);
	const struct buffer *buf = file->buf;
	uint32_t all, writable, capabilities = 0;

	if (buf->revoked)
		capabilities = SHMBUF_CAP_REVOKED;
	else if (buf->backing == SHMBUF_BACKING_PAGES)
		capabilities = SHMBUF_CAP_PINNABLE;
	count_areas(file, &all, &writable);
	expect("mappings", info.mappings, all * times);
	expect("writable mappings", info.writable_mappings, writable * times);
	expect("size", info.size, buf->size);
	expect("backing", info.backing, buf->backing);
	expect("seals", info.seals, buf->seals);
	expect("sequence", info.sequence, buf->sequence);
	expect("name", strcmp((char *)info.name, buf->name), 0);
	/* The machine decides whether a buffer needs SYNC. */
	info.capabilities &= ~SHMBUF_CAP_NEEDS_SYNC;
	expect("capabilities", info.capabilities, capabilities);
}

static bool do_look(void)
{
	struct file *file = pick_file();
	struct stat st;

	if (!file)
		return false;
	note("look at %d", index_of(file->buf));
	check_info(file, 1);
	expect("fstat", RESULT(fstat(file->fd, &st)), 0);
	expect("st_size", st.st_size, file->buf->revoked ? 0 : file->buf->size);
	return true;
}

/* A child duplicates all mappings until it exits. */
static bool fork_child(void)
{
	struct file *file = pick_file();
	uint32_t all, writable;
	int status;
	pid_t pid;

	if (!file || !one_in(16))
		return false;
	note("fork, with a look at %d", index_of(file->buf));
	pid = fork();
	if (!pid) {
		check_info(file, 2);
		_exit(0);
	}
	expect("waitpid", RESULT(waitpid(pid, &status, 0)), pid);
	expect("status of the child", status, 0);
	count_areas(file, &all, &writable);
	wait_for_counts(file->fd, all, writable);
	check_info(file, 1);
	return true;
}

/* Sometimes compares all files and all contents. */
static bool check_all(void)
{
	static unsigned char bytes[1 << 16];
	int f, n = 0, i;
	off_t pos;
	long len;

	if (!one_in(32))
		return false;
	note("check all");
	for (f = 0; f < FILES_MAX; f++) {
		if (files[f].fd < 0)
			continue;
		check_info(&files[f], 1);
		if (files[f].mode == O_WRONLY || files[f].buf->revoked)
			continue;
		for (pos = 0; pos < (off_t)files[f].buf->size; pos += len) {
			len = RESULT(pread(files[f].fd, bytes, sizeof(bytes),
					   pos));
			if (len <= 0)
				diverged("pread", len, sizeof(bytes));
			expect("contents", memcmp(files[f].buf->bytes + pos,
						  bytes, len), 0);
		}
	}
	for (i = 0; i < BUFFERS_MAX; i++)
		n += buffers[i].size != 0;
	if (can_revoke)
		expect("buffers", count_lines(BUFFERS, " name=", prefix), n);
	return true;
}

/* An operation that is listed more often runs more often. */
static bool (*const operations[])(void) = {
	do_create, do_create, do_create, create_refused, open_again,
	open_again, close_file, close_file, do_map, do_map, do_map, do_map,
	do_map, do_unmap, do_protect, do_protect, do_move, resize, dontneed,
	touch, touch, touch, touch, touch, touch, read_or_write,
	read_or_write, read_or_write, read_or_write_mapped,
	read_or_write_mapped, do_seek, splice_out, do_seal, notify, notify,
	wait_for_signal, sync_range, take_away, do_look, fork_child,
	check_all,
};

static void start_round(void)
{
	int i;

	for (i = 0; i < FILES_MAX; i++)
		files[i].fd = -1;
	/* Print the seed first, in case the kernel crashes. */
	ksft_print_msg("seed %llu\n", (unsigned long long)seed);
	random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
	for (i = 0; i < 4; i++)
		next_random();
}

/* Unmaps and closes everything, and checks that no buffer is left. */
static void end_round(void)
{
	int i;

	note("the end");
	expect("munmap", RESULT(munmap(arena, arena_pages * page)), 0);
	clear_range(0, arena_pages);
	for (i = 0; i < FILES_MAX; i++) {
		if (files[i].fd < 0)
			continue;
		check_info(&files[i], 1);
		expect("close", RESULT(close(files[i].fd)), 0);
		files[i].fd = -1;
	}
	forget_unused();
	if (can_revoke)
		expect("buffers", count_lines(BUFFERS, " name=", prefix), 0);
}

static void run_round(unsigned long steps)
{
	struct file *file;
	int i;

	start_round();
	for (step = 0; step < steps; step++) {
		while (!operations[below(ARRAY_SIZE(operations))]())
			;
		file = pick_file();
		if (file)
			check_info(file, 1);
		for (i = 0; check_each_file && i < FILES_MAX; i++) {
			if (files[i].fd >= 0)
				check_info(&files[i], 1);
		}
	}
	end_round();
	ksft_test_result_pass("%lu operations from seed %llu\n", steps,
			      (unsigned long long)seed);
}

/* Allocates all memory now, as later the arena is full of holes. */
static void prepare(void)
{
	const size_t huge = 2 << 20;
	struct sigaction action = {
		.sa_handler = on_signal,
		.sa_flags = SA_NODEFER,
	};
	unsigned char *p;
	int i;

	page = sysconf(_SC_PAGESIZE);
	/* The length is fixed, so that a seed gives the same operations. */
	snprintf(prefix, sizeof(prefix), "fuzz%07d", getpid());
	is_root = !geteuid();
	uml = is_uml();
	can_revoke = can_open(REVOKE, O_WRONLY) && can_open(BUFFERS, O_RDONLY);
	arena_pages = SMALL_PAGES + (4 << 20) / page;
	for (i = 0; i < BUFFERS_MAX; i++) {
		buffers[i].bytes = calloc(1, LARGE_SIZE);
		if (!buffers[i].bytes)
			ksft_exit_fail_msg("no memory\n");
	}
	p = mmap(NULL, arena_pages * page + 2 * huge, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED || pipe(pipes))
		ksft_exit_fail_msg("no arena: %s\n", strerror(errno));
	/* Align the part for large buffers to a huge page. */
	arena = (void *)(((uintptr_t)p + SMALL_PAGES * page + huge - 1) /
			 huge * huge - SMALL_PAGES * page);
	munmap(arena, arena_pages * page);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static void find_backings(void)
{
	struct shmbuf_create c;
	int i;

	for (i = 0; i < 4; i++) {
		c = random_create();
		c.size = page;
		c.backing = i;
		have_backing[i] = !ioctl(dev, SHMBUF_IOC_CREATE, &c);
		if (have_backing[i])
			close(c.fd);
		else if (errno == EOPNOTSUPP && i >= SHMBUF_BACKING_COHERENT)
			ksft_print_msg("this kernel has no backing %d\n", i);
		else
			ksft_exit_fail_msg("create: %s\n", strerror(errno));
	}
}

int main(int argc, char **argv)
{
	static const char usage[] =
		"usage: %s [-s SEED] [-n OPERATIONS] [-r ROUNDS] [-m MINUTES] [-c]\n";
	unsigned long steps = 20000, rounds = 2, minutes = 0, done = 0;
	time_t began = time(NULL);
	bool given = false;
	int opt;

	while ((opt = getopt(argc, argv, "s:n:r:m:c")) != -1) {
		switch (opt) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			given = true;
			break;
		case 'n':
			steps = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			rounds = strtoul(optarg, NULL, 0);
			break;
		case 'm':
			minutes = strtoul(optarg, NULL, 0);
			break;
		case 'c':
			check_each_file = true;
			break;
		default:
			ksft_exit_fail_msg(usage, argv[0]);
		}
	}
	ksft_print_header();
	dev = open_node();
	if (dev < 0)
		ksft_exit_skip("cannot open /dev/shmbuf: %s\n", strerror(errno));
	prepare();
	if (over_memlock_limit(BUFFERS_MAX * 24 * page))
		ksft_exit_skip("RLIMIT_MEMLOCK is less than %zu KiB\n",
			       BUFFERS_MAX * 24 * page / 1024);
	have_backing[0] = true;
	random_state = 1;
	find_backings();
	if (!can_revoke)
		ksft_print_msg("without revocation, which takes root and debugfs\n");
	if (!minutes)
		ksft_set_plan(rounds);
	if (!given)
		seed = minutes ? began : 1;
	for (;;) {
		run_round(steps);
		done++;
		if (minutes ? time(NULL) >= began + 60 * minutes :
			      done == rounds)
			break;
		seed = given || minutes || done > 1 ? seed + 1 : began;
	}
	if (minutes)
		ksft_set_plan(done);
	ksft_finished();
}
