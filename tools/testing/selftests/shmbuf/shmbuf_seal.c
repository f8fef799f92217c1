// SPDX-License-Identifier: GPL-2.0-only
/* Test seals, which prevent writes, writable mappings and further seals. */

#define _GNU_SOURCE
#include <sched.h>

#include "shmbuf_fixtures.h"

#define EXPECT_NO_SEAL(fd, seals, err) do {				\
	EXPECT_EQ(add_seals(fd, seals), -1);				\
	EXPECT_EQ(errno, err);						\
} while (0)

TEST_F(buffer, seal_write)
{
	loff_t off = 0;
	char *q, byte;
	int fds[2];

	/* Sealing fails while a mapping is writable, or might become so. */
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

	/* The same O_RDWR descriptor can still be mapped for reading. */
	q = mmap(NULL, self->size, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(q, MAP_FAILED);
	EXPECT_COUNTS(1, 0);
	EXPECT_STREQ(q, "final");
	EXPECT_EQ(mprotect(q, page, RW), -1);
	EXPECT_EQ(errno, EACCES);
	/* Adding an existing seal succeeds, even while the buffer is mapped. */
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

/* Seals added through one file hold for all files of the buffer. */
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

/* Sealing fails while pages are pinned, as they could still be written. */
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

/* A page in a per-CPU batch of another CPU does not prevent sealing. */
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
		/* With one CPU, the batch is its own. */
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

SHMBUF_HARNESS_MAIN
