// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test revocation, which these tests request in debugfs: accesses and ioctls fail, waiters
 * wake, and mm counters stay correct when the folios are freed.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "shmbuf_fixtures.h"
#include "shmbuf_mm.h"

#ifndef __NR_mseal
#define __NR_mseal		462
#endif

#define EXPECT_REVOKED(call) do {					\
	EXPECT_EQ(call, -1);						\
	EXPECT_EQ(errno, ENODEV);					\
} while (0)

/* After revocation, accesses and ioctls fail, except INFO, which reports it. */
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
	EXPECT_REVOKED(sync_bytes(self->fd, 0, 0, 1, 0));
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
	/* Revoking again succeeds. Inode number 0 is not a buffer. */
	EXPECT_EQ(revoke_buffer(self->fd), 0);
	EXPECT_EQ(write_file(REVOKE, "0"), -1);
	EXPECT_EQ(errno, ENOENT);
	close(ep);
	close(fds[0]);
	close(fds[1]);
}

/* A thread that acknowledges signals until the buffer is revoked. */
struct waiter {
	int fd;
	long signals, empty;
	int err;
};

static void *wait_for_signals(void *arg)
{
	struct waiter *w = arg;
	long n;

	while ((n = wait_ack(w->fd)) >= 0) {
		w->signals += n;
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

/* Splitting folios of a revoked buffer, beyond i_size, corrupts no counter. */
TEST_F(mm, split_after_revocation)
{
	struct dirty before = dirty_memory();
	int i, fd;

	if (access(SPLIT, W_OK))
		SKIP(return, SPLIT ": %s%s", strerror(errno),
		     is_uml() ? ", UML has no huge pages" : "");
	if (access(REVOKE, W_OK))
		SKIP(return, REVOKE ": %s", strerror(errno));
	for (i = 0; i < 4; i++) {
		fd = create_buffer(SHMBUF_BACKING_PAGES, SIZE);
		ASSERT_GE(fd, 0);
		munmap(map_and_fill(fd), SIZE);
		ASSERT_EQ(revoke_buffer(fd), 0);
		EXPECT_EQ(write_file(SPLIT, "1"), 0);
		close(fd);
	}
	EXPECT_SAME_DIRTY(before);
}

/* A memory error in a revoked buffer corrupts no counter. */
TEST_F(mm, memory_error_after_revocation)
{
	struct dirty before = dirty_memory();
	unsigned long long pfn = pfn_of(self->p + 5 * page);

	if (access(POISON, W_OK) || !pfn)
		SKIP(return, POISON ": %s, as under UML", strerror(errno));
	ASSERT_EQ(revoke_buffer(self->fd), 0);
	munmap(self->p, SIZE);
	poison(pfn);
	close(self->fd);
	self->fd = create_buffer(SHMBUF_BACKING_PAGES, SIZE);
	self->p = map_and_fill(self->fd);
	EXPECT_SAME_DIRTY(before);
}

/* Revocation zaps a VMA that mseal() has sealed, and the VMA stays. */
TEST_F(mm, mseal)
{
	int status;
	pid_t pid;

	if (access(REVOKE, W_OK))
		SKIP(return, REVOKE ": %s", strerror(errno));
	/* An unaligned address gives EINVAL if the kernel has mseal(). */
	if (syscall(__NR_mseal, 1, page, 0) && errno != EINVAL)
		SKIP(return, "mseal: %s, as under UML", strerror(errno));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (syscall(__NR_mseal, self->p, SIZE, 0))
			_exit(errno);
		if (!munmap(self->p, SIZE) || errno != EPERM)
			_exit(100);
		if (revoke_buffer(self->fd))
			_exit(101);
		_exit(signal_of(self->p) == SIGBUS ? 0 : 102);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(wait_for_counts(self->fd, 1, 1));
}

SHMBUF_HARNESS_MAIN
