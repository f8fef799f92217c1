// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test the node that the driver publishes for an ivshmem device, and the removal of the
 * device while its memory is mapped. The tests write to memory that other virtual machines
 * use. Therefore they run only if SHMBUF_IVSHMEM_TEST is in the environment.
 */

#define _GNU_SOURCE
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>

#include "shmbuf_selftest.h"
#include "kselftest_harness.h"

#define NODE	"/dev/shmbuf-ivshmem0"
#define DRIVER	"/sys/bus/pci/drivers/shmbuf-ivshmem"

static sigjmp_buf after_sigbus;

static void handle_sigbus(int sig)
{
	siglongjmp(after_sigbus, 1);
}

/* Returns whether an access to a mapping raises SIGBUS. */
static bool is_gone(char *p)
{
	signal(SIGBUS, handle_sigbus);
	if (sigsetjmp(after_sigbus, 1))
		return true;
	__atomic_load_n(p, __ATOMIC_RELAXED);
	return false;
}

FIXTURE(ivshmem) {
	int fd;
	size_t size;
	char device[SHMBUF_NAME_LEN];	/* its PCI address */
};

FIXTURE_SETUP(ivshmem)
{
	self->fd = -1;
	if (is_uml())
		SKIP(return, "UML has no such device");
	if (!getenv("SHMBUF_IVSHMEM_TEST"))
		SKIP(return, "SHMBUF_IVSHMEM_TEST=1 allows writes to memory that others use");
	self->fd = open(NODE, O_RDWR | O_CLOEXEC);
	if (self->fd < 0)
		SKIP(return, "cannot open " NODE " of an ivshmem device: %s",
		     strerror(errno));
	self->size = get_info(self->fd).size;
	memcpy(self->device, get_info(self->fd).name, sizeof(self->device));
}

FIXTURE_TEARDOWN(ivshmem)
{
	if (self->fd >= 0)
		close(self->fd);
}

/* The node has all memory of the device, cached, and not pinnable. */
TEST_F(ivshmem, what_it_is)
{
	struct shmbuf_info info = get_info(self->fd);
	char path[PATH_MAX];
	struct stat st;

	EXPECT_EQ(info.backing, SHMBUF_BACKING_REGION);
	EXPECT_EQ(info.cache, SHMBUF_CACHE_CACHED);
	EXPECT_EQ(info.capabilities, 0);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2", self->device);
	ASSERT_EQ(stat(path, &st), 0);
	EXPECT_EQ(info.size, st.st_size);
	ASSERT_EQ(fstat(self->fd, &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0600);
}

/* Only the driver of the device can revoke its memory. */
TEST_F(ivshmem, not_revoked_by_debugfs)
{
	char line[512], ino[32] = "";
	FILE *f = fopen(BUFFERS, "r");

	if (!f)
		SKIP(return, BUFFERS ": %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, " backing=region "))
			sscanf(line, "ino=%31[0-9]", ino);
	}
	fclose(f);
	ASSERT_NE(ino[0], 0);
	EXPECT_EQ(write_file(REVOKE, ino), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(get_info(self->fd).capabilities, 0);
}

/* read() and another mapping see the words stored in each page. */
TEST_F(ivshmem, contents)
{
	long page = sysconf(_SC_PAGESIZE);
	uint64_t *p, *q, word;
	size_t i, at, n = self->size / sizeof(*p), step = page / sizeof(*p);

	p = mmap(NULL, self->size, RW, MAP_SHARED, self->fd, 0);
	q = mmap(NULL, self->size, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	ASSERT_NE(q, MAP_FAILED);
	for (i = 0; i < n; i += step)
		p[i + i / step % step] = i + 1;
	for (i = 0; i < n; i += step) {
		at = i + i / step % step;
		ASSERT_EQ(q[at], i + 1);
		ASSERT_EQ(pread(self->fd, &word, sizeof(word), at * sizeof(word)), sizeof(word));
		ASSERT_EQ(word, i + 1);
		p[at] = 0;
	}
	munmap(p, self->size);
	munmap(q, self->size);
}

/* mmap() refuses a range past the end, where other devices have memory. */
TEST_F(ivshmem, window)
{
	long page = sysconf(_SC_PAGESIZE);

	EXPECT_EQ(mmap(NULL, page, RW, MAP_SHARED, self->fd, self->size), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mmap(NULL, self->size, RW, MAP_SHARED, self->fd, page), MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
}

#define CYCLES	1000

/*
 * Unbinding the driver revokes a mapped buffer and removes its node. Binding publishes the
 * same memory again.
 */
TEST_F_TIMEOUT(ivshmem, taken_away, 600)
{
	struct pollfd poll_fd = { .events = POLLIN };
	char word[8];
	char *p;
	int i;

	if (access(DRIVER "/unbind", W_OK))
		SKIP(return, "cannot unbind the driver: %s", strerror(errno));
	for (i = 0; i < CYCLES; i++) {
		p = mmap(NULL, self->size, RW, MAP_SHARED, self->fd, 0);
		ASSERT_NE(p, MAP_FAILED);
		p[0] = i;
		/* The last page has no PTE yet. */
		ASSERT_EQ(write_file(DRIVER "/unbind", self->device), 0);
		ASSERT_TRUE(is_gone(p));
		ASSERT_TRUE(is_gone(p + self->size - 1));
		ASSERT_EQ(pread(self->fd, word, sizeof(word), 0), -1);
		ASSERT_EQ(errno, ENODEV);
		ASSERT_EQ(get_info(self->fd).capabilities, SHMBUF_CAP_REVOKED);
		ASSERT_EQ(get_info(self->fd).mappings, 1);
		poll_fd.fd = self->fd;
		ASSERT_EQ(poll(&poll_fd, 1, 0), 1);
		ASSERT_TRUE(poll_fd.revents & POLLHUP);
		ASSERT_EQ(open(NODE, O_RDWR | O_CLOEXEC), -1);
		ASSERT_EQ(write_file(DRIVER "/bind", self->device), 0);
		/* The old mapping stays revoked. */
		ASSERT_TRUE(is_gone(p));
		munmap(p, self->size);
		close(self->fd);
		self->fd = open(NODE, O_RDWR | O_CLOEXEC);
		ASSERT_GE(self->fd, 0);
		/* The host owns the memory, which has not changed. */
		ASSERT_EQ(pread(self->fd, word, 1, 0), 1);
		ASSERT_EQ(word[0], (char)i);
	}
}

SHMBUF_HARNESS_MAIN
