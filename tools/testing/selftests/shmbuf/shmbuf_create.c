// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test SHMBUF_IOC_CREATE: arguments, structure sizes, NUMA nodes, large buffers, and
 * accounting to RLIMIT_MEMLOCK and to memory cgroups.
 *
 * Test read(), write(), lseek() and splice() of a buffer file too. They access the buffer
 * through kernel addresses, so they show whether the kernel and a mapping see the same data.
 */

#define _GNU_SOURCE
#include <assert.h>
#include <limits.h>
#include <stddef.h>

#include "shmbuf_fixtures.h"

/* Others have no access. The administrator may give the node to a group. */
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

/* All bytes of a new buffer are zero, beyond the requested size as well. */
TEST_F(node, memory_is_zeroed)
{
	struct shmbuf_create c;
	unsigned char *p;
	int i, round;

	for (round = 0; round < 16; round++) {
		c = valid_create();
		c.backing = backings[round % ARRAY_SIZE(backings)];
		/* Include sizes that are not a power of two. */
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

/* A buffer of one page supports mmap(), store, load, munmap() and close(). */
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

/* Closing frees memory: in all, the test creates twice the machine's memory. */
TEST_F_TIMEOUT(node, close_frees_memory, 300)
{
	long long total = (long long)sysconf(_SC_PHYS_PAGES) * page, done;
	unsigned int round = 0;
	struct shmbuf_create c;
	char *p;

	/* Twice the memory of a large machine would take too long. */
	if (total > 8LL << 30)
		total = 8LL << 30;
	for (done = 0; done < 2 * total; done += c.size) {
		c = valid_create();
		c.backing = backings[round++ % ARRAY_SIZE(backings)];
		c.size = (1 << 20) - page;
		if (ioctl(self->dev, SHMBUF_IOC_CREATE, &c)) {
			ASSERT_NO_DMA(c.backing);
			continue;
		}
		p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
		ASSERT_NE(p, MAP_FAILED);
		*p = 1;
		/* Close and unmap in either order. */
		if (round & 4) {
			close(c.fd);
			munmap(p, c.size);
		} else {
			munmap(p, c.size);
			close(c.fd);
		}
	}
}

/* A buffer of 1 GiB can be mapped, written and read to its end. */
TEST_F_TIMEOUT(node, one_gigabyte, 120)
{
	const long gigabyte = 1 << 30;
	struct shmbuf_create c = valid_create();
	long i, sum = 0;
	char *p, byte;

	if (sysconf(_SC_AVPHYS_PAGES) < gigabyte / page + gigabyte / page / 8)
		SKIP(return, "less than 1.125 GiB of memory is free");
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

/* A buffer is charged to RLIMIT_MEMLOCK, and closing uncharges it exactly. */
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

		/* A CREATE that fails charges nothing. */
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

	/* The kernel can read this argument, but cannot write the result. */
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
 * Each ioctl accepts a structure longer than it knows if the unknown bytes are
 * zero. A structure shorter than the first version is refused.
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
		/* Close the file that CREATE returned. */
		if (variant->cmd == SHMBUF_IOC_CREATE)
			EXPECT_EQ(close(fd), 0);
	}
}

/* A nonzero byte beyond the known structure gives E2BIG and changes nothing. */
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

/* The test runs in a memory cgroup of its own. */
FIXTURE(cgroup) {
	int dev;
	char path[64];	/* the parent removes this cgroup */
};

FIXTURE_SETUP(cgroup)
{
	const char *const control = CGROUP "cgroup.subtree_control";

	page = sysconf(_SC_PAGESIZE);
	self->path[0] = 0;
	self->dev = open_node();
	if (self->dev < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	if (access(CGROUP "cgroup.procs", W_OK))
		SKIP(return, "cgroup2 at " CGROUP " is not writable");
	/* Leave the controller on, as another process may use it by then. */
	if (!count_lines(control, "memory", "") && write_file(control, "+memory"))
		SKIP(return, "no memory controller in " CGROUP);
	snprintf(self->path, sizeof(self->path), CGROUP "shmbuf_create.%d",
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

/* Reclaim frees no page of a buffer and removes no PTE that maps it. */
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
	/* The write may fail, as the pages of the buffer are not reclaimed. */
	write_file(in_folder(self->path, "memory.reclaim"), "8M");
	EXPECT_EQ(smaps_kb("Rss"), rss);
	EXPECT_GE(read_number(in_folder(self->path, "memory.current"), ""),
		  c.size);
	for (i = 0; i < c.size; i += page)
		ASSERT_EQ(p[i], (char)(i / page));
	munmap(p, c.size);
	close(c.fd);
}

/* A buffer is charged to the memory cgroup of its creator, within its limit. */
TEST_F(cgroup, charged)
{
	struct shmbuf_create c;
	/* Each CPU may have charged pages in advance. */
	long slack = 64 * page * sysconf(_SC_NPROCESSORS_CONF);
	int i, n, fds[5];
	long during;
	uint32_t backing;

	/* Memory for DMA may come from a pool that is not charged. */
	for (backing = 0; backing <= SHMBUF_BACKING_CONTIG; backing++) {
		/* The charge does not grow, as closing uncharges it. */
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
		/* CREATE fails rather than invoke the OOM killer. */
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

/* CREATE fails if the cpuset of the process excludes the requested node. */
TEST_F(cgroup, cpuset)
{
	const char *const control = CGROUP "cgroup.subtree_control";
	static const struct {
		const char *mems;
		int node, err;
	} tries[] = { { "1", 1 }, { "0", 1, ENOMEM }, { "0", 0 } };
	/* One for each allocator: folios, a single page, a contiguous range. */
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
			/* 16 MiB of contiguous memory may not be available. */
			if (err == ENOMEM && j == 2)
				continue;
			EXPECT_EQ(err, tries[i].err)
				TH_LOG("try %u, buffer %u", i, j);
			if (!err)
				close(c.fd);
		}
	}
}

/* A buffer larger than memory fails at once, without reclaim in the cgroup. */
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
 * No charge leaks when a buffer is created, mapped, touched, unmapped and closed. The user
 * limit allows one buffer, the cgroup limit some hundred. close_frees_memory tests that no
 * memory leaks.
 */
TEST_F_TIMEOUT(cgroup, ten_thousand_cycles, 600)
{
	const size_t size = 16 * page;
	struct rlimit limit = { size, size };
	struct shmbuf_create c;
	char *p;
	int i;

	/* The limit is per user, and UNUSED_UID has no other locked pages. */
	if (setuid(UNUSED_UID))
		SKIP(return, "cannot become another user: %s", strerror(errno));
	ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	for (i = 0; i < 10000; i++) {
		c = valid_create();
		c.backing = backings[i % ARRAY_SIZE(backings)];
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

/* CREATE with one invalid field fails and changes nothing. */
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
		SKIP(return, "a 64-bit kernel may have such a buffer");
	if (is_size)	/* the only 64-bit field */
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

/* On every page, read() sees stores, and loads see the data of write(). */
TEST_F(buffer, store_and_load)
{
	unsigned char byte;
	int i;

	for (i = 0; i < BUFFER_PAGES; i++) {
		self->p[i * page] = i + 1;
		ASSERT_EQ(pread(self->fd, &byte, 1, i * page), 1);
		EXPECT_EQ(byte, i + 1);
		byte = i + 100;
		ASSERT_EQ(pwrite(self->fd, &byte, 1, (i + 1) * page - 1), 1);
		EXPECT_EQ(self->p[(i + 1) * page - 1], i + 100);
	}
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

/* Neither RWF_APPEND nor ftruncate() changes the size of a buffer. */
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

/* read() and write() copy across pages and folios from an odd offset. */
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

SHMBUF_HARNESS_MAIN
