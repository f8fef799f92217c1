// SPDX-License-Identifier: GPL-2.0-only
/* Test buffers for devices: contiguous memory, cache attributes and SHMBUF_IOC_SYNC. */

#define _GNU_SOURCE

#include "shmbuf_fixtures.h"

/* A contiguous buffer can exceed the largest order, as pages are migrated. */
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
		SKIP(return, "no 24 MiB of contiguous memory, or no CONTIG_ALLOC");
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

/* A cache attribute is honoured or refused, and never silently replaced. */
TEST_F(node, cache_attributes)
{
	struct shmbuf_create c;
	struct shmbuf_info info;
	uint32_t backing, cache;
	bool possible;
	char *p;

	/*
	 * Streaming memory is always cached, and coherent memory is never
	 * device memory. A kernel without DMA fails with the same errno.
	 */
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

#define EXPECT_NO_SYNC(...) do {					\
	EXPECT_EQ(sync_bytes(__VA_ARGS__), -1);				\
	EXPECT_EQ(errno, EINVAL);					\
} while (0)

/* SYNC accepts every range within a buffer and refuses all others. */
TEST_F(buffer, sync_ranges)
{
	const uint32_t both = SHMBUF_SYNC_READ | SHMBUF_SYNC_WRITE;
	int fd = self->fd;

	EXPECT_EQ(sync_bytes(fd, 0, self->size, both, SHMBUF_SYNC_BEGIN), 0);
	strcpy(self->p + page, "synced");
	EXPECT_EQ(sync_bytes(fd, 0, self->size, both, SHMBUF_SYNC_END), 0);
	EXPECT_EQ(sync_bytes(fd, page, 7, SHMBUF_SYNC_READ, SHMBUF_SYNC_BEGIN),
		  0);
	EXPECT_STREQ(self->p + page, "synced");
	EXPECT_EQ(sync_bytes(fd, page, 7, SHMBUF_SYNC_READ, SHMBUF_SYNC_END),
		  0);
	EXPECT_EQ(sync_bytes(fd, self->size, 0, both, SHMBUF_SYNC_END), 0);

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

SHMBUF_HARNESS_MAIN
