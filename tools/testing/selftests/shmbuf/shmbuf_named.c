// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test named nodes: the buffer of shmbuf.buffers=selftest:64K on the kernel command line,
 * and the sysfs files of each named node.
 */

#define _GNU_SOURCE

#include "shmbuf_fixtures.h"

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

/* Two open files of a node share one buffer. */
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

/* A named buffer keeps its contents while no file is open. */
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

/* sysfs has the size of a named node, as stat() of a device node has none. */
TEST_F(file, sysfs)
{
	char path[128], line[32] = "", size[32];
	FILE *f;

	if (!variant->path)
		SKIP(return, "not a named node, as under UML or elsewhere");
	snprintf(path, sizeof(path), "/sys/class/misc/%s/size",
		 strrchr(variant->path, '/') + 1);
	snprintf(size, sizeof(size), "%zu\n", self->size);
	f = fopen(path, "r");
	ASSERT_NE(f, NULL);
	EXPECT_NE(fgets(line, sizeof(line), f), NULL);
	fclose(f);
	EXPECT_STREQ(line, size);
	snprintf(path, sizeof(path), "/sys/class/misc/%s/backing",
		 strrchr(variant->path, '/') + 1);
	EXPECT_EQ(count_lines(path, variant->backing == SHMBUF_BACKING_PAGES ?
			      "pages\n" : "region\n", ""), 1);
}

SHMBUF_HARNESS_MAIN
