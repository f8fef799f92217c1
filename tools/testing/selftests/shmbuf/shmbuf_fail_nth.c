// SPDX-License-Identifier: GPL-2.0-only
/*
 * Make each allocation and each user copy of each operation on a buffer fail
 * once.
 *
 * Fault injection makes the Nth such step of the next system call fail, for N =
 * 1, 2, ... until the call has no Nth step. The call must succeed, or fail with
 * one of its known errors. A call that fails must have no effect, and succeed
 * when repeated. Check the kernel log as well, best with KASAN and lockdep.
 */

#define _GNU_SOURCE
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <linux/capability.h>
#include <linux/io_uring.h>

#include "kselftest.h"
#include "shmbuf_selftest.h"
#include "shmbuf_video.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define LARGE_SIZE	(3 << 20)
/* More steps than any operation has. */
#define MAX_NTH		3000

/* The byte that fills a buffer, and the byte that operations store. */
#define OLD		0x5a
#define NEW		0xa5

static long page;
static int fail_nth, ring, epoll, video, pipes[2];
static unsigned int total;

/*
 * These buffers are touched before injection starts. If the fault of a user
 * copy in the kernel fails, not all architectures survive.
 */
static char io[LARGE_SIZE], fresh[LARGE_SIZE], text[1 << 16];

/* The kinds of buffers. */
enum { PAGES, SINGLE, LARGE, CONTIG, COHERENT, STREAM, NR_KINDS };

enum {
	FOLIOS	= 1 << PAGES | 1 << LARGE,
	CPU	= 1 << PAGES | 1 << CONTIG,
	DMA	= 1 << COHERENT | 1 << STREAM,
	SMALL	= CPU | DMA,
	MANY	= SMALL | 1 << LARGE,
	ALL	= MANY | 1 << SINGLE,
};

static const struct kind {
	const char *name;
	uint32_t backing;
	int pages;	/* 0 for LARGE_SIZE */
} kinds[NR_KINDS] = {
	[PAGES]	   = { "pages", SHMBUF_BACKING_PAGES, 16 },
	[SINGLE]   = { "a single page", SHMBUF_BACKING_PAGES, 1 },
	[LARGE]	   = { "3 MiB of pages", SHMBUF_BACKING_PAGES, 0 },
	/* Not a power of two, so CREATE frees some pages at once. */
	[CONTIG]   = { "contig", SHMBUF_BACKING_CONTIG, 15 },
	[COHERENT] = { "coherent", SHMBUF_BACKING_COHERENT, 16 },
	[STREAM]   = { "stream", SHMBUF_BACKING_STREAM, 16 },
};

static size_t kind_size(const struct kind *kind)
{
	return kind->pages ? kind->pages * page : LARGE_SIZE;
}

/* The state that is compared before and after an operation. */
enum value {
	FREE_FD, BUFFER_COUNT, MAPPINGS, WRITABLE, NOT_COUNTED, SEALS,
	SEQUENCE, READY, REVOKED, WRITTEN, PIPED, NR_VALUES
};

static const char *const value_names[NR_VALUES] = {
	[FREE_FD]	= "lowest free descriptor",
	[BUFFER_COUNT]	= "number of buffers",
	[MAPPINGS]	= "mappings",
	[WRITABLE]	= "writable mappings",
	[NOT_COUNTED]	= "VMAs that are not counted as mappings",
	[SEALS]		= "seals",
	[SEQUENCE]	= "sequence",
	[READY]		= "ready in poll()",
	[REVOKED]	= "revoked",
	[WRITTEN]	= "bytes changed in the buffer",
	[PIPED]		= "bytes in the pipe",
};

/* The buffer, created anew for each injection. */
struct scene {
	const struct kind *kind;
	size_t size;
	int dev;
	int fd;
	int other;	/* one more descriptor, of this or of another buffer */
	char *map;
	char *moved;	/* the target of mremap() */
	char *second;	/* one more mapping */
	char fd_path[32];
	char fdinfo_path[32];
};

/* Requirements and properties of an operation. */
enum {
	MAPPED		= 1 << 0,
	TOUCHED		= 1 << 1,	/* mapped, with PTEs installed */
	READ_ONLY_FD	= 1 << 2,
	ANOTHER_BUFFER	= 1 << 3,
	ROOM_FOR_ANOTHER = 1 << 4,
	FULL_PIPE	= 1 << 5,
	NO_BUFFER	= 1 << 6,	/* and the filesystem is not mounted */
	IO_URING	= 1 << 7,
	READS		= 1 << 8,	/* from the buffer, to io */
	ANSWERS		= 1 << 9,	/* effective after its first step */
	SPLITS		= 1 << 10,	/* a VMA that it split stays split */
};

struct op {
	const char *name;
	unsigned int kinds;
	unsigned int flags;
	int (*run)(struct scene *s);	/* >= 0, or a negative errno of these: */
	int errnos[4];
	int adds[NR_VALUES];		/* changes on success */
	int moves[NR_VALUES];		/* changes per byte that run() returns */
};

static int result(long ret)
{
	return ret < 0 ? -errno : ret;
}

static int keep_fd(struct scene *s, int fd)
{
	s->other = fd;
	return fd < 0 ? -errno : 0;
}

static int create(struct scene *s)
{
	struct shmbuf_create c = {
		.size = s->size,
		.backing = s->kind->backing,
		.fd = -1,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "fail-nth",
	};

	return ioctl(s->dev, SHMBUF_IOC_CREATE, &c) ? -errno : c.fd;
}

static int run_open(struct scene *s)
{
	return keep_fd(s, open("/dev/shmbuf", O_RDWR | O_CLOEXEC));
}

static int run_reopen(struct scene *s)
{
	return keep_fd(s, open(s->fd_path, O_RDONLY | O_CLOEXEC));
}

static int run_create(struct scene *s)
{
	int fd = create(s);

	if (fd < 0)
		return fd;
	return keep_fd(s, fd);
}

static int run_info(struct scene *s)
{
	struct shmbuf_info info = {};

	return result(ioctl(s->fd, SHMBUF_IOC_INFO, &info));
}

static int run_seal(struct scene *s)
{
	struct shmbuf_seal arg = { .seals = SHMBUF_SEAL_WRITE };

	return result(ioctl(s->fd, SHMBUF_IOC_SEAL, &arg));
}

static int run_sync(struct scene *s)
{
	struct shmbuf_sync arg = {
		.length = s->size,
		.direction = SHMBUF_SYNC_READ | SHMBUF_SYNC_WRITE,
		.phase = SHMBUF_SYNC_END,
	};

	return result(ioctl(s->fd, SHMBUF_IOC_SYNC, &arg));
}

static int run_signal(struct scene *s)
{
	struct shmbuf_notify arg = {};

	return result(ioctl(s->fd, SHMBUF_IOC_SIGNAL, &arg));
}

static int run_ack(struct scene *s)
{
	struct shmbuf_notify arg = {};

	return result(ioctl(s->fd, SHMBUF_IOC_ACK, &arg));
}

/* A kernel without DMA-BUF has no step that can fail. */
static int run_export(struct scene *s)
{
	int fd = export_buffer(s->fd);

	if (fd < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	close(fd);
	return 0;
}

/* vivid attaches to the DMA-BUF and maps it. Without vivid, nothing can fail. */
static int run_import(struct scene *s)
{
	int fd, ret;

	if (video < 0)
		return 0;
	fd = export_buffer(s->fd);
	if (fd < 0)
		return -errno;
	ret = result(request(video, CAPTURE, 1));
	if (!ret)
		ret = result(queue(video, CAPTURE, 0, fd, 0));
	/* Repeat the call, as the injected failure may hit it. */
	if (request(video, CAPTURE, 0))
		request(video, CAPTURE, 0);
	close(fd);
	return ret;
}

static int run_mmap(struct scene *s)
{
	s->second = mmap(NULL, s->size, RW, MAP_SHARED, s->fd, 0);
	return s->second == MAP_FAILED ? -errno : 0;
}

static int run_mmap_read_only(struct scene *s)
{
	s->second = mmap(NULL, s->size, PROT_READ, MAP_SHARED, s->other, 0);
	return s->second == MAP_FAILED ? -errno : 0;
}

static void touch(struct scene *s)
{
	size_t i;

	for (i = 0; i < s->size; i += page)
		__atomic_load_n(s->map + i, __ATOMIC_RELAXED);
}

static int run_load(struct scene *s)
{
	touch(s);
	return 0;
}

static int run_store(struct scene *s)
{
	__atomic_store_n(s->map, (char)NEW, __ATOMIC_RELAXED);
	return 0;
}

static int run_populate_read(struct scene *s)
{
	return result(madvise(s->map, s->size, MADV_POPULATE_READ));
}

static int run_populate_write(struct scene *s)
{
	return result(madvise(s->map, s->size, MADV_POPULATE_WRITE));
}

static int run_hole(struct scene *s)
{
	return result(munmap(s->map + page, page));
}

static int run_mprotect(struct scene *s)
{
	return result(mprotect(s->map + page, page, PROT_READ));
}

static int run_mremap(struct scene *s)
{
	if (mremap(s->map, s->size, s->size, MREMAP_MAYMOVE | MREMAP_FIXED,
		   s->moved) == MAP_FAILED)
		return -errno;
	s->map = s->moved;
	return 0;
}

static int run_munmap(struct scene *s)
{
	if (munmap(s->map, s->size))
		return -errno;
	s->map = MAP_FAILED;
	return 0;
}

/* Four segments, of which some may be copied before one fails. */
static int run_read(struct scene *s)
{
	size_t len = s->size / 4;
	struct iovec v[] = {
		{ io, len }, { io + len, len }, { io + 2 * len, len },
		{ io + 3 * len, s->size - 3 * len },
	};

	return result(readv(s->fd, v, 4));
}

static int run_write(struct scene *s)
{
	size_t len = s->size / 4;
	struct iovec v[] = {
		{ fresh, len }, { fresh, len }, { fresh, len },
		{ fresh, s->size - 3 * len },
	};

	return result(writev(s->fd, v, 4));
}

static int run_splice_out(struct scene *s)
{
	return result(splice(s->fd, NULL, pipes[1], NULL, 4 * page, 0));
}

static int run_splice_in(struct scene *s)
{
	return result(splice(pipes[0], NULL, s->fd, NULL, 4 * page, 0));
}

static int run_poll(struct scene *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	return result(poll(&p, 1, -1));
}

static int run_epoll(struct scene *s)
{
	struct epoll_event event = { .events = EPOLLIN };

	return result(epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &event));
}

static int run_register(struct scene *s)
{
	struct iovec v = { s->map, s->size };

	return result(syscall(__NR_io_uring_register, ring,
			      IORING_REGISTER_BUFFERS, &v, 1));
}

static int read_all(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), n, err;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, text, sizeof(text));
	} while (n > 0);
	err = errno;
	close(fd);
	return n < 0 ? -err : 0;
}

static int run_fdinfo(struct scene *s)
{
	return read_all(s->fdinfo_path);
}

static int run_maps(struct scene *s)
{
	return read_all("/proc/self/maps");
}

static int run_smaps(struct scene *s)
{
	return read_all("/proc/self/smaps");
}

static int run_list(struct scene *s)
{
	return read_all(BUFFERS);
}

static int run_revoke(struct scene *s)
{
	return result(revoke_buffer(s->fd));
}

static int run_close(struct scene *s)
{
	int fd = s->other;

	s->other = -1;
	return result(close(fd));
}

/*
 * If its inode cannot be allocated, opening a path in /proc fails with ENOENT. fork() is
 * not tested: if the kernel cannot write rseq in a page that is not copied yet, it kills
 * the process.
 */
static const struct op ops[] = {
	{ "open, first of all", 1 << PAGES, NO_BUFFER, run_open,
	  { EFAULT, ENOMEM }, { [FREE_FD] = 1 } },
	{ "list, first of all", 1 << PAGES, NO_BUFFER, run_list,
	  { EFAULT, ENOMEM } },
	{ "open", 1 << PAGES, 0, run_open,
	  { EFAULT, ENOMEM }, { [FREE_FD] = 1 } },
	{ "reopen", SMALL, 0, run_reopen,
	  { EFAULT, ENOMEM, ENOENT }, { [FREE_FD] = 1 } },
	{ "CREATE", ALL, ROOM_FOR_ANOTHER, run_create,
	  { EFAULT, ENOMEM }, { [FREE_FD] = 1, [BUFFER_COUNT] = 1 } },
	{ "INFO", SMALL, 0, run_info, { EFAULT } },
	{ "SEAL", MANY, ANSWERS, run_seal,
	  { EFAULT }, { [SEALS] = SHMBUF_SEAL_WRITE } },
	{ "SYNC", SMALL, 0, run_sync, { EFAULT } },
	{ "SIGNAL", SMALL, ANSWERS, run_signal, { EFAULT }, { [SEQUENCE] = 1 } },
	{ "ACK", SMALL, ANSWERS, run_ack, { EFAULT }, { [READY] = -1 } },
	{ "EXPORT", FOLIOS, 0, run_export, { ENOMEM, EFAULT } },
	/* vb2 turns each error of map_dma_buf() into EINVAL. */
	{ "import", 1 << CONTIG, 0, run_import, { ENOMEM, EFAULT, EINVAL } },
	{ "mmap", MANY, 0, run_mmap,
	  { ENOMEM }, { [MAPPINGS] = 1, [WRITABLE] = 1 } },
	{ "mmap to read", MANY, READ_ONLY_FD, run_mmap_read_only,
	  { ENOMEM }, { [MAPPINGS] = 1 } },
	/* The CPU repeats a faulting access until it succeeds. */
	{ "load", MANY, MAPPED, run_load },
	{ "store", MANY, MAPPED, run_store, {}, { [WRITTEN] = 1 } },
	{ "MADV_POPULATE_READ", FOLIOS, MAPPED, run_populate_read, { ENOMEM } },
	{ "MADV_POPULATE_WRITE", FOLIOS, MAPPED, run_populate_write,
	  { ENOMEM } },
	{ "munmap of a hole", MANY, TOUCHED | SPLITS, run_hole,
	  { ENOMEM }, { [MAPPINGS] = 1, [WRITABLE] = 1 } },
	{ "mprotect of a part", MANY, TOUCHED | SPLITS, run_mprotect,
	  { ENOMEM }, { [MAPPINGS] = 2, [WRITABLE] = 2 } },
	{ "mremap", MANY, TOUCHED, run_mremap, { ENOMEM } },
	{ "munmap", MANY, TOUCHED, run_munmap,
	  { ENOMEM }, { [MAPPINGS] = -1, [WRITABLE] = -1 } },
	{ "read", CPU, READS, run_read, { EFAULT } },
	{ "read", DMA, READS, run_read, { EFAULT, ENOMEM } },
	{ "write", CPU, 0, run_write,
	  { EFAULT }, {}, { [WRITTEN] = 1 } },
	{ "write", DMA, 0, run_write,
	  { EFAULT, ENOMEM }, {}, { [WRITTEN] = 1 } },
	{ "splice to a pipe", SMALL, 0, run_splice_out,
	  { ENOMEM }, {}, { [PIPED] = 1 } },
	{ "splice from a pipe", SMALL, FULL_PIPE, run_splice_in,
	  { ENOMEM }, {}, { [PIPED] = -1, [WRITTEN] = 1 } },
	{ "poll", SMALL, 0, run_poll, { EFAULT } },
	{ "epoll_ctl", SMALL, 0, run_epoll, { EFAULT, ENOMEM } },
	/* The call fails with EFAULT if it pinned only some of the pages. */
	{ "io_uring_register", FOLIOS, MAPPED | IO_URING, run_register,
	  { EFAULT, ENOMEM } },
	{ "fdinfo", SMALL, MAPPED, run_fdinfo, { EFAULT, ENOMEM, ENOENT } },
	{ "maps", SMALL, TOUCHED, run_maps, { EFAULT, ENOMEM, ENOENT } },
	{ "smaps", SMALL, TOUCHED, run_smaps, { EFAULT, ENOMEM, ENOENT } },
	{ "list", 1 << PAGES, 0, run_list, { EFAULT, ENOMEM } },
	/* read() fails after revocation, so written() returns -1. */
	{ "revoke", MANY, TOUCHED, run_revoke, { EFAULT, ENOMEM },
	  { [REVOKED] = 1, [WRITTEN] = -1 } },
	{ "close", ALL, ANOTHER_BUFFER, run_close,
	  {}, { [FREE_FD] = -1, [BUFFER_COUNT] = -1 } },
};

static void arm(unsigned int nth)
{
	char number[16];
	int len = snprintf(number, sizeof(number), "%u", nth);

	if (pwrite(fail_nth, number, len, 0) != len)
		ksft_exit_fail_perror("write to fail-nth");
}

/*
 * Returns whether the call had an Nth step. If not, the kernel still counts, and the copy
 * of pread() or pwrite() may fail. That failure ends the count too.
 */
static bool disarm(void)
{
	char number[16] = "";
	ssize_t len = pread(fail_nth, number, sizeof(number), 0);

	if (pwrite(fail_nth, "0", 1, 0) != 1 && errno != EFAULT)
		ksft_exit_fail_perror("write to fail-nth");
	return len == 2 && number[0] == '0';
}

/* Returns how many bytes at the start are NEW. Leaves the contents in io. */
static long written(const struct scene *s)
{
	size_t new = 0, i;

	if (pread(s->fd, io, s->size, 0) != (ssize_t)s->size)
		return -1;
	while (new < s->size && io[new] == (char)NEW)
		new++;
	for (i = new; i < s->size; i++) {
		if (io[i] != (char)OLD)
			return -2;
	}
	return new;
}

static void get_values(const struct scene *s, long values[NR_VALUES])
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	struct shmbuf_info info;
	int piped = 0;

	memset(values, 0, NR_VALUES * sizeof(*values));
	values[FREE_FD] = lowest_free_fd();
	values[BUFFER_COUNT] = count_lines(BUFFERS, " name=fail-nth\n", "");
	if (s->fd < 0)
		return;
	info = get_info(s->fd);
	values[MAPPINGS] = info.mappings;
	values[WRITABLE] = info.writable_mappings;
	values[NOT_COUNTED] = count_lines("/proc/self/maps", "/shmbuf:", "") -
			      (long)info.mappings;
	values[SEALS] = info.seals;
	values[SEQUENCE] = info.sequence;
	values[READY] = poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
	values[REVOKED] = !!(info.capabilities & SHMBUF_CAP_REVOKED);
	values[WRITTEN] = written(s);
	ioctl(pipes[0], FIONREAD, &piped);
	values[PIPED] = piped;
}

/* Makes the next CREATE fail if a charge leaked. */
static void limit_memory(size_t size)
{
	struct rlimit limit = { size, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		ksft_exit_fail_perror("setrlimit");
}

static bool setup_maps(struct scene *s, const struct op *op)
{
	if (!(op->flags & (MAPPED | TOUCHED)))
		return true;
	s->moved = mmap(NULL, s->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	s->map = mmap(NULL, s->size, RW, MAP_SHARED, s->fd, 0);
	if (s->moved == MAP_FAILED || s->map == MAP_FAILED)
		return false;
	if (op->flags & TOUCHED)
		touch(s);
	return true;
}

static bool setup(struct scene *s, const struct op *op, const struct kind *kind)
{
	size_t size = kind_size(kind);

	*s = (struct scene) {
		.kind = kind, .size = size, .dev = -1, .fd = -1, .other = -1,
		.map = MAP_FAILED, .moved = MAP_FAILED, .second = MAP_FAILED,
	};
	if (op->flags & NO_BUFFER)
		return true;
	limit_memory(op->flags & (ANOTHER_BUFFER | ROOM_FOR_ANOTHER) ?
		     2 * size : size);
	s->dev = open_node();
	s->fd = create(s);
	if (s->fd < 0) {
		errno = -s->fd;
		return false;
	}
	snprintf(s->fd_path, sizeof(s->fd_path), "/proc/self/fd/%d", s->fd);
	snprintf(s->fdinfo_path, sizeof(s->fdinfo_path), "/proc/self/fdinfo/%d",
		 s->fd);
	memset(io, OLD, size);
	if (pwrite(s->fd, io, size, 0) != (ssize_t)size || run_signal(s))
		return false;
	if (op->flags & READ_ONLY_FD)
		s->other = reopen(s->fd, O_RDONLY);
	if (op->flags & ANOTHER_BUFFER)
		s->other = create(s);
	if ((op->flags & (READ_ONLY_FD | ANOTHER_BUFFER)) && s->other < 0)
		return false;
	if ((op->flags & FULL_PIPE) &&
	    write(pipes[1], fresh, 4 * page) != 4 * page)
		return false;
	return setup_maps(s, op);
}

static void unmap(void *p, size_t size)
{
	if (p != MAP_FAILED)
		munmap(p, size);
}

/*
 * Sealing against writes fails if a mapping, a write() or a reference to the
 * memory is left.
 */
static bool teardown(struct scene *s)
{
	int piped, err = 0;

	if (ring >= 0)
		syscall(__NR_io_uring_register, ring, IORING_UNREGISTER_BUFFERS,
			NULL, 0);
	while (!ioctl(pipes[0], FIONREAD, &piped) && piped > 0) {
		if (read(pipes[0], io, piped) != piped)
			ksft_exit_fail_perror("read from the pipe");
	}
	unmap(s->map, s->size);
	unmap(s->moved, s->size);
	unmap(s->second, s->size);
	if (s->other >= 0)
		close(s->other);
	if (s->dev >= 0)
		close(s->dev);
	if (s->fd >= 0) {
		err = run_seal(s);
		close(s->fd);
	}
	return !err || err == -ENODEV;
}

static bool may_fail_with(const struct op *op, int err)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(op->errnos); i++) {
		if (op->errnos[i] && op->errnos[i] == err)
			return true;
	}
	return false;
}

static bool values_right(const struct op *op, unsigned int nth, int ret,
			 const long *before, const long *after)
{
	bool done = ret >= 0 || (nth > 1 && (op->flags & ANSWERS));
	long splits = 0, want;
	bool right = true;
	int i;

	if (ret < 0 && (op->flags & SPLITS)) {
		splits = after[MAPPINGS] - before[MAPPINGS];
		right = splits >= 0 && splits <= 2;
	}
	for (i = 0; i < NR_VALUES; i++) {
		want = before[i] + (done ? op->adds[i] : 0) +
		       (ret > 0 ? (long)op->moves[i] * ret : 0);
		if (i == MAPPINGS || i == WRITABLE)
			want += splits;
		if (after[i] == want)
			continue;
		ksft_print_msg("%s, step %u: %s: %ld, not %ld\n", op->name, nth,
			       value_names[i], after[i], want);
		right = false;
	}
	return right;
}

/* Returns whether a mapping shows the contents that read() left in io. */
static bool mapping_right(const struct scene *s, const long *values)
{
	if (s->map == MAP_FAILED || values[REVOKED])
		return true;
	return s->map[0] == io[0] && s->map[s->size - 1] == io[s->size - 1];
}

static bool read_right(int len)
{
	int i;

	for (i = 0; i < len; i++) {
		if (io[i] != OLD)
			return false;
	}
	return true;
}

static const char *check(struct scene *s, const struct op *op, unsigned int nth,
			 int ret, bool injected, const long *before)
{
	long after[NR_VALUES];

	if (ret < 0 && !injected)
		return "failed without injection";
	if (ret < 0 && !may_fail_with(op, -ret))
		return "failed with this error";
	if ((op->flags & READS) && !read_right(ret))
		return "read wrong data";
	get_values(s, after);
	if (!values_right(op, nth, ret, before, after))
		return "left a side effect";
	if (!mapping_right(s, after))
		return "left a mapping with other data";
	if (ret < 0 && op->run(s) < 0)
		return "failed again";
	return NULL;
}

/* nth = 0 injects nothing, but touches the memory that later runs use. */
static bool try_nth(const struct op *op, const struct kind *kind, unsigned int nth,
		    bool *injected)
{
	const char *wrong = NULL;
	long before[NR_VALUES];
	struct scene s;
	int ret;

	*injected = false;
	if (setup(&s, op, kind)) {
		get_values(&s, before);
		memset(io, 0, s.size);
		arm(nth);
		ret = op->run(&s);
		*injected = disarm() && nth;
		wrong = check(&s, op, nth, ret, *injected, before);
	} else {
		ret = -errno;
		wrong = "cannot create its buffer: did a charge leak?";
	}
	if (!teardown(&s) && !wrong)
		wrong = "left a reference to the memory";
	if (wrong)
		ksft_print_msg("%s, step %u: %s: %d (%s)\n", op->name, nth,
			       wrong, ret, ret < 0 ? strerror(-ret) : "success");
	return !wrong;
}

/* Later steps repeat for page after page, so try only some of them. */
static unsigned int next_nth(unsigned int nth)
{
	return nth + (nth < 40 ? 1 : 101);
}

/* Returns how many failures were injected, or -1. */
static int sweep(const struct op *op, const struct kind *kind)
{
	unsigned int nth;
	bool injected;
	int count = 0;

	if (!try_nth(op, kind, 0, &injected))
		return -1;
	for (nth = 1; nth < MAX_NTH; nth = next_nth(nth)) {
		if (!try_nth(op, kind, nth, &injected))
			return -1;
		if (!injected)
			return count;
		count++;
	}
	ksft_print_msg("%s has too many steps\n", op->name);
	return -1;
}

static bool available(const struct kind *kind)
{
	struct scene s = { .kind = kind, .size = kind_size(kind) };
	int fd;

	limit_memory(s.size);
	s.dev = open_node();
	fd = create(&s);
	close(s.dev);
	if (fd >= 0)
		close(fd);
	return fd != -EOPNOTSUPP;
}

static void test_op(const struct op *op, const struct kind *kind)
{
	int injected;

	if (!available(kind)) {
		ksft_test_result_skip("%s: no %s on this kernel\n", op->name,
				      kind->name);
		return;
	}
	if ((op->flags & IO_URING) && ring < 0) {
		ksft_test_result_skip("%s: no io_uring\n", op->name);
		return;
	}
	injected = sweep(op, kind);
	if (injected > 0)
		total += injected;
	ksft_print_msg("%d failures injected\n", injected);
	ksft_test_result(injected >= 0, "%s: %s\n", op->name, kind->name);
}

/* Fails each step of CREATE, which must free the memory that it has allocated. */
static void create_in_vain(const struct kind *kind)
{
	struct scene s = { .kind = kind, .size = kind_size(kind) };
	unsigned int nth = 0;
	bool injected;
	int fd;

	limit_memory(s.size);
	s.dev = open_node();
	do {
		nth = next_nth(nth);
		arm(nth);
		fd = create(&s);
		injected = disarm();
		if (fd >= 0)
			close(fd);
	} while (injected);
	close(s.dev);
}

/*
 * Other processes change MemAvailable too, but not in each try by half of the
 * huge page that CREATE might leak.
 */
static void test_memory(void)
{
	const int tries = 5, rounds = 8;
	int try, round;
	long change;

	for (try = 0; try < tries; try++) {
		change = -read_number("/proc/meminfo", "MemAvailable:");
		for (round = 0; round < rounds; round++)
			create_in_vain(&kinds[LARGE]);
		change += read_number("/proc/meminfo", "MemAvailable:");
		if (change > -rounds * 1024)
			break;
	}
	ksft_test_result(try < tries, "the memory comes back\n");
}

/*
 * These settings make every step fail, without a message in the log. Each
 * failure decrements "times" unless it is -1.
 */
static const struct {
	const char *files;
	const char *value;
} knobs[] = {
	{ DEBUGFS "fail*/verbose", "0" },
	{ DEBUGFS "fail*/times", "-1" },
	{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ DEBUGFS "fail_page_alloc/min-order", "0" },
};

static struct {
	char path[128];
	char value[32];
} saved[64];

static unsigned int nr_saved;

static bool save_knob(const char *path)
{
	FILE *f = fopen(path, "r");
	bool ok;

	if (!f || nr_saved == ARRAY_SIZE(saved))
		return false;
	snprintf(saved[nr_saved].path, sizeof(saved->path), "%s", path);
	ok = fgets(saved[nr_saved].value, sizeof(saved->value), f);
	fclose(f);
	nr_saved += ok;
	return ok;
}

static bool set_knobs(void)
{
	unsigned int i, j;
	bool ok = true;
	glob_t found;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		if (glob(knobs[i].files, 0, NULL, &found))
			return false;
		for (j = 0; j < found.gl_pathc; j++)
			ok = ok && save_knob(found.gl_pathv[j]) &&
			     !write_file(found.gl_pathv[j], knobs[i].value);
		globfree(&found);
	}
	return ok;
}

static bool restore_knobs(void)
{
	bool ok = true;

	while (nr_saved--) {
		if (write_file(saved[nr_saved].path, saved[nr_saved].value))
			ok = false;
	}
	return ok;
}

/* Stays root for debugfs, but is charged, as a user without other charges. */
static void become_charged(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (setresuid(UNUSED_UID, -1, -1) ||
	    syscall(__NR_capget, &header, data))
		ksft_exit_fail_perror("setresuid or capget");
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	if (syscall(__NR_capset, &header, data))
		ksft_exit_fail_perror("capset");
}

static void open_all(void)
{
	struct io_uring_params params = {};

	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (fail_nth < 0 || epoll < 0 || pipe2(pipes, O_CLOEXEC))
		ksft_exit_fail_perror("fail-nth, epoll_create1() or pipe2()");
	/* Set up the ring before its memory would be charged, too. */
	ring = syscall(__NR_io_uring_setup, 1, &params);
	/* A frame must fit into a buffer. */
	video = open_video("vivid", V4L2_CAP_VIDEO_CAPTURE, true);
	if (video >= 0 && set_format(video, CAPTURE, V4L2_PIX_FMT_GREY) > kind_size(&kinds[CONTIG]))
		ksft_exit_fail_msg("a frame is too large\n");
}

static void run_tests(void)
{
	unsigned int i, k, plan = 2;

	page = sysconf(_SC_PAGESIZE);
	memset(fresh, NEW, sizeof(fresh));
	memset(text, 0, sizeof(text));
	open_all();
	become_charged();

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		plan += __builtin_popcount(ops[i].kinds);
	ksft_set_plan(plan);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		for (k = 0; k < NR_KINDS; k++) {
			if (ops[i].kinds & (1 << k))
				test_op(&ops[i], &kinds[k]);
		}
	}
	test_memory();
	/* Expect fewer failures without fail_usercopy. */
	ksft_test_result(total >= (access(DEBUGFS "fail_usercopy", F_OK) ?
				   200 : 300), "%u failures injected\n", total);
	ksft_finished();
}

static void on_signal(int sig)
{
}

/*
 * Runs the tests in a child, so that main() restores the settings even if the
 * child crashes. Signals interrupt waitpid() for the same reason.
 */
static int run_child(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	int status, pid;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_tests();
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		return WEXITSTATUS(status);
	if (pid > 0)
		kill(pid, SIGKILL);
	ksft_test_result_fail("the sweep did not come to its end\n");
	return KSFT_FAIL;
}

int main(void)
{
	int dev, status;

	ksft_print_header();
	dev = open_node();
	if (dev < 0)
		ksft_exit_skip("cannot open /dev/shmbuf: %s\n",
			       strerror(errno));
	close(dev);
	if (geteuid() || !can_open(BUFFERS, O_RDONLY))
		ksft_exit_skip("needs root and debugfs\n");
	if (access("/proc/thread-self/fail-nth", W_OK) ||
	    access(DEBUGFS "failslab", F_OK) ||
	    access(DEBUGFS "fail_page_alloc", F_OK))
		ksft_exit_skip("no fault injection in this kernel\n");

	if (!set_knobs()) {
		restore_knobs();
		ksft_exit_skip("fault injection cannot be set up\n");
	}
	status = run_child();
	if (!restore_knobs())
		ksft_exit_fail_msg("cannot restore the settings\n");
	return status;
}
