/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fixtures that several programs use: the device node (node), a small mapped buffer of each
 * backing (buffer), and the file of a buffer or named node (file).
 */
#ifndef _SHMBUF_FIXTURES_H
#define _SHMBUF_FIXTURES_H

#include "shmbuf_selftest.h"
#include "kselftest_harness.h"

/* The functions of a fixture are static, and a program need not use every fixture. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

#define BUFFER_PAGES	4
#define FILE_PAGES	16

static long page;

/* The backings that SHMBUF_IOC_CREATE accepts. */
static const uint32_t backings[] = {
	SHMBUF_BACKING_PAGES,
	SHMBUF_BACKING_CONTIG,
	SHMBUF_BACKING_COHERENT,
	SHMBUF_BACKING_STREAM,
};

/* CREATE may fail only because the kernel has no memory for DMA. */
#define ASSERT_NO_DMA(backing) do {					\
	ASSERT_EQ(errno, EOPNOTSUPP);					\
	ASSERT_GE(backing, SHMBUF_BACKING_COHERENT);			\
} while (0)

static inline struct shmbuf_create valid_create(void)
{
	return (struct shmbuf_create) {
		.size = BUFFER_PAGES * page,
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

/* A buffer of BUFFER_PAGES pages, mapped as a whole. */
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

/* Without DMA in the kernel, the tests of these variants are skipped. */
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

#define EXPECT_NO_MMAP(len, prot, flags, fd, off, err) do {		\
	EXPECT_EQ(mmap(NULL, len, prot, flags, fd, off), MAP_FAILED);	\
	EXPECT_EQ(errno, err);						\
} while (0)

/* A buffer file of at least FILE_PAGES pages. */
FIXTURE(file) {
	int fd;
	size_t size;
};

FIXTURE_VARIANT(file) {
	const char *path;	/* of a named node, or NULL */
	uint32_t backing;
};

FIXTURE_VARIANT_ADD(file, pages) {
	.backing = SHMBUF_BACKING_PAGES,
};

FIXTURE_VARIANT_ADD(file, contig) {
	.backing = SHMBUF_BACKING_CONTIG,
};

FIXTURE_VARIANT_ADD(file, coherent) {
	.backing = SHMBUF_BACKING_COHERENT,
};

FIXTURE_VARIANT_ADD(file, stream) {
	.backing = SHMBUF_BACKING_STREAM,
};

FIXTURE_VARIANT_ADD(file, named) {
	.backing = SHMBUF_BACKING_PAGES,
	.path = NAMED,
};

FIXTURE_VARIANT_ADD(file, region) {
	.backing = SHMBUF_BACKING_REGION,
	.path = IVSHMEM,
};

FIXTURE_SETUP(file)
{
	page = sysconf(_SC_PAGESIZE);
	if (variant->path) {
		/* shmbuf_ivshmem.c has the same condition. */
		if (!strcmp(variant->path, IVSHMEM) && !getenv("SHMBUF_IVSHMEM_TEST"))
			self->fd = -1, errno = ENOENT;
		else
			self->fd = open(variant->path, O_RDWR | O_CLOEXEC);
		if (self->fd < 0)
			SKIP(return, "%s: %s%s", variant->path, strerror(errno),
			     is_uml() ? ", as under UML" : "");
	} else {
		self->fd = create_buffer(variant->backing, FILE_PAGES * page);
		if (self->fd < 0 && errno == EOPNOTSUPP)
			SKIP(return, "this kernel has no memory for DMA");
		if (self->fd < 0)
			SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	}
	self->size = lseek(self->fd, 0, SEEK_END);
	if (self->size < FILE_PAGES * page)
		SKIP(return, "the buffer has less than %d pages", FILE_PAGES);
	ASSERT_EQ(lseek(self->fd, 0, SEEK_SET), 0);
}

FIXTURE_TEARDOWN(file)
{
	if (self->fd >= 0)
		close(self->fd);
}

#pragma GCC diagnostic pop

#endif /* _SHMBUF_FIXTURES_H */
