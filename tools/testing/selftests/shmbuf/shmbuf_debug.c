// SPDX-License-Identifier: GPL-2.0-only
/* Test the interfaces for debugging: fdinfo, debugfs and tracepoints. */

#define _GNU_SOURCE

#include "shmbuf_fixtures.h"

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

/* The debugfs list has a buffer until its last file and mapping are gone. */
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

#define TRACING	"/sys/kernel/tracing/instances/"

/* A trace instance of the test's own, with only the driver's events. */
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
		SKIP(return, TRACING " is not writable");
	snprintf(self->path, sizeof(self->path), TRACING "shmbuf_debug.%d",
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

/* Each operation on a buffer emits its trace event. */
TEST_F(trace, events)
{
	const char *trace = in_folder(self->path, "trace");
	struct shmbuf_create c;
	uint32_t backing;
	char ino[32], *p;
	struct stat st;
	unsigned int i;
	int faults;

	for (i = 0; i < ARRAY_SIZE(backings); i++) {
		backing = backings[i];
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
		/* The driver's own fault handler serves PFN mappings only. */
		faults = count_lines(trace, ino, "shmbuf_fault: ");
		/* Coherent memory that is not in the direct map does not fault. */
		if (backing != SHMBUF_BACKING_COHERENT || faults)
			EXPECT_EQ(faults, backing != SHMBUF_BACKING_PAGES);
	}
}

SHMBUF_HARNESS_MAIN
