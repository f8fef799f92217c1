// SPDX-License-Identifier: GPL-2.0-only
/*
 * The userspace interface of shmbuf as a program uses it: /dev/shmbuf, the
 * file of a buffer, and its mappings.
 *
 * read() and write() copy in the kernel, by addresses of its own, so they are
 * how these tests see what the kernel sees, and what the kernel writes.
 */

#define _GNU_SOURCE
#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <linux/futex.h>
#include <linux/loop.h>

#include "shmbuf_selftest.h"
#include "kselftest_harness.h"

#define PAGES	4

static long page;

/* Only x86 has it. UML lists the flags of the host, but its own page tables have no such bits. */
static bool have_pat(void)
{
	return cpuinfo_has("flags", " pat ") && !is_uml();
}

/* The only reason why a buffer of these may not be had. */
#define ASSERT_NO_DMA(backing) do {					\
	ASSERT_EQ(errno, EOPNOTSUPP);					\
	ASSERT_GE(backing, SHMBUF_BACKING_COHERENT);			\
} while (0)

static struct shmbuf_create valid_create(void)
{
	return (struct shmbuf_create) {
		.size = PAGES * page,
		.fd = -1,
		.numa_node = -1,
		.name = "selftest",
	};
}

FIXTURE(node) {
	int dev;
};

FIXTURE_SETUP(node)
{
	page = sysconf(_SC_PAGESIZE);
	self->dev = open_node();
	if (self->dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
}

FIXTURE_TEARDOWN(node)
{
	if (self->dev >= 0)
		close(self->dev);
}

/* Not for everybody. The administrator may have given it to a group. */
TEST_F(node, mode)
{
	struct stat st;

	ASSERT_EQ(fstat(self->dev, &st), 0);
	EXPECT_EQ(st.st_mode & 07007, 0);
}

TEST_F(node, create)
{
	struct shmbuf_create c = valid_create();
	struct stat st;

	c.size = 100;
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	EXPECT_EQ(c.size, page);
	ASSERT_GE(c.fd, 0);
	EXPECT_EQ(fcntl(c.fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(c.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	ASSERT_EQ(fstat(c.fd, &st), 0);
	EXPECT_EQ(st.st_size, page);
	EXPECT_EQ(close(c.fd), 0);
}

/* Zero, the bytes that nobody asked for included, whatever was there before. */
TEST_F(node, memory_is_zeroed)
{
	struct shmbuf_create c;
	unsigned char *p;
	int i, round;

	for (round = 0; round < 16; round++) {
		c = valid_create();
		c.backing = round % 4;
		/* Also sizes that are no power of two. */
		c.size = round * page + 100;
		if (ioctl(self->dev, SHMBUF_IOC_CREATE, &c)) {
			ASSERT_NO_DMA(c.backing);
			continue;
		}
		p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
		ASSERT_NE(p, MAP_FAILED);
		for (i = 0; i < c.size; i++) {
			if (p[i])
				break;
		}
		EXPECT_EQ(i, (round + 1) * page);
		memset(p, 0xaa, c.size);
		munmap(p, c.size);
		close(c.fd);
	}
}

TEST_F(node, numa_node)
{
	struct shmbuf_create c = valid_create();
	FILE *f = fopen("/sys/devices/system/node/has_memory", "r");

	c.numa_node = 0;
	if (f) {
		EXPECT_EQ(fscanf(f, "%d", &c.numa_node), 1);
		fclose(f);
	}
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	close(c.fd);
	c.backing = SHMBUF_BACKING_CONTIG;
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	close(c.fd);
}

/* The smallest buffer: open, mmap, store, load, munmap, close. */
TEST_F(node, single_page)
{
	struct shmbuf_create c = valid_create();
	char *p;

	c.size = 1;
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	p = mmap(NULL, page, RW, MAP_SHARED, c.fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	p[0] = 1;
	p[page - 1] = 2;
	EXPECT_EQ(p[0] + p[page - 1], 3);
	EXPECT_EQ(munmap(p, page), 0);
	EXPECT_EQ(mmap(NULL, page + 1, RW, MAP_SHARED, c.fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(close(c.fd), 0);
}

/* More in all than the machine has, one after the other: closing frees. */
TEST_F_TIMEOUT(node, close_frees_memory, 300)
{
	long long total = (long long)sysconf(_SC_PHYS_PAGES) * page, done;
	unsigned int round = 0;
	struct shmbuf_create c;
	char *p;

	/* On a machine with very much memory that would take too long. */
	if (total > 8LL << 30)
		total = 8LL << 30;
	for (done = 0; done < 2 * total; done += c.size) {
		c = valid_create();
		c.backing = round++ % 4;
		c.size = (1 << 20) - page;
		if (ioctl(self->dev, SHMBUF_IOC_CREATE, &c)) {
			ASSERT_NO_DMA(c.backing);
			continue;
		}
		p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
		ASSERT_NE(p, MAP_FAILED);
		*p = 1;
		/* In either order. */
		if (round & 4) {
			close(c.fd);
			munmap(p, c.size);
		} else {
			munmap(p, c.size);
			close(c.fd);
		}
	}
}

/* Sum of a field of /proc/self/smaps, in kB, over the mappings of buffers. */
static long smaps_kb(const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool ours = false;
	char line[512], perms[5];
	long sum = 0, kb;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*x-%*x %4s ", perms) == 1)
			ours = strstr(line, "/shmbuf:");
		else if (ours && !strncmp(line, field, strlen(field)) &&
			 sscanf(line + strlen(field), ": %ld", &kb) == 1)
			sum += kb;
	}
	if (f)
		fclose(f);
	return sum;
}

/*
 * With huge pages the buffer is mapped by huge entries, as far as memory is not
 * too fragmented for them. Cutting one in two loses nothing, which the kernel
 * log and the contents tell.
 */
TEST_F(node, huge_pages)
{
	/* A 32-bit program gets no addresses that suit huge entries. */
	bool have_huge = sizeof(long) == 8 &&
			 !access("/sys/kernel/mm/transparent_hugepage", F_OK);
	struct shmbuf_create c = valid_create();
	struct shmbuf_info info = {};
	size_t i;
	char *p;

	c.size = 16 << 20;
	if (over_memlock_limit(c.size))
		SKIP(return, "RLIMIT_MEMLOCK is less than 16 MiB");
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	ASSERT_EQ(ioctl(c.fd, SHMBUF_IOC_INFO, &info), 0);
	p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	for (i = 0; i < c.size; i += page)
		p[i] = i / page;
	EXPECT_EQ(smaps_kb("Rss"), c.size / 1024);
	/* Or none, where a huge page is larger than the buffer, say. */
	if (have_huge && info.map_unit > page) {
		EXPECT_EQ((unsigned long)p % info.map_unit, 0);
		EXPECT_GE(smaps_kb("FilePmdMapped"), info.map_unit / 1024);
	} else if (info.map_unit == page) {
		EXPECT_EQ(smaps_kb("FilePmdMapped"), 0);
	}

	/* One touch fills the entries up to the next 16 MiB, if all memory is huge. */
	if (smaps_kb("FilePmdMapped") == c.size / 1024) {
		munmap(p, c.size);
		p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
		ASSERT_NE(p, MAP_FAILED);
		EXPECT_EQ(smaps_kb("FilePmdMapped"), 0);
		EXPECT_EQ(p[0], 0);
		EXPECT_EQ(smaps_kb("FilePmdMapped"),
			  (16 << 10) - (unsigned long)p % (16 << 20) / 1024);
		for (i = 0; i < c.size; i += page)
			EXPECT_EQ(p[i], (char)(i / page));
	}

	ASSERT_EQ(munmap(p + (5 << 20), 3 * page), 0);
	for (i = 0; i < c.size; i += page) {
		if (i == 5 << 20)
			i += 3 * page;
		ASSERT_EQ(p[i], (char)(i / page));
	}
	EXPECT_EQ(smaps_kb("Rss"), (c.size - 3 * page) / 1024);
	munmap(p, c.size);
	close(c.fd);
}

/* Larger than any block that the page allocator has: memory is moved away. */
TEST_F(node, large_contiguous)
{
	struct shmbuf_create c = valid_create();
	size_t i;
	char *p;

	c.backing = SHMBUF_BACKING_CONTIG;
	c.size = (24 << 20) - page;
	if (over_memlock_limit(c.size))
		SKIP(return, "RLIMIT_MEMLOCK is less than 24 MiB");
	if (ioctl(self->dev, SHMBUF_IOC_CREATE, &c) && errno == ENOMEM)
		SKIP(return, "no 24 MiB in one piece, or no CONTIG_ALLOC");
	EXPECT_EQ(c.size, (24 << 20) - page);
	p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	for (i = 0; i < c.size; i += page) {
		ASSERT_EQ(p[i] | p[i + page - 1], 0);
		p[i] = i / page;
	}
	for (i = 0; i < c.size; i += page)
		ASSERT_EQ(p[i], (char)(i / page));
	munmap(p, c.size);
	close(c.fd);
}

/* Honoured or refused, and never quietly something else. */
TEST_F(node, cache_attributes)
{
	struct shmbuf_create c;
	struct shmbuf_info info;
	uint32_t backing, cache;
	bool possible;
	char *p;

	/* Memory for DMA is not what it is not, wherever there is some. */
	for (cache = 1; cache <= SHMBUF_CACHE_DEVICE; cache++) {
		c = valid_create();
		c.backing = SHMBUF_BACKING_STREAM;
		c.cache = cache;
		EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), -1);
		EXPECT_EQ(errno, EOPNOTSUPP);
	}
	c = valid_create();
	c.backing = SHMBUF_BACKING_COHERENT;
	c.cache = SHMBUF_CACHE_DEVICE;
	EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);

	for (backing = 0; backing <= SHMBUF_BACKING_CONTIG; backing++) {
		for (cache = 0; cache <= SHMBUF_CACHE_DEVICE; cache++) {
			c = valid_create();
			c.backing = backing;
			c.cache = cache;
			possible = cache == SHMBUF_CACHE_CACHED;
			if (backing == SHMBUF_BACKING_CONTIG && have_pat())
				possible = cache != SHMBUF_CACHE_DEVICE;
			if (!possible) {
				EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE,
						&c), -1);
				EXPECT_EQ(errno, EOPNOTSUPP);
				continue;
			}
			ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
			memset(&info, 0, sizeof(info));
			EXPECT_EQ(ioctl(c.fd, SHMBUF_IOC_INFO, &info), 0);
			EXPECT_EQ(info.cache, cache);
			p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
			ASSERT_NE(p, MAP_FAILED);
			memset(p, 0x5a, c.size);
			EXPECT_EQ(pread(c.fd, &c.flags, 4, page), 4);
			EXPECT_EQ(c.flags, 0x5a5a5a5a);
			munmap(p, c.size);
			close(c.fd);
		}
	}
}

/* A gigabyte on a machine that has little more, mapped and read to the end. */
TEST_F_TIMEOUT(node, one_gigabyte, 120)
{
	const long gigabyte = 1 << 30;
	struct shmbuf_create c = valid_create();
	long i, sum = 0;
	char *p, byte;

	if (sysconf(_SC_AVPHYS_PAGES) < gigabyte / page + gigabyte / page / 8)
		SKIP(return, "less than 1.125 GiB of memory are free");
	if (over_memlock_limit(gigabyte))
		SKIP(return, "RLIMIT_MEMLOCK is less than a gigabyte");
	c.size = gigabyte;
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	EXPECT_EQ(c.size, gigabyte);
	p = mmap(NULL, gigabyte, RW, MAP_SHARED, c.fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	for (i = 0; i < gigabyte; i += page)
		p[i] = 1;
	for (i = 0; i < gigabyte; i += page)
		sum += p[i];
	EXPECT_EQ(sum, gigabyte / page);
	EXPECT_EQ(pread(c.fd, &byte, 1, gigabyte - page), 1);
	EXPECT_EQ(byte, 1);
	munmap(p, gigabyte);
	close(c.fd);
}

/* Charged to the user while the buffer is there, and refunded exactly. */
TEST_F(node, memlock_limit)
{
	struct rlimit limit = { 8 * page, 8 * page };
	struct shmbuf_create c, d;
	int round;

	if (setuid(UNUSED_UID))
		SKIP(return, "cannot become another user: %s", strerror(errno));
	ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	for (round = 0; round < 3; round++) {
		c = valid_create();
		c.size = 5 * page;
		ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
		d = valid_create();
		EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &d), -1);
		EXPECT_EQ(errno, ENOMEM);
		d.size = 3 * page;
		ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &d), 0);
		close(d.fd);
		close(c.fd);

		/* What failed was not charged. */
		d.size = 9 * page;
		EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &d), -1);
		EXPECT_EQ(errno, ENOMEM);
		d.size = 8 * page;
		ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &d), 0);
		close(d.fd);
	}
}

TEST_F(node, no_free_descriptor)
{
	struct rlimit old, none = { lowest_free_fd(), lowest_free_fd() };
	struct shmbuf_create c = valid_create(), before = c;

	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
	none.rlim_max = old.rlim_max;
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), -1);
	EXPECT_EQ(errno, EMFILE);
	EXPECT_EQ(memcmp(&c, &before, sizeof(c)), 0);
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
}

TEST_F(node, unknown_ioctl)
{
	EXPECT_EQ(ioctl(self->dev, _IO(SHMBUF_IOC_MAGIC, 0x7f)), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_INFO, NULL), -1);
	EXPECT_EQ(errno, ENOTTY);
}

TEST_F(node, bad_pointer)
{
	int fd = lowest_free_fd();
	struct shmbuf_create *read_only;

	EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, NULL), -1);
	EXPECT_EQ(errno, EFAULT);

	/* Can be read, but the answer cannot be written. */
	read_only = mmap(NULL, page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(read_only, MAP_FAILED);
	*read_only = valid_create();
	ASSERT_EQ(mprotect(read_only, page, PROT_READ), 0);
	EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, read_only), -1);
	EXPECT_EQ(errno, EFAULT);
	munmap(read_only, page);
	EXPECT_EQ(lowest_free_fd(), fd);
}

static_assert(sizeof(struct shmbuf_create) == SHMBUF_CREATE_SIZE_VER0);
static_assert(sizeof(struct shmbuf_info) == SHMBUF_INFO_SIZE_VER0);
static_assert(sizeof(struct shmbuf_seal) == SHMBUF_SEAL_SIZE_VER0);
static_assert(sizeof(struct shmbuf_notify) == SHMBUF_NOTIFY_SIZE_VER0);
static_assert(sizeof(struct shmbuf_sync) == SHMBUF_SYNC_SIZE_VER0);

/*
 * Programs that are older or newer than the kernel: each ioctl takes a longer
 * structure, whose end it does not know, if that is 0, and no shorter one than
 * the first.
 */
FIXTURE(struct_size) {
	int dev;
	int fd;
	int buf;
	unsigned char arg[256];		/* valid, with zeroes behind it */
};

FIXTURE_VARIANT(struct_size) {
	unsigned int cmd;
	unsigned int ver0;
};

#define STRUCT_SIZE(name)						\
FIXTURE_VARIANT_ADD(struct_size, name) {				\
	.cmd = SHMBUF_IOC_##name,					\
	.ver0 = _IOC_SIZE(SHMBUF_IOC_##name),				\
}

STRUCT_SIZE(CREATE);
STRUCT_SIZE(INFO);
STRUCT_SIZE(SEAL);
STRUCT_SIZE(SYNC);
STRUCT_SIZE(SIGNAL);
STRUCT_SIZE(ACK);

FIXTURE_SETUP(struct_size)
{
	struct shmbuf_create c;
	struct shmbuf_sync sync = { .direction = SHMBUF_SYNC_READ };

	page = sysconf(_SC_PAGESIZE);
	memset(self->arg, 0, sizeof(self->arg));
	self->dev = open_node();
	if (self->dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	c = valid_create();
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	self->buf = c.fd;
	self->fd = c.fd;
	if (variant->cmd == SHMBUF_IOC_CREATE) {
		c = valid_create();
		memcpy(self->arg, &c, sizeof(c));
		self->fd = self->dev;
	} else if (variant->cmd == SHMBUF_IOC_SYNC) {
		memcpy(self->arg, &sync, sizeof(sync));
	}
}

FIXTURE_TEARDOWN(struct_size)
{
	if (self->dev < 0)
		return;
	close(self->buf);
	close(self->dev);
}

static int ioctl_of_size(int fd, unsigned int cmd, unsigned int size, void *arg)
{
	return ioctl(fd, _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size),
		     arg);
}

TEST_F(struct_size, shorter)
{
	unsigned int size;

	for (size = 0; size < variant->ver0; size++) {
		EXPECT_EQ(ioctl_of_size(self->fd, variant->cmd, size, self->arg),
			  -1);
		EXPECT_EQ(errno, ENOTTY);
	}
}

TEST_F(struct_size, equal_or_longer)
{
	int fd = lowest_free_fd();
	unsigned int size, i;

	for (size = variant->ver0; size <= sizeof(self->arg); size++) {
		ASSERT_EQ(ioctl_of_size(self->fd, variant->cmd, size, self->arg),
			  0);
		for (i = variant->ver0; i < sizeof(self->arg); i++)
			ASSERT_EQ(self->arg[i], 0);
		/* The one that CREATE made. */
		if (variant->cmd == SHMBUF_IOC_CREATE)
			EXPECT_EQ(close(fd), 0);
	}
}

/* Wherever it is, what the kernel does not know it refuses, and does nothing. */
TEST_F(struct_size, longer_and_not_zero)
{
	unsigned char before[sizeof(self->arg)];
	int fd = lowest_free_fd();
	unsigned int i;

	for (i = variant->ver0; i < sizeof(self->arg); i++) {
		self->arg[i] = 1;
		memcpy(before, self->arg, sizeof(before));
		EXPECT_EQ(ioctl_of_size(self->fd, variant->cmd,
					sizeof(self->arg), self->arg), -1);
		EXPECT_EQ(errno, E2BIG);
		EXPECT_EQ(memcmp(before, self->arg, sizeof(before)), 0);
		self->arg[i] = 0;
	}
	EXPECT_EQ(lowest_free_fd(), fd);
	EXPECT_EQ(get_info(self->buf).sequence, 0);
	EXPECT_EQ(get_info(self->buf).seals, 0);
}

#define CGROUP	"/sys/fs/cgroup/"

/* A memory cgroup of the test's own, which the test is in. */
FIXTURE(cgroup) {
	int dev;
	char path[64];	/* here, as the parent removes what the child has made */
};

static const char *in_folder(const char *path, const char *file)
{
	static char name[128];

	snprintf(name, sizeof(name), "%s/%s", path, file);
	return name;
}

FIXTURE_SETUP(cgroup)
{
	const char *const control = CGROUP "cgroup.subtree_control";

	page = sysconf(_SC_PAGESIZE);
	self->path[0] = 0;
	self->dev = open_node();
	if (self->dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	if (access(CGROUP "cgroup.procs", W_OK))
		SKIP(return, "no cgroup2 at " CGROUP " for us");
	/* It stays on: somebody else may want it by the time this ends. */
	if (!count_lines(control, "memory", "") && write_file(control, "+memory"))
		SKIP(return, "no memory controller in " CGROUP);
	snprintf(self->path, sizeof(self->path), CGROUP "shmbuf_test.%d",
		 getpid());
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	ASSERT_EQ(write_file(in_folder(self->path, "memory.max"), "16M"), 0);
	ASSERT_EQ(write_file(in_folder(self->path, "cgroup.procs"), "0"), 0);
}

FIXTURE_TEARDOWN_PARENT(cgroup)
{
	if (self->path[0])
		EXPECT_EQ(rmdir(self->path), 0);
	if (self->dev >= 0)
		close(self->dev);
}

/* Whatever is reclaimed, it is not the buffer, which stays mapped as it was. */
TEST_F(cgroup, reclaim)
{
	struct shmbuf_create c = valid_create();
	long rss;
	size_t i;
	char *p;

	if (access(in_folder(self->path, "memory.reclaim"), W_OK))
		SKIP(return, "this kernel has no memory.reclaim");
	c.size = 8 << 20;
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	for (i = 0; i < c.size; i += page)
		p[i] = i / page;
	rss = smaps_kb("Rss");
	EXPECT_EQ(rss, c.size / 1024);
	/* As much as there is; that this is not to be had is no surprise. */
	write_file(in_folder(self->path, "memory.reclaim"), "8M");
	EXPECT_EQ(smaps_kb("Rss"), rss);
	EXPECT_GE(read_number(in_folder(self->path, "memory.current"), ""),
		  c.size);
	for (i = 0; i < c.size; i += page)
		ASSERT_EQ(p[i], (char)(i / page));
	munmap(p, c.size);
	close(c.fd);
}

/* Charged to the memory cgroup of the creator, which also says no. */
TEST_F(cgroup, charged)
{
	struct shmbuf_create c;
	/* What each CPU may have charged in advance. */
	long slack = 64 * page * sysconf(_SC_NPROCESSORS_CONF);
	int i, n, fds[5];
	long during;
	uint32_t backing;

	/* The others may come from an area that is charged to nobody. */
	for (backing = 0; backing <= SHMBUF_BACKING_CONTIG; backing++) {
		/* Each time the same, so it was refunded. */
		for (i = 0; i < 20; i++) {
			c = valid_create();
			c.backing = backing;
			c.size = 4 << 20;
			ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
			during = read_number(in_folder(self->path,
						       "memory.current"), "");
			EXPECT_GE(during, 4 << 20);
			EXPECT_LT(during, (8 << 20) + slack);
			close(c.fd);
		}
		/* Too much is an errno, and nobody is killed for it. */
		for (n = 0; n < 5; n++) {
			if (ioctl(self->dev, SHMBUF_IOC_CREATE, &c))
				break;
			fds[n] = c.fd;
		}
		EXPECT_EQ(errno, ENOMEM);
		EXPECT_LT(n, 5);
		while (n-- > 0)
			close(fds[n]);
	}
}

/* No memory of a node that the process may not use. */
TEST_F(cgroup, cpuset)
{
	const char *const control = CGROUP "cgroup.subtree_control";
	static const struct {
		const char *mems;
		int node, err;
	} tries[] = { { "1", 1 }, { "0", 1, ENOMEM }, { "0", 0 } };
	/* Of each allocator one: a page, a block, a range. */
	static const struct {
		uint32_t backing;
		uint64_t size;
	} buffers[] = { { SHMBUF_BACKING_PAGES, 16 << 20 },
			{ SHMBUF_BACKING_CONTIG, 1 },
			{ SHMBUF_BACKING_CONTIG, 16 << 20 } };
	struct shmbuf_create c;
	unsigned int i, j;
	int err;

	if (count_lines("/sys/devices/system/node/has_memory", "0-", "") <= 0)
		SKIP(return, "not two NUMA nodes with memory, as under UML");
	if (!count_lines(control, "cpuset", "") && write_file(control, "+cpuset"))
		SKIP(return, "no cpuset controller in " CGROUP);
	ASSERT_EQ(write_file(in_folder(self->path, "memory.max"), "max"), 0);
	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		ASSERT_EQ(write_file(in_folder(self->path, "cpuset.mems"),
				     tries[i].mems), 0);
		for (j = 0; j < ARRAY_SIZE(buffers); j++) {
			c = valid_create();
			c.backing = buffers[j].backing;
			c.size = buffers[j].size;
			c.numa_node = tries[i].node;
			err = ioctl(self->dev, SHMBUF_IOC_CREATE, &c) ? errno : 0;
			/* Not every kernel or machine has it in one piece. */
			if (err == ENOMEM && j == 2)
				continue;
			EXPECT_EQ(err, tries[i].err)
				TH_LOG("try %u, buffer %u", i, j);
			if (!err)
				close(c.fd);
		}
	}
}

/* What cannot be there is not looked for: nobody else has to make room first. */
TEST_F(cgroup, more_than_memory)
{
	struct shmbuf_create c = valid_create();

	c.size = (uint64_t)(sysconf(_SC_PHYS_PAGES) + 1) * page;
	if (c.size > LONG_MAX && !is_compat())
		SKIP(return, "no buffer can be larger than memory");
	EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), -1);
	EXPECT_EQ(errno, ENOMEM);
	EXPECT_EQ(read_number(in_folder(self->path, "memory.events"), "max "),
		  0);
}

/*
 * Created, mapped, touched, unmapped and closed: the user may have one buffer at
 * a time and the cgroup some hundred, so that no charge can stay behind. That
 * no memory does is for close_frees_memory to say.
 */
TEST_F_TIMEOUT(cgroup, ten_thousand_cycles, 600)
{
	const size_t size = 16 * page;
	struct rlimit limit = { size, size };
	struct shmbuf_create c;
	char *p;
	int i;

	/* Nobody else's pages count against this user. */
	if (setuid(UNUSED_UID))
		SKIP(return, "cannot become another user: %s", strerror(errno));
	ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	for (i = 0; i < 10000; i++) {
		c = valid_create();
		c.backing = i % 4;
		c.size = size;
		if (ioctl(self->dev, SHMBUF_IOC_CREATE, &c)) {
			ASSERT_NO_DMA(c.backing);
			continue;
		}
		p = mmap(NULL, size, RW, MAP_SHARED, c.fd, 0);
		ASSERT_NE(p, MAP_FAILED);
		p[0] = 1;
		p[size - 1] = 1;
		if (i & 4)
			close(c.fd);
		munmap(p, size);
		if (!(i & 4))
			close(c.fd);
	}
}

/* Create with one field wrong: nothing happens but the errno. */
FIXTURE(refused) {
	int dev;
};

FIXTURE_VARIANT(refused) {
	size_t offset;
	uint64_t value;
	int expected;
};

#define REFUSED(name, field, bad, err)					\
FIXTURE_VARIANT_ADD(refused, name) {					\
	.offset = offsetof(struct shmbuf_create, field),		\
	.value = (bad),							\
	.expected = (err),						\
}

REFUSED(size_0, size, 0, EINVAL);
REFUSED(size_that_wraps, size, UINT64_MAX, EINVAL);
REFUSED(size_of_the_last_page, size, UINT64_MAX - 4095, EINVAL);
REFUSED(size_ulong_max, size, (unsigned long)-1, EINVAL);
REFUSED(size_ulong_max_less_a_page, size, (unsigned long)-4096, EINVAL);
REFUSED(size_with_the_sign_bit, size, 1ULL << 63, EINVAL);
REFUSED(size_more_than_memory, size, ((unsigned long)-1 >> 1) - 65535, ENOMEM);
REFUSED(backing_unknown, backing, 99, EINVAL);
REFUSED(backing_not_for_programs, backing, SHMBUF_BACKING_REGION, EOPNOTSUPP);
REFUSED(backing_huge, backing, UINT32_MAX, EINVAL);
REFUSED(cache_unknown, cache, 4, EINVAL);
REFUSED(cache_impossible, cache, SHMBUF_CACHE_DEVICE, EOPNOTSUPP);
REFUSED(flags, flags, 1, EINVAL);
REFUSED(reserved, reserved, 1, EINVAL);
REFUSED(node_negative, numa_node, (uint32_t)-2, EINVAL);
REFUSED(node_without_memory, numa_node, 1023, EINVAL);
REFUSED(node_huge, numa_node, INT32_MAX, EINVAL);

FIXTURE_SETUP(refused)
{
	page = sysconf(_SC_PAGESIZE);
	self->dev = open_node();
	if (self->dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
}

FIXTURE_TEARDOWN(refused)
{
	if (self->dev >= 0)
		close(self->dev);
}

TEST_F(refused, create)
{
	struct shmbuf_create c = valid_create(), before;
	uint32_t value32 = variant->value;
	bool is_size = variant->offset == offsetof(struct shmbuf_create, size);
	int fd = lowest_free_fd();

	if (is_size && is_compat() && variant->value > LONG_MAX / 2 &&
	    variant->value <= ULONG_MAX)
		SKIP(return, "a kernel of 64 bits may have such a buffer");
	if (is_size)	/* the only field of 64 bits */
		c.size = variant->value;
	else
		memcpy((char *)&c + variant->offset, &value32, sizeof(value32));
	before = c;
	EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), -1);
	EXPECT_EQ(errno, variant->expected);
	EXPECT_EQ(memcmp(&c, &before, sizeof(c)), 0);
	EXPECT_EQ(lowest_free_fd(), fd);
}

TEST_F(node, names)
{
	const char *const bad[] = { "a/b", "a\nb", "\x7f", "\xc3\xa4" };
	struct shmbuf_create c = valid_create();
	int i;

	for (i = 0; i < 4; i++) {
		strcpy((char *)c.name, bad[i]);
		EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), -1);
		EXPECT_EQ(errno, EINVAL);
	}
	memset(c.name, 'x', sizeof(c.name));
	EXPECT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), -1);
	EXPECT_EQ(errno, EINVAL);
	c.name[sizeof(c.name) - 1] = '\0';
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	close(c.fd);
	c.name[0] = '\0';
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	close(c.fd);
}

/* A buffer of PAGES pages, mapped as a whole. */
FIXTURE(buffer) {
	int fd;
	size_t size;
	char *p;
};

FIXTURE_VARIANT(buffer) {
	uint32_t backing;
	uint32_t capabilities;
};

FIXTURE_VARIANT_ADD(buffer, pages) {
	.backing = SHMBUF_BACKING_PAGES,
	.capabilities = SHMBUF_CAP_PINNABLE,
};

FIXTURE_VARIANT_ADD(buffer, contig) {
	.backing = SHMBUF_BACKING_CONTIG,
};

/* Where this kernel has no DMA at all, the tests of it are skipped. */
FIXTURE_VARIANT_ADD(buffer, coherent) {
	.backing = SHMBUF_BACKING_COHERENT,
};

FIXTURE_VARIANT_ADD(buffer, stream) {
	.backing = SHMBUF_BACKING_STREAM,
};

FIXTURE_SETUP(buffer)
{
	struct shmbuf_create c;
	int dev;

	page = sysconf(_SC_PAGESIZE);
	self->fd = -1;
	self->p = MAP_FAILED;
	dev = open_node();
	if (dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	c = valid_create();
	c.backing = variant->backing;
	if (ioctl(dev, SHMBUF_IOC_CREATE, &c)) {
		ASSERT_NO_DMA(c.backing);
		close(dev);
		SKIP(return, "this kernel has no memory for DMA");
	}
	close(dev);
	self->fd = c.fd;
	self->size = c.size;
	self->p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
	ASSERT_NE(self->p, MAP_FAILED);
}

FIXTURE_TEARDOWN(buffer)
{
	if (self->p != MAP_FAILED)
		munmap(self->p, self->size);
	if (self->fd >= 0)
		close(self->fd);
}

#define EXPECT_COUNTS(all, writable) do {				\
	struct shmbuf_info __info = get_info(self->fd);			\
									\
	EXPECT_EQ(__info.mappings, all);				\
	EXPECT_EQ(__info.writable_mappings, writable);			\
} while (0)

TEST_F(buffer, info)
{
	struct shmbuf_info info = get_info(self->fd);

	EXPECT_EQ(info.size, self->size);
	/* Four pages are less than any huge page. */
	EXPECT_EQ(info.map_unit, page);
	EXPECT_EQ(info.mappings, 1);
	EXPECT_EQ(info.writable_mappings, 1);
	EXPECT_EQ(info.backing, variant->backing);
	/* Coherent memory is what the architecture makes of it. */
	if (variant->backing != SHMBUF_BACKING_COHERENT)
		EXPECT_EQ(info.cache, SHMBUF_CACHE_CACHED);
	/* That depends on the machine. */
	if (variant->backing == SHMBUF_BACKING_STREAM)
		info.capabilities &= ~SHMBUF_CAP_NEEDS_SYNC;
	EXPECT_EQ(info.capabilities, variant->capabilities);
	EXPECT_EQ(info.seals, 0);
	EXPECT_STREQ((char *)info.name, "selftest");

	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_INFO, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_CREATE, NULL), -1);
	EXPECT_EQ(errno, ENOTTY);
}

/* What a process stores the kernel loads, on every page, and back. */
TEST_F(buffer, store_and_load)
{
	unsigned char byte;
	int i;

	for (i = 0; i < PAGES; i++) {
		self->p[i * page] = i + 1;
		ASSERT_EQ(pread(self->fd, &byte, 1, i * page), 1);
		EXPECT_EQ(byte, i + 1);
		byte = i + 100;
		ASSERT_EQ(pwrite(self->fd, &byte, 1, (i + 1) * page - 1), 1);
		EXPECT_EQ(self->p[(i + 1) * page - 1], i + 100);
	}
}

TEST_F(buffer, two_mappings_of_one_page)
{
	char *q = mmap(NULL, page, RW, MAP_SHARED, self->fd, page);

	ASSERT_NE(q, MAP_FAILED);
	EXPECT_COUNTS(2, 2);
	self->p[page + 5] = 42;
	EXPECT_EQ(q[5], 42);
	q[6] = 43;
	EXPECT_EQ(self->p[page + 6], 43);
	munmap(q, page);
	EXPECT_COUNTS(1, 1);
}

TEST_F(buffer, read_write_edges)
{
	char two[2] = { 1, 2 };
	off_t end = self->size;
	char *bad = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	ASSERT_NE(bad, MAP_FAILED);
	EXPECT_EQ(lseek(self->fd, 0, SEEK_END), end);
	EXPECT_EQ(read(self->fd, two, 2), 0);
	EXPECT_EQ(write(self->fd, two, 2), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(write(self->fd, two, 0), 0);
	EXPECT_EQ(pread(self->fd, two, 2, end + page), 0);
	EXPECT_EQ(pwrite(self->fd, two, 2, end + page), -1);
	EXPECT_EQ(errno, ENOSPC);

	EXPECT_EQ(lseek(self->fd, -1, SEEK_END), end - 1);
	EXPECT_EQ(write(self->fd, two, 2), 1);
	EXPECT_EQ(lseek(self->fd, 0, SEEK_CUR), end);
	EXPECT_EQ(self->p[end - 1], 1);
	EXPECT_EQ(pread(self->fd, two, 2, end - 1), 1);

	EXPECT_EQ(pread(self->fd, bad, 1, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pwrite(self->fd, bad, 1, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	munmap(bad, page);
}

/* Appending would grow the file, and a buffer does not grow. */
TEST_F(buffer, size_is_fixed)
{
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct stat st;

	EXPECT_EQ(pwritev2(self->fd, &iov, 1, 0, RWF_APPEND), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(ftruncate(self->fd, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ftruncate(self->fd, 2 * self->size), -1);
	EXPECT_EQ(errno, EINVAL);
	ASSERT_EQ(fstat(self->fd, &st), 0);
	EXPECT_EQ(st.st_size, self->size);
	EXPECT_EQ(self->p[0], 0);
}

#define EXPECT_NO_MMAP(len, prot, flags, fd, off, err) do {		\
	EXPECT_EQ(mmap(NULL, len, prot, flags, fd, off), MAP_FAILED);	\
	EXPECT_EQ(errno, err);						\
} while (0)

TEST_F(buffer, windows)
{
	char *q;
	int i;

	for (i = 0; i < PAGES; i++)
		self->p[i * page] = i;
	for (i = 0; i < PAGES; i++) {
		q = mmap(NULL, page, PROT_READ, MAP_SHARED, self->fd, i * page);
		ASSERT_NE(q, MAP_FAILED);
		EXPECT_EQ(*q, i);
		munmap(q, page);
	}

	EXPECT_NO_MMAP(self->size + 1, RW, MAP_SHARED, self->fd, 0, EINVAL);
	EXPECT_NO_MMAP(2 * page, RW, MAP_SHARED, self->fd,
		       self->size - page, EINVAL);
	EXPECT_NO_MMAP(page, RW, MAP_SHARED, self->fd, self->size, EINVAL);
	EXPECT_NO_MMAP(page, RW, MAP_SHARED, self->fd, 1UL << 30, EINVAL);
	/* Regular files have a largest offset, which 32 bits do not reach. */
	EXPECT_NO_MMAP(page, RW, MAP_SHARED, self->fd, -2 * page,
		       sizeof(long) == 8 ? EOVERFLOW : EINVAL);
	EXPECT_NO_MMAP(2 * page, RW, MAP_SHARED, self->fd, -page,
		       sizeof(long) == 8 ? EOVERFLOW : EINVAL);
	EXPECT_COUNTS(1, 1);
}

TEST_F(buffer, protections)
{
	EXPECT_NO_MMAP(page, RW, MAP_PRIVATE, self->fd, 0, EINVAL);
	EXPECT_NO_MMAP(page, PROT_READ, MAP_PRIVATE, self->fd, 0, EINVAL);
	EXPECT_NO_MMAP(page, PROT_READ | PROT_EXEC, MAP_SHARED, self->fd, 0,
		       EPERM);
	EXPECT_EQ(mprotect(self->p, page, PROT_READ | PROT_EXEC), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_COUNTS(1, 1);
}

/* A mapping made for reading may be made writable: it counted as such. */
TEST_F(buffer, mprotect_to_write)
{
	char *q = mmap(NULL, page, PROT_READ, MAP_SHARED, self->fd, 0);

	ASSERT_NE(q, MAP_FAILED);
	EXPECT_COUNTS(2, 2);
	ASSERT_EQ(mprotect(q, page, RW), 0);
	*q = 3;
	EXPECT_EQ(self->p[0], 3);
	munmap(q, page);
}

TEST_F(buffer, write_only_file)
{
	int wo;

	wo = reopen(self->fd, O_WRONLY);
	ASSERT_GE(wo, 0);
	EXPECT_NO_MMAP(page, PROT_READ, MAP_SHARED, wo, 0, EACCES);
	EXPECT_EQ(write(wo, "w", 1), 1);
	EXPECT_EQ(self->p[0], 'w');
	close(wo);
}

/* There is nothing to write back, and that is no error. */
TEST_F(buffer, sync)
{
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(msync(self->p, self->size, MS_SYNC), 0);
}

/* The file goes to another process over a socket, and the buffer with it. */
TEST_F(buffer, scm_rights)
{
	int sockets[2], status, fd;
	pid_t pid;
	char *q;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		SKIP(return, "socketpair: %s", strerror(errno));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(self->fd);
		munmap(self->p, self->size);
		fd = receive_fd(sockets[1]);
		q = mmap(NULL, page, RW, MAP_SHARED, fd, page);
		if (q == MAP_FAILED || strcmp(q, "ping"))
			_exit(2);
		strcpy(q, "pong");
		_exit(0);
	}
	strcpy(self->p + page, "ping");
	EXPECT_TRUE(send_fd(sockets[0], self->fd));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_STREQ(self->p + page, "pong");
	EXPECT_TRUE(wait_for_counts(self->fd, 1, 1));
	close(sockets[0]);
	close(sockets[1]);
}

/* A consumer gets its own, read-only file and can never write through it. */
TEST_F(buffer, read_only_file)
{
	char *q, byte = 1;
	int ro;

	ro = reopen(self->fd, O_RDONLY);
	ASSERT_GE(ro, 0);
	EXPECT_NO_MMAP(page, RW, MAP_SHARED, ro, 0, EACCES);
	q = mmap(NULL, page, PROT_READ, MAP_SHARED, ro, 0);
	ASSERT_NE(q, MAP_FAILED);
	EXPECT_COUNTS(2, 1);
	EXPECT_EQ(mprotect(q, page, RW), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(write(ro, &byte, 1), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(get_info(ro).size, self->size);
	self->p[0] = 9;
	EXPECT_EQ(q[0], 9);
	EXPECT_EQ(read(ro, &byte, 1), 1);
	EXPECT_EQ(byte, 9);
	munmap(q, page);
	close(ro);
	EXPECT_COUNTS(1, 1);
}

TEST_F(buffer, close_while_mapped)
{
	char path[64];

	strcpy(self->p + page, "still here");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	EXPECT_EQ(close(self->fd), 0);
	self->fd = -1;
	EXPECT_EQ(access(path, F_OK), -1);
	EXPECT_STREQ(self->p + page, "still here");
	self->p[0] = 1;
	EXPECT_EQ(self->p[0], 1);
}

/* Fork shares the mapping and counts it until the child is gone. */
TEST_F(buffer, fork)
{
	int go[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	self->p[0] = 1;
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(go[1]);
		self->p[page] = self->p[0] + 1;
		_exit(read(go[0], &byte, 1) ? 1 : 0);
	}
	close(go[0]);
	EXPECT_COUNTS(2, 2);
	close(go[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(self->p[page], 2);
	EXPECT_TRUE(wait_for_counts(self->fd, 1, 1));
}

TEST_F(buffer, sigkill_of_a_child)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		for (;;)
			pause();
	}
	EXPECT_COUNTS(2, 2);
	kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(wait_for_counts(self->fd, 1, 1));
}

TEST_F(buffer, dontfork)
{
	int status;
	pid_t pid;

	ASSERT_EQ(madvise(self->p, self->size, MADV_DONTFORK), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (signal_of(self->p) != SIGSEGV)
			_exit(2);
		_exit(get_info(self->fd).mappings);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(WEXITSTATUS(status), 1);
}

TEST_F(buffer, hole)
{
	char byte;
	int i;

	self->p[0] = 1;
	self->p[2 * page] = 3;
	ASSERT_EQ(munmap(self->p + page, page), 0);
	EXPECT_COUNTS(2, 2);
	EXPECT_EQ(self->p[0], 1);
	EXPECT_EQ(signal_of(self->p + page), SIGSEGV);
	EXPECT_EQ(self->p[2 * page], 3);
	self->p[3 * page] = 4;
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(pread(self->fd, &byte, 1, i * page), 1);
		EXPECT_EQ(byte, i == 1 ? 0 : i + 1);
	}
	ASSERT_EQ(munmap(self->p, page), 0);
	EXPECT_COUNTS(1, 1);
	ASSERT_EQ(munmap(self->p + 2 * page, 2 * page), 0);
	EXPECT_COUNTS(0, 0);
}

TEST_F(buffer, mprotect_splits)
{
	ASSERT_EQ(mprotect(self->p + page, page, PROT_READ), 0);
	EXPECT_COUNTS(3, 3);
	ASSERT_EQ(munmap(self->p, self->size), 0);
	EXPECT_COUNTS(0, 0);
}

TEST_F(buffer, mremap)
{
	char *q, *place;
	int i;

	for (i = 0; i < PAGES; i++)
		self->p[i * page] = 7 + i;
	place = mmap(NULL, self->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	ASSERT_NE(place, MAP_FAILED);
	q = mremap(self->p, self->size, self->size,
		   MREMAP_MAYMOVE | MREMAP_FIXED, place);
	ASSERT_EQ(q, place);
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(q[i * page], 7 + i);
	EXPECT_EQ(signal_of(self->p), SIGSEGV);
	EXPECT_COUNTS(1, 1);

	/* Page frame numbers cannot grow, be there twice, or be left behind. */
	if (variant->backing != SHMBUF_BACKING_PAGES) {
		EXPECT_EQ(mremap(q, self->size, 2 * self->size, MREMAP_MAYMOVE),
			  MAP_FAILED);
		EXPECT_EQ(errno, EFAULT);
		EXPECT_EQ(mremap(q, 0, self->size, MREMAP_MAYMOVE), MAP_FAILED);
		EXPECT_EQ(errno, EFAULT);
		EXPECT_EQ(mremap(q, self->size, self->size,
				 MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), MAP_FAILED);
		EXPECT_EQ(errno, EINVAL);
	}
	EXPECT_COUNTS(1, 1);
	EXPECT_EQ(q[0], 7);

	/* Part of it can move, over another part of it. */
	q[3 * page] = 9;
	EXPECT_EQ(mremap(q + 3 * page, page, page,
			 MREMAP_MAYMOVE | MREMAP_FIXED, q + page), q + page);
	EXPECT_COUNTS(3, 3);
	EXPECT_EQ(q[page], 9);
	ASSERT_EQ(mmap(q, self->size, RW, MAP_SHARED | MAP_FIXED, self->fd, 0),
		  q);
	EXPECT_COUNTS(1, 1);

	EXPECT_EQ(mremap(q, self->size, page, 0), q);
	EXPECT_COUNTS(1, 1);
	ASSERT_EQ(munmap(q, page), 0);
	EXPECT_COUNTS(0, 0);
}

TEST_F(buffer, map_fixed_over_itself)
{
	self->p[0] = 5;
	ASSERT_EQ(mmap(self->p, self->size, RW, MAP_SHARED | MAP_FIXED,
		       self->fd, 0), self->p);
	EXPECT_COUNTS(1, 1);
	EXPECT_EQ(self->p[0], 5);
}

TEST_F(buffer, proc_maps)
{
	char line[512], expected[32];
	bool found = false;
	FILE *maps;

	snprintf(expected, sizeof(expected), "%08lx-", (unsigned long)self->p);
	maps = fopen("/proc/self/maps", "r");
	ASSERT_NE(maps, NULL);
	while (fgets(line, sizeof(line), maps)) {
		if (strncmp(line, expected, strlen(expected)))
			continue;
		found = strstr(line, " rw-s ") &&
			strstr(line, "/shmbuf:selftest (deleted)");
	}
	fclose(maps);
	EXPECT_TRUE(found);
}

/* What is mapped by page frame numbers is no page that would be counted. */
TEST_F(buffer, smaps)
{
	bool pages = variant->capabilities & SHMBUF_CAP_PINNABLE;

	memset(self->p, 1, self->size);
	EXPECT_EQ(smaps_kb("Size"), self->size / 1024);
	EXPECT_EQ(smaps_kb("Rss"), pages ? self->size / 1024 : 0);
	EXPECT_EQ(smaps_kb("Swap"), 0);
	EXPECT_EQ(smaps_kb("Anonymous"), 0);
}

/* The value of a line "shmbuf-KEY:" in fdinfo, or "". */
static const char *fdinfo_value(int fd, const char *key)
{
	static char value[64];
	char path[64], line[128], name[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "shmbuf-%63[^:]:\t%63s", name, value) == 2 &&
		    !strcmp(name, key)) {
			fclose(f);
			return value;
		}
	}
	if (f)
		fclose(f);
	return "";
}

TEST_F(buffer, fdinfo)
{
	static const char *const names[] = {
		"pages", "contig", "coherent", "stream"
	};
	char size[32];

	snprintf(size, sizeof(size), "%zu", self->size);
	EXPECT_STREQ(fdinfo_value(self->fd, "size"), size);
	EXPECT_STREQ(fdinfo_value(self->fd, "backing"), names[variant->backing]);
	if (get_info(self->fd).cache == SHMBUF_CACHE_CACHED)
		EXPECT_STREQ(fdinfo_value(self->fd, "cache"), "cached");
	EXPECT_STREQ(fdinfo_value(self->fd, "mappings"), "1");
	EXPECT_STREQ(fdinfo_value(self->fd, "writable"), "1");
	EXPECT_STREQ(fdinfo_value(self->fd, "seals"), "0x0");
	EXPECT_STREQ(fdinfo_value(self->fd, "sequence"), "0");
	EXPECT_STREQ(fdinfo_value(self->fd, "revoked"), "0");
	munmap(self->p, self->size);
	self->p = MAP_FAILED;
	EXPECT_STREQ(fdinfo_value(self->fd, "mappings"), "0");
	EXPECT_STREQ(fdinfo_value(self->fd, "writable"), "0");
}

/* The list has the buffer while it is there. */
TEST_F(buffer, debugfs)
{
	char ino[32];
	struct stat st;

	ASSERT_EQ(fstat(self->fd, &st), 0);
	snprintf(ino, sizeof(ino), "ino=%lu ", (unsigned long)st.st_ino);
	if (count_lines(BUFFERS, "", "") < 0)
		SKIP(return, BUFFERS ": %s", strerror(errno));
	EXPECT_EQ(count_lines(BUFFERS, ino, " mappings=1 writable=1 "), 1);
	EXPECT_EQ(count_lines(BUFFERS, ino, " name=selftest\n"), 1);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(count_lines(BUFFERS, ino, ""), 1);
	munmap(self->p, self->size);
	self->p = MAP_FAILED;
	EXPECT_EQ(count_lines(BUFFERS, ino, ""), 0);
}

#define EXPECT_NO_SEAL(fd, seals, err) do {				\
	EXPECT_EQ(add_seals(fd, seals), -1);				\
	EXPECT_EQ(errno, err);						\
} while (0)

TEST_F(buffer, seal_write)
{
	loff_t off = 0;
	char *q, byte;
	int fds[2];

	/* Not while it can be written, or could be after mprotect(). */
	EXPECT_NO_SEAL(self->fd, SHMBUF_SEAL_WRITE, EBUSY);
	strcpy(self->p, "final");
	ASSERT_EQ(mprotect(self->p, self->size, PROT_READ), 0);
	EXPECT_NO_SEAL(self->fd, SHMBUF_SEAL_WRITE, EBUSY);
	EXPECT_EQ(get_info(self->fd).seals, 0);
	munmap(self->p, self->size);
	self->p = MAP_FAILED;

	ASSERT_EQ(add_seals(self->fd, SHMBUF_SEAL_WRITE), SHMBUF_SEAL_WRITE);
	EXPECT_EQ(get_info(self->fd).seals, SHMBUF_SEAL_WRITE);
	EXPECT_NO_MMAP(page, RW, MAP_SHARED, self->fd, 0, EPERM);
	EXPECT_NO_MMAP(page, PROT_WRITE, MAP_SHARED, self->fd, 0, EPERM);
	EXPECT_EQ(pwrite(self->fd, "x", 1, 0), -1);
	EXPECT_EQ(errno, EPERM);
	ASSERT_EQ(pipe(fds), 0);
	ASSERT_EQ(write(fds[1], "x", 1), 1);
	EXPECT_EQ(splice(fds[0], NULL, self->fd, &off, 1, 0), -1);
	EXPECT_EQ(errno, EPERM);
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ(pread(self->fd, &byte, 1, 0), 1);
	EXPECT_EQ(byte, 'f');

	/* Through the same O_RDWR descriptor, but for reading only. */
	q = mmap(NULL, self->size, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(q, MAP_FAILED);
	EXPECT_COUNTS(1, 0);
	EXPECT_STREQ(q, "final");
	EXPECT_EQ(mprotect(q, page, RW), -1);
	EXPECT_EQ(errno, EACCES);
	/* Adding what is there is no error, whoever maps the buffer. */
	EXPECT_EQ(add_seals(self->fd, SHMBUF_SEAL_WRITE), SHMBUF_SEAL_WRITE);
	munmap(q, self->size);
	EXPECT_COUNTS(0, 0);
}

TEST_F(buffer, seal_seal)
{
	munmap(self->p, self->size);
	self->p = MAP_FAILED;
	ASSERT_EQ(add_seals(self->fd, SHMBUF_SEAL_SEAL), SHMBUF_SEAL_SEAL);
	EXPECT_NO_SEAL(self->fd, SHMBUF_SEAL_WRITE, EPERM);
	EXPECT_NO_SEAL(self->fd, SHMBUF_SEAL_WRITE | SHMBUF_SEAL_SEAL, EPERM);
	EXPECT_EQ(add_seals(self->fd, SHMBUF_SEAL_SEAL), SHMBUF_SEAL_SEAL);
	EXPECT_EQ(add_seals(self->fd, 0), SHMBUF_SEAL_SEAL);
	EXPECT_EQ(pwrite(self->fd, "x", 1, 0), 1);
}

/* Both at once, through one file, hold for all of them. */
TEST_F(buffer, seals_hold_for_every_file)
{
	const uint32_t both = SHMBUF_SEAL_WRITE | SHMBUF_SEAL_SEAL;
	int rw, ro;

	munmap(self->p, self->size);
	self->p = MAP_FAILED;
	rw = reopen(self->fd, O_RDWR);
	ro = reopen(self->fd, O_RDONLY);
	ASSERT_GE(rw, 0);
	ASSERT_GE(ro, 0);
	EXPECT_NO_SEAL(ro, SHMBUF_SEAL_WRITE, EPERM);
	EXPECT_EQ(add_seals(ro, 0), 0);
	ASSERT_EQ(add_seals(rw, both), both);
	EXPECT_EQ(add_seals(ro, 0), both);
	EXPECT_NO_MMAP(page, RW, MAP_SHARED, self->fd, 0, EPERM);
	EXPECT_EQ(pwrite(self->fd, "x", 1, 0), -1);
	EXPECT_EQ(errno, EPERM);
	close(rw);
	close(ro);
}

TEST_F(buffer, seal_arguments)
{
	struct shmbuf_seal arg = { .seals = 4 };

	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_SEAL, &arg), -1);
	EXPECT_EQ(errno, EINVAL);
	arg = (struct shmbuf_seal) { .reserved = 1 };
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_SEAL, &arg), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_SEAL, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(get_info(self->fd).seals, 0);
}

/* Pages that were pinned while they could be written still can be. */
TEST_F(buffer, seal_waits_for_pins)
{
	struct io_uring_params params = {};
	struct iovec iov = { self->p, self->size };
	int ring = syscall(__NR_io_uring_setup, 1, &params), i;

	if (ring < 0)
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	if (!(variant->capabilities & SHMBUF_CAP_PINNABLE)) {
		EXPECT_EQ(syscall(__NR_io_uring_register, ring,
				  IORING_REGISTER_BUFFERS, &iov, 1), -1);
		close(ring);
		munmap(self->p, self->size);
		self->p = MAP_FAILED;
		EXPECT_EQ(add_seals(self->fd, SHMBUF_SEAL_WRITE),
			  SHMBUF_SEAL_WRITE);
		return;
	}
	ASSERT_EQ(syscall(__NR_io_uring_register, ring,
			  IORING_REGISTER_BUFFERS, &iov, 1), 0);
	munmap(self->p, self->size);
	self->p = MAP_FAILED;
	EXPECT_COUNTS(0, 0);
	EXPECT_NO_SEAL(self->fd, SHMBUF_SEAL_WRITE, EBUSY);
	EXPECT_EQ(get_info(self->fd).seals, 0);
	EXPECT_EQ(pwrite(self->fd, "x", 1, 0), 1);
	close(ring);
	/* The ring is torn down in the background. */
	for (i = 0; i < 500 * slowness(); i++) {
		if (add_seals(self->fd, SHMBUF_SEAL_WRITE) >= 0)
			break;
		usleep(10000);
	}
	EXPECT_EQ(get_info(self->fd).seals, SHMBUF_SEAL_WRITE);
}

static void run_on_cpu(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* A page that is on its way to a list of another CPU is not used by anybody. */
TEST_F(node, seal_after_reclaim)
{
	const int advices[] = { MADV_NORMAL, MADV_PAGEOUT };
	cpu_set_t before;
	size_t i;
	char *p;

	ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
	if (over_memlock_limit(page))
		SKIP(return, "RLIMIT_MEMLOCK is less than a page");
	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		struct shmbuf_create c = valid_create();

		c.size = page;
		/* With one CPU, the list is its own. */
		run_on_cpu(1);
		ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
		p = mmap(NULL, page, RW, MAP_SHARED, c.fd, 0);
		ASSERT_NE(p, MAP_FAILED);
		p[0] = 1;
		ASSERT_EQ(madvise(p, page, advices[i]), 0);
		run_on_cpu(0);
		munmap(p, page);
		EXPECT_EQ(add_seals(c.fd, SHMBUF_SEAL_WRITE),
			  SHMBUF_SEAL_WRITE) TH_LOG("%zu", i);
		close(c.fd);
		ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
	}
}

static int sync_range(int fd, uint64_t offset, uint64_t length,
		      uint32_t direction, uint32_t phase)
{
	struct shmbuf_sync arg = {
		.offset = offset,
		.length = length,
		.direction = direction,
		.phase = phase,
	};

	return ioctl(fd, SHMBUF_IOC_SYNC, &arg);
}

#define EXPECT_NO_SYNC(...) do {					\
	EXPECT_EQ(sync_range(__VA_ARGS__), -1);				\
	EXPECT_EQ(errno, EINVAL);					\
} while (0)

/* Works on every buffer, does something on few, and nothing outside. */
TEST_F(buffer, sync_ranges)
{
	const uint32_t both = SHMBUF_SYNC_READ | SHMBUF_SYNC_WRITE;
	int fd = self->fd;

	EXPECT_EQ(sync_range(fd, 0, self->size, both, SHMBUF_SYNC_BEGIN), 0);
	strcpy(self->p + page, "synced");
	EXPECT_EQ(sync_range(fd, 0, self->size, both, SHMBUF_SYNC_END), 0);
	EXPECT_EQ(sync_range(fd, page, 7, SHMBUF_SYNC_READ, SHMBUF_SYNC_BEGIN),
		  0);
	EXPECT_STREQ(self->p + page, "synced");
	EXPECT_EQ(sync_range(fd, page, 7, SHMBUF_SYNC_READ, SHMBUF_SYNC_END),
		  0);
	EXPECT_EQ(sync_range(fd, self->size, 0, both, SHMBUF_SYNC_END), 0);

	EXPECT_NO_SYNC(fd, self->size, 1, both, SHMBUF_SYNC_END);
	EXPECT_NO_SYNC(fd, self->size + 1, 0, both, SHMBUF_SYNC_END);
	EXPECT_NO_SYNC(fd, 1, self->size, both, SHMBUF_SYNC_END);
	EXPECT_NO_SYNC(fd, UINT64_MAX, 2, both, SHMBUF_SYNC_END);
	EXPECT_NO_SYNC(fd, 2, UINT64_MAX, both, SHMBUF_SYNC_END);
	EXPECT_NO_SYNC(fd, 0, 1, 0, SHMBUF_SYNC_END);
	EXPECT_NO_SYNC(fd, 0, 1, 4, SHMBUF_SYNC_END);
	EXPECT_NO_SYNC(fd, 0, 1, both, 2);
	EXPECT_EQ(ioctl(fd, SHMBUF_IOC_SYNC, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
}

/* Each open file has its own idea of what is new. */
TEST_F(buffer, signal_and_ack)
{
	struct pollfd out = { .fd = self->fd, .events = POLLOUT };
	int other;

	EXPECT_FALSE(is_ready(self->fd));
	EXPECT_EQ(poll(&out, 1, 0), 1);
	EXPECT_EQ(ack(self->fd), 0);
	EXPECT_EQ(signal_buffer(self->fd), 1);
	EXPECT_TRUE(is_ready(self->fd));

	other = reopen(self->fd, O_RDONLY);
	ASSERT_GE(other, 0);
	EXPECT_FALSE(is_ready(other));
	EXPECT_EQ(signal_buffer(other), 2);
	EXPECT_TRUE(is_ready(other));
	EXPECT_EQ(ack(self->fd), 2);
	EXPECT_FALSE(is_ready(self->fd));
	EXPECT_TRUE(is_ready(other));
	EXPECT_EQ(ack(other), 1);
	EXPECT_EQ(ack(other), 0);
	EXPECT_EQ(get_info(self->fd).sequence, 2);
	close(other);
}

/* A thread that acknowledges signals until the buffer is revoked, or 0 returns. */
struct waiter {
	int fd;
	long signals, calls, empty;
	int err;
};

static void *wait_for_signals(void *arg)
{
	struct waiter *w = arg;
	long n;

	while ((n = wait_ack(w->fd)) >= 0) {
		w->signals += n;
		w->calls++;
		w->empty += !n;
	}
	w->err = errno;
	return NULL;
}

/* Each ACK returns at least one signal, and two threads get each signal once. */
TEST_F(buffer, ack_waits)
{
	struct waiter w[2] = { { .fd = self->fd }, { .fd = self->fd } };
	pthread_t thread[2];
	long i, nr = 10000;

	if (access(REVOKE, W_OK))
		SKIP(return, REVOKE ": %s", strerror(errno));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&thread[i], NULL, wait_for_signals, &w[i]), 0);
	for (i = 0; i < nr; i++)
		ASSERT_EQ(signal_buffer(self->fd), i + 1);
	while (is_ready(self->fd))
		sched_yield();
	ASSERT_EQ(revoke_buffer(self->fd), 0);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(pthread_join(thread[i], NULL), 0);
		EXPECT_EQ(w[i].empty, 0);
		EXPECT_EQ(w[i].err, ENODEV);
	}
	EXPECT_EQ(w[0].signals + w[1].signals, nr);
}

/* A thread that sleeps in epoll_wait() on an open file of its own. */
static void *wait_exclusively(void *arg)
{
	struct waiter *w = arg;
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(ep, EPOLL_CTL_ADD, w->fd, &event))
		w->err = errno;
	else
		w->calls = epoll_wait(ep, &event, 1, -1);
	close(ep);
	return NULL;
}

/* A signal is for every open file, so EPOLLEXCLUSIVE does not keep it from any. */
TEST_F(buffer, exclusive_waiters)
{
	struct waiter w[3] = {};
	pthread_t thread[3];
	int i;

	for (i = 0; i < 3; i++) {
		w[i].fd = reopen(self->fd, O_RDONLY);
		ASSERT_GE(w[i].fd, 0);
		ASSERT_EQ(pthread_create(&thread[i], NULL, wait_exclusively, &w[i]), 0);
	}
	/* Most likely they sleep by now; if not, the test passes all the same. */
	usleep(50000);
	ASSERT_EQ(signal_buffer(self->fd), 1);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(pthread_join(thread[i], NULL), 0);
		EXPECT_EQ(w[i].err, 0);
		EXPECT_EQ(w[i].calls, 1);
		close(w[i].fd);
	}
}

static void do_nothing(int nr) { }

/* A signal handler ends the sleep, or does not with SA_RESTART. */
TEST_F(buffer, ack_is_interrupted)
{
	struct sigaction action = { .sa_handler = do_nothing };
	struct itimerval soon = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 };
	int status;
	pid_t pid;

	ASSERT_EQ(sigaction(SIGALRM, &action, NULL), 0);
	ASSERT_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
	EXPECT_EQ(wait_ack(self->fd), -1);
	EXPECT_EQ(errno, EINTR);

	action.sa_flags = SA_RESTART;
	ASSERT_EQ(sigaction(SIGALRM, &action, NULL), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		usleep(20000);
		_exit(signal_buffer(self->fd) != 1);
	}
	EXPECT_EQ(wait_ack(self->fd), 1);
	soon = (struct itimerval) {};
	ASSERT_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

TEST_F(buffer, notify_arguments)
{
	struct shmbuf_notify arg = { .flags = SHMBUF_NOTIFY_WAIT };

	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_SIGNAL, &arg), -1);
	EXPECT_EQ(errno, EINVAL);
	arg = (struct shmbuf_notify) { .flags = SHMBUF_NOTIFY_WAIT | 2 };
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_ACK, &arg), -1);
	EXPECT_EQ(errno, EINVAL);
	arg = (struct shmbuf_notify) { .reserved = 1 };
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_ACK, &arg), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_SIGNAL, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(get_info(self->fd).sequence, 0);
}

/* Only the answer cannot be written: what was asked for is done. */
TEST_F(buffer, answer_faults)
{
	union {
		struct shmbuf_seal seal;
		struct shmbuf_notify notify;
	} *arg = mmap(NULL, page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(arg, MAP_FAILED);
	ASSERT_EQ(mprotect(arg, page, PROT_READ), 0);
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_SIGNAL, arg), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(get_info(self->fd).sequence, 1);
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_ACK, arg), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_FALSE(is_ready(self->fd));

	ASSERT_EQ(mprotect(arg, page, RW), 0);
	arg->seal.seals = SHMBUF_SEAL_SEAL;
	ASSERT_EQ(mprotect(arg, page, PROT_READ), 0);
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_SEAL, arg), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(get_info(self->fd).seals, SHMBUF_SEAL_SEAL);
	munmap(arg, page);
}

/*
 * What needs get_user_pages() on the mapping: works on pages, and fails with
 * the documented errno on page frame numbers.
 */
#define EXPECT_PINNABLE(call, err) do {					\
	ssize_t __ret = (call);						\
									\
	if (variant->capabilities & SHMBUF_CAP_PINNABLE) {		\
		EXPECT_GE(__ret, 0) TH_LOG("%s", strerror(errno));	\
	} else {							\
		EXPECT_EQ(__ret, -1);					\
		EXPECT_EQ(errno, err);					\
	}								\
} while (0)

TEST_F(buffer, process_vm_readv)
{
	struct iovec local, remote = { self->p + page, 6 };
	char copy[6] = "";

	strcpy(self->p + page, "hello");
	local = (struct iovec) { copy, sizeof(copy) };
	EXPECT_PINNABLE(process_vm_readv(getpid(), &local, 1, &remote, 1, 0),
			EFAULT);
	if (variant->capabilities & SHMBUF_CAP_PINNABLE)
		EXPECT_STREQ(copy, "hello");
}

TEST_F(buffer, vmsplice)
{
	struct iovec iov = { self->p, page };
	char copy[8] = "";
	int fds[2];

	ASSERT_EQ(pipe(fds), 0);
	strcpy(self->p, "spliced");
	EXPECT_PINNABLE(vmsplice(fds[1], &iov, 1, 0), EFAULT);
	if (variant->capabilities & SHMBUF_CAP_PINNABLE) {
		EXPECT_EQ(read(fds[0], copy, sizeof(copy)), sizeof(copy));
		EXPECT_STREQ(copy, "spliced");
	}
	close(fds[0]);
	close(fds[1]);
}

/* A debugger sees the mapping of its child, whatever is behind it. */
TEST_F(buffer, ptrace)
{
	bool works = variant->capabilities & SHMBUF_CAP_PINNABLE;
	int status;
	pid_t pid;
	long word;

	/* As x86 can, and UML cannot. */
	works |= have_pat();
	strcpy(self->p + page, "debuggee");
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(strcmp(self->p + page + 8, "pok"));
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, self->p + page, NULL);
	if (works || !errno) {
		EXPECT_EQ(errno, 0);
		EXPECT_EQ(memcmp(&word, "debuggee", sizeof(word)), 0);
		memcpy(&word, "pok\0\0\0\0", sizeof(word));
		EXPECT_EQ(ptrace(PTRACE_POKEDATA, pid, self->p + page + 8,
				 word), 0);
	} else {
		EXPECT_EQ(errno, EIO);
		strcpy(self->p + page + 8, "pok");
	}
	ASSERT_EQ(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

/* Registering pins the pages for as long as the ring lives. */
TEST_F(buffer, io_uring_fixed_buffer)
{
	struct iovec iov = { self->p, self->size };
	int file = syscall(__NR_memfd_create, "file", 0);
	struct ring ring;
	char bytes[8];

	ASSERT_GE(file, 0);
	if (ring_open(&ring))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	EXPECT_PINNABLE(syscall(__NR_io_uring_register, ring.fd,
				IORING_REGISTER_BUFFERS, &iov, 1), EFAULT);
	if (variant->capabilities & SHMBUF_CAP_PINNABLE) {
		/* Out of the buffer, over a page boundary, and into it again. */
		memcpy(self->p + page - 4, "by ring", 8);
		ASSERT_EQ(ring_do(&ring, IORING_OP_WRITE_FIXED, file,
				  self->p + page - 4, 8), 8);
		ASSERT_EQ(pread(file, bytes, 8, 0), 8);
		EXPECT_STREQ(bytes, "by ring");
		ASSERT_EQ(ring_do(&ring, IORING_OP_READ_FIXED, file,
				  self->p + 2 * page, 8), 8);
		EXPECT_STREQ(self->p + 2 * page, "by ring");
		ASSERT_EQ(pread(self->fd, bytes, 8, 2 * page), 8);
		EXPECT_STREQ(bytes, "by ring");
	}
	close(ring.fd);
	close(file);
}

/* A disk in memory: unlike tmpfs, it has real O_DIRECT. Gone when closed. */
static int open_disk(void)
{
	struct loop_config config = {
		.fd = syscall(__NR_memfd_create, "disk", 0),
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control = open("/dev/loop-control", O_RDWR), nr, loop, disk = -1;
	char path[32];

	if (control < 0 || ftruncate(config.fd, 1 << 20))
		return -1;
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (nr < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/loop%d", nr);
	loop = open(path, O_RDWR);
	if (loop < 0)
		return -1;
	if (!ioctl(loop, LOOP_CONFIGURE, &config))
		disk = open(path, O_RDWR | O_DIRECT);
	close(config.fd);
	close(loop);
	return disk;
}

/* From the buffer to a disk and back, with no copy in between. */
TEST_F(buffer, direct_io)
{
	int disk = open_disk();
	char *copy = malloc(self->size);
	size_t i;

	if (disk < 0)
		SKIP(return, "no loop device: %s", strerror(errno));
	for (i = 0; i < self->size; i++)
		self->p[i] = i * 5 + i / 253;
	memcpy(copy, self->p, self->size);
	EXPECT_PINNABLE(pwrite(disk, self->p, self->size, 4096), EFAULT);
	if (variant->capabilities & SHMBUF_CAP_PINNABLE) {
		memset(self->p, 0, self->size);
		EXPECT_EQ(pread(disk, self->p, self->size, 4096), self->size);
		EXPECT_EQ(memcmp(self->p, copy, self->size), 0);
		/* By another way than that of the mapping. */
		memset(copy, 0, self->size);
		EXPECT_EQ(pread(self->fd, copy, self->size, 0), self->size);
		EXPECT_EQ(memcmp(self->p, copy, self->size), 0);
	} else {
		EXPECT_PINNABLE(pread(disk, self->p, self->size, 4096), EFAULT);
	}
	close(disk);
	free(copy);
}

TEST_F(buffer, futex)
{
	uint32_t *futex = (uint32_t *)(self->p + page);
	int ret = syscall(__NR_futex, futex, FUTEX_WAKE, 1, NULL, NULL, 0);
	int status, i;
	pid_t pid;
	char *q;

	if (!(variant->capabilities & SHMBUF_CAP_PINNABLE)) {
		EXPECT_EQ(ret, -1);
		EXPECT_EQ(errno, EFAULT);
		EXPECT_EQ(syscall(__NR_futex, futex, FUTEX_WAIT, 0, NULL, NULL,
				  0), -1);
		EXPECT_EQ(errno, EFAULT);
		return;
	}
	EXPECT_EQ(ret, 0);
	/* A child sleeps at an address, and is woken at another one. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		q = mmap(NULL, page, RW, MAP_SHARED, self->fd, page);
		_exit(q == MAP_FAILED ||
		      syscall(__NR_futex, q, FUTEX_WAIT, 0, NULL, NULL, 0));
	}
	for (i = 0; i < 1000 * slowness(); i++) {
		if (syscall(__NR_futex, futex, FUTEX_WAKE, 1, NULL, NULL, 0))
			break;
		usleep(10000);
	}
	EXPECT_LT(i, 1000 * slowness());
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

/* Memory is compacted around the buffer: it stays where the kernel has it. */
TEST_F(buffer, compaction)
{
	const char *const compact = "/proc/sys/vm/compact_memory";
	char kernel[8] = "";
	int i;

	if (access(compact, W_OK))
		SKIP(return, "%s: %s", compact, strerror(errno));
	for (i = 0; i < 3; i++) {
		strcpy(self->p + 3 * page, i % 2 ? "odd" : "even");
		EXPECT_EQ(write_file(compact, "1"), 0);
		EXPECT_STREQ(self->p + 3 * page, i % 2 ? "odd" : "even");
		EXPECT_EQ(pread(self->fd, kernel, 8, 3 * page), 8);
		EXPECT_STREQ(kernel, i % 2 ? "odd" : "even");
	}
}

/* What was written is still there after the cache was dropped. */
TEST_F(buffer, drop_caches)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0)
		SKIP(return, "drop_caches: %s", strerror(errno));
	strcpy(self->p + 2 * page, "kept");
	ASSERT_EQ(munmap(self->p, self->size), 0);
	EXPECT_EQ(write(fd, "3", 1), 1);
	close(fd);
	self->p = mmap(NULL, self->size, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(self->p, MAP_FAILED);
	EXPECT_STREQ(self->p + 2 * page, "kept");
}

TEST_F(buffer, madv_dontneed)
{
	strcpy(self->p + page, "kept");
	if (variant->capabilities & SHMBUF_CAP_PINNABLE) {
		EXPECT_EQ(madvise(self->p, self->size, MADV_DONTNEED), 0);
	} else {
		EXPECT_EQ(madvise(self->p, self->size, MADV_DONTNEED), -1);
		EXPECT_EQ(errno, EINVAL);
	}
	EXPECT_STREQ(self->p + page, "kept");
	EXPECT_EQ(madvise(self->p, self->size, MADV_REMOVE), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_STREQ(self->p + page, "kept");
}

/* read() and write() over several pages and folios, from an odd offset. */
TEST_F(buffer, copy_across_pages)
{
	size_t len = self->size - 5, i;
	unsigned char *bytes = malloc(len), *back = malloc(len);

	for (i = 0; i < len; i++)
		bytes[i] = i * 7 + i / 251;
	ASSERT_EQ(pwrite(self->fd, bytes, len, 3), len);
	EXPECT_EQ(memcmp(self->p + 3, bytes, len), 0);
	EXPECT_EQ(self->p[0] | self->p[1] | self->p[2], 0);
	EXPECT_EQ(self->p[self->size - 2] | self->p[self->size - 1], 0);
	ASSERT_EQ(pread(self->fd, back, len, 3), len);
	EXPECT_EQ(memcmp(bytes, back, len), 0);
	free(bytes);
	free(back);
}

TEST_F(buffer, splice)
{
	char byte[5] = "";
	int fds[2];
	loff_t off = page;

	ASSERT_EQ(pipe(fds), 0);
	strcpy(self->p + page, "pipe");
	EXPECT_EQ(splice(self->fd, &off, fds[1], NULL, 5, 0), 5);
	ASSERT_EQ(read(fds[0], byte, 5), 5);
	EXPECT_STREQ(byte, "pipe");
	ASSERT_EQ(write(fds[1], "back", 5), 5);
	off = 0;
	EXPECT_EQ(splice(fds[0], NULL, self->fd, &off, 5, 0), 5);
	EXPECT_STREQ(self->p, "back");
	close(fds[0]);
	close(fds[1]);
}

#define EXPECT_REVOKED(call) do {					\
	EXPECT_EQ(call, -1);						\
	EXPECT_EQ(errno, ENODEV);					\
} while (0)

/* The device went, say: nothing works any more, but INFO, which says so. */
TEST_F(buffer, revoked)
{
	struct pollfd pollfd = { .fd = self->fd, .events = POLLIN | POLLOUT };
	struct epoll_event event = { .events = EPOLLIN };
	struct shmbuf_info info;
	int ep = epoll_create1(EPOLL_CLOEXEC);
	loff_t off = 0;
	int fds[2];
	char byte;

	ASSERT_EQ(pipe(fds), 0);
	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &event), 0);
	self->p[0] = 1;
	if (revoke_buffer(self->fd))
		SKIP(return, REVOKE ": %s", strerror(errno));
	EXPECT_EQ(signal_of(self->p), SIGBUS);
	EXPECT_EQ(signal_of(self->p + self->size - 1), SIGBUS);
	EXPECT_REVOKED(pread(self->fd, &byte, 1, 0));
	EXPECT_REVOKED(pwrite(self->fd, &byte, 1, 0));
	EXPECT_REVOKED(splice(self->fd, &off, fds[1], NULL, 1, 0));
	ASSERT_EQ(write(fds[1], "x", 1), 1);
	EXPECT_REVOKED(splice(fds[0], NULL, self->fd, &off, 1, 0));
	EXPECT_REVOKED(add_seals(self->fd, 0));
	EXPECT_REVOKED(sync_range(self->fd, 0, 0, 1, 0));
	EXPECT_REVOKED(signal_buffer(self->fd));
	EXPECT_REVOKED(ack(self->fd));
	EXPECT_REVOKED(reopen(self->fd, O_RDONLY));
	EXPECT_NO_MMAP(page, PROT_READ, MAP_SHARED, self->fd, 0, ENODEV);
	EXPECT_EQ(poll(&pollfd, 1, 0), 1);
	EXPECT_EQ(pollfd.revents, POLLHUP);
	EXPECT_EQ(epoll_wait(ep, &event, 1, 0), 1);
	EXPECT_TRUE(event.events & EPOLLHUP);
	info = get_info(self->fd);
	EXPECT_EQ(info.capabilities, SHMBUF_CAP_REVOKED);
	EXPECT_EQ(info.mappings, 1);
	EXPECT_STREQ(fdinfo_value(self->fd, "revoked"), "1");
	EXPECT_EQ(munmap(self->p, self->size), 0);
	self->p = MAP_FAILED;
	EXPECT_COUNTS(0, 0);
	/* Once is enough, and there is no buffer without a number. */
	EXPECT_EQ(revoke_buffer(self->fd), 0);
	EXPECT_EQ(write_file(REVOKE, "0"), -1);
	EXPECT_EQ(errno, ENOENT);
	close(ep);
	close(fds[0]);
	close(fds[1]);
}

/* Two processes count up under one mutex in the buffer, and lose nothing. */
TEST_F(node, process_shared_mutex)
{
	struct {
		pthread_mutex_t mutex;
		int count;
	} *shared;
	struct shmbuf_create c = valid_create();
	pthread_mutexattr_t attr;
	int i, status;
	pid_t pid;

	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	shared = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
	ASSERT_NE(shared, MAP_FAILED);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	ASSERT_EQ(pthread_mutex_init(&shared->mutex, &attr), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	for (i = 0; i < 20000; i++) {
		pthread_mutex_lock(&shared->mutex);
		shared->count++;
		pthread_mutex_unlock(&shared->mutex);
	}
	if (!pid)
		_exit(0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(shared->count, 40000);
	munmap(shared, c.size);
	close(c.fd);
}

/* Two processes, one signals, one sleeps in epoll: every signal is counted. */
TEST_F_TIMEOUT(node, no_signal_is_lost, 600)
{
	const long signals = 100000;
	struct epoll_event event = { .events = EPOLLIN };
	struct shmbuf_create c = valid_create();
	long seen = 0, wakeups = 0, n;
	int ep, status;
	pid_t pid;
	int own;

	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	own = reopen(c.fd, O_RDWR);
	ASSERT_GE(own, 0);
	ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_GE(ep, 0);
	ASSERT_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, own, &event), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		for (n = 0; n < signals; n++) {
			if (signal_buffer(c.fd) != n + 1)
				_exit(1);
		}
		_exit(0);
	}
	while (seen < signals) {
		ASSERT_EQ(epoll_wait(ep, &event, 1, 60000 * slowness()), 1);
		n = ack(own);
		ASSERT_GT(n, 0);
		seen += n;
		/* In larger steps then, where it takes long to be woken. */
		if (++wakeups > 5000)
			usleep(1000);
	}
	EXPECT_EQ(seen, signals);
	EXPECT_GT(wakeups, 0);
	EXPECT_EQ(ack(own), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	close(ep);
	close(own);
	close(c.fd);
}

/* Each waits for the other, who sleeps: a wake-up that is lost stops both. */
FIXTURE(ping_pong) {
	int dev;
	int fds[2];
};

FIXTURE_VARIANT(ping_pong) {
	bool epoll;
	uint32_t events;
};

FIXTURE_VARIANT_ADD(ping_pong, poll) { };

FIXTURE_VARIANT_ADD(ping_pong, epoll) {
	.epoll = true,
	.events = EPOLLIN,
};

FIXTURE_VARIANT_ADD(ping_pong, edge_triggered) {
	.epoll = true,
	.events = EPOLLIN | EPOLLET,
};

FIXTURE_SETUP(ping_pong)
{
	struct shmbuf_create c;
	int i;

	page = sysconf(_SC_PAGESIZE);
	self->dev = open_node();
	if (self->dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	for (i = 0; i < 2; i++) {
		c = valid_create();
		ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
		self->fds[i] = c.fd;
	}
}

FIXTURE_TEARDOWN(ping_pong)
{
	if (self->dev < 0)
		return;
	close(self->fds[0]);
	close(self->fds[1]);
	close(self->dev);
}

/* Signals one buffer and waits for the other, so often. */
static bool play(bool epoll, uint32_t events, int to, int from, bool first)
{
	struct epoll_event event = { .events = events };
	struct pollfd p = { .fd = from, .events = POLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), i, ready;
	bool good = true;

	if (epoll && epoll_ctl(ep, EPOLL_CTL_ADD, from, &event))
		return false;
	for (i = 0; i < 2000 && good; i++) {
		if (first && signal_buffer(to) != i + 1)
			good = false;
		if (epoll)
			ready = epoll_wait(ep, &event, 1, 60000 * slowness());
		else
			ready = poll(&p, 1, 60000 * slowness());
		good = good && ready == 1 && ack(from) == 1;
		if (!first && signal_buffer(to) != i + 1)
			good = false;
	}
	close(ep);
	return good;
}

TEST_F_TIMEOUT(ping_pong, each_signal_wakes, 300)
{
	int status;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(!play(variant->epoll, variant->events, self->fds[1],
			    self->fds[0], false));
	EXPECT_TRUE(play(variant->epoll, variant->events, self->fds[0],
			 self->fds[1], true));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

#define TRACING	"/sys/kernel/tracing/instances/"

/* A trace of the test's own, in which only the driver's events are. */
FIXTURE(trace) {
	int dev;
	char path[80];
};

FIXTURE_SETUP(trace)
{
	page = sysconf(_SC_PAGESIZE);
	self->path[0] = 0;
	self->dev = open_node();
	if (self->dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	if (access(TRACING, W_OK))
		SKIP(return, "no " TRACING " for us");
	snprintf(self->path, sizeof(self->path), TRACING "shmbuf_test.%d",
		 getpid());
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	ASSERT_EQ(write_file(in_folder(self->path, "events/shmbuf/enable"), "1"),
		  0);
}

FIXTURE_TEARDOWN_PARENT(trace)
{
	if (self->path[0])
		EXPECT_EQ(rmdir(self->path), 0);
	if (self->dev >= 0)
		close(self->dev);
}

/* Each thing that happens to a buffer leaves its line. */
TEST_F(trace, events)
{
	const char *trace = in_folder(self->path, "trace");
	struct shmbuf_create c;
	uint32_t backing;
	char ino[32], *p;
	struct stat st;
	int faults;

	for (backing = 0; backing < 4; backing++) {
		c = valid_create();
		c.backing = backing;
		if (ioctl(self->dev, SHMBUF_IOC_CREATE, &c)) {
			ASSERT_NO_DMA(backing);
			continue;
		}
		ASSERT_EQ(fstat(c.fd, &st), 0);
		snprintf(ino, sizeof(ino), "ino=%lu ", (unsigned long)st.st_ino);
		/* Without access, mmap() installs no PTE. */
		p = mmap(NULL, c.size, PROT_NONE, MAP_SHARED, c.fd, 0);
		ASSERT_NE(p, MAP_FAILED);
		ASSERT_EQ(mprotect(p, c.size, RW), 0);
		*p = 1;
		munmap(p, c.size);
		close(c.fd);

		EXPECT_EQ(count_lines(trace, ino, "shmbuf_create: "), 1);
		EXPECT_EQ(count_lines(trace, ino, "shmbuf_map: "), 1);
		EXPECT_EQ(count_lines(trace, ino, "mappings=1 writable=1"), 1);
		EXPECT_EQ(count_lines(trace, ino, "shmbuf_unmap: "), 1);
		EXPECT_EQ(count_lines(trace, ino, "shmbuf_free: "), 1);
		/* The driver itself answers those for page frame numbers. */
		faults = count_lines(trace, ino, "shmbuf_fault: ");
		/* Coherent memory that is not in the direct map does not fault. */
		if (backing != SHMBUF_BACKING_COHERENT || faults)
			EXPECT_EQ(faults, backing != SHMBUF_BACKING_PAGES);
	}
}

/* A buffer that the kernel's command line, or modprobe, asked for. */
#define NAMED		"/dev/shmbuf-selftest"
#define NAMED_SIZE	65536

FIXTURE(named) {
	int fd;
};

FIXTURE_SETUP(named)
{
	page = sysconf(_SC_PAGESIZE);
	self->fd = open(NAMED, O_RDWR | O_CLOEXEC);
	if (self->fd < 0)
		SKIP(return, "cannot open " NAMED ", which shmbuf.buffers=selftest:64K makes: %s",
		     strerror(errno));
}

FIXTURE_TEARDOWN(named)
{
	if (self->fd >= 0)
		close(self->fd);
}

TEST_F(named, what_was_asked_for)
{
	struct shmbuf_info info = get_info(self->fd);
	struct stat st;

	EXPECT_EQ(info.size, NAMED_SIZE);
	EXPECT_EQ(info.backing, SHMBUF_BACKING_PAGES);
	EXPECT_EQ(info.cache, SHMBUF_CACHE_CACHED);
	EXPECT_STREQ((char *)info.name, "selftest");
	EXPECT_EQ(lseek(self->fd, 0, SEEK_END), NAMED_SIZE);
	ASSERT_EQ(fstat(self->fd, &st), 0);
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(st.st_mode & 0777, 0600);
}

/* Opened twice, by path: one buffer, two open files. */
TEST_F(named, one_buffer)
{
	int other = open(NAMED, O_RDWR | O_CLOEXEC);
	struct shmbuf_notify n = {};
	struct pollfd p = { .fd = other, .events = POLLIN };
	char *a, *b;

	ASSERT_GE(other, 0);
	a = mmap(NULL, NAMED_SIZE, RW, MAP_SHARED, self->fd, 0);
	b = mmap(NULL, page, PROT_READ, MAP_SHARED, other, NAMED_SIZE - page);
	ASSERT_NE(a, MAP_FAILED);
	ASSERT_NE(b, MAP_FAILED);
	EXPECT_EQ(get_info(other).mappings, 2);
	EXPECT_EQ(get_info(other).writable_mappings, 2);
	a[NAMED_SIZE - 1] = 0;
	EXPECT_EQ(b[page - 1], 0);
	a[NAMED_SIZE - 1] = 'x';
	EXPECT_EQ(b[page - 1], 'x');
	EXPECT_EQ(pwrite(other, "y", 1, NAMED_SIZE - 1), 1);
	EXPECT_EQ(a[NAMED_SIZE - 1], 'y');

	EXPECT_EQ(poll(&p, 1, 0), 0);
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_SIGNAL, &n), 0);
	EXPECT_EQ(poll(&p, 1, 0), 1);
	EXPECT_EQ(ioctl(other, SHMBUF_IOC_ACK, &n), 0);
	EXPECT_EQ(n.count, 1);
	EXPECT_EQ(poll(&p, 1, 0), 0);

	/* The mapping outlives the file. */
	close(other);
	EXPECT_EQ(b[page - 1], 'y');
	EXPECT_EQ(munmap(b, page), 0);
	EXPECT_EQ(get_info(self->fd).mappings, 1);
	EXPECT_EQ(munmap(a, NAMED_SIZE), 0);
	EXPECT_EQ(get_info(self->fd).mappings, 0);
}

/* It stays when nobody has it open. */
TEST_F(named, lasting)
{
	char c = 0;

	ASSERT_EQ(pwrite(self->fd, "stays", 5, 8), 5);
	close(self->fd);
	self->fd = open(NAMED, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
	EXPECT_EQ(pread(self->fd, &c, 1, 12), 1);
	EXPECT_EQ(c, 's');
}

TEST_F(named, refused)
{
	int ro = open(NAMED, O_RDONLY | O_CLOEXEC);

	ASSERT_GE(ro, 0);
	EXPECT_EQ(mmap(NULL, page, RW, MAP_SHARED, ro, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(mmap(NULL, page, RW, MAP_PRIVATE, self->fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, self->fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(mmap(NULL, NAMED_SIZE, RW, MAP_SHARED, self->fd, page), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(pwrite(self->fd, "x", 1, NAMED_SIZE), -1);
	EXPECT_EQ(errno, ENOSPC);
	close(ro);
}

TEST_F(named, maps)
{
	char *p = mmap(NULL, page, RW, MAP_SHARED, self->fd, 0);

	ASSERT_NE(p, MAP_FAILED);
	EXPECT_EQ(count_lines("/proc/self/maps", NAMED, "rw-s"), 1);
	munmap(p, page);
}

SHMBUF_HARNESS_MAIN
