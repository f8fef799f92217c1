// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test notification: SHMBUF_IOC_SIGNAL, SHMBUF_IOC_ACK, poll() and epoll. Each open file
 * counts the signals that it has not acknowledged.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "shmbuf_fixtures.h"

/* Each open file has its own count of signals to acknowledge. */
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

/* A thread that waits for a signal on an open file of its own. */
struct waiter {
	int fd;
	int calls;
	int err;
};

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

/* A signal wakes waiters on every open file, even with EPOLLEXCLUSIVE. */
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
	/* Most likely the threads sleep by now. If not, the test passes as well. */
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

/* A signal handler interrupts a waiting ACK, except with SA_RESTART. */
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

/* An ioctl takes effect even if its result cannot be written. */
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

/* A process that sleeps in epoll_wait() counts every signal of another. */
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
		/* If waking is slow, let each wake-up count more signals. */
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

/* Two processes wake each other in turn, so a lost wake-up stops both. */
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

/* Signals one buffer and waits for the other, 2000 times. */
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

/* A poll request of io_uring waits for a signal, and a read does not. */
TEST_F(file, io_uring_poll)
{
	struct pollfd p = { .events = POLLIN };
	struct ring ring;
	unsigned int *tail;
	char byte;

	if (ring_open(&ring))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	*ring.sqe = (struct io_uring_sqe) {
		.opcode = IORING_OP_POLL_ADD,
		.fd = self->fd,
		.poll32_events = POLLIN,
	};
	tail = (void *)(ring.queues + ring.params.sq_off.tail);
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	ASSERT_EQ(syscall(__NR_io_uring_enter, ring.fd, 1, 0, 0, NULL, 0), 1);
	p.fd = ring.fd;
	EXPECT_EQ(pread(self->fd, &byte, 1, 0), 1);
	EXPECT_EQ(poll(&p, 1, 10), 0);
	ASSERT_GT(signal_buffer(self->fd), 0);
	EXPECT_EQ(poll(&p, 1, -1), 1);
	ack(self->fd);
	close(ring.fd);
}

/* Only a signal makes a file readable, whatever is read or written. */
TEST_F(file, epoll)
{
	struct epoll_event event = { .events = EPOLLIN };
	int level = epoll_create1(EPOLL_CLOEXEC);
	int edge = epoll_create1(EPOLL_CLOEXEC);
	char byte = 1;

	ASSERT_EQ(epoll_ctl(level, EPOLL_CTL_ADD, self->fd, &event), 0);
	event.events = EPOLLIN | EPOLLET;
	ASSERT_EQ(epoll_ctl(edge, EPOLL_CTL_ADD, self->fd, &event), 0);
	EXPECT_EQ(pwrite(self->fd, &byte, 1, 0), 1);
	EXPECT_EQ(pread(self->fd, &byte, 1, 0), 1);
	EXPECT_EQ(epoll_wait(level, &event, 1, 0), 0);
	EXPECT_EQ(epoll_wait(edge, &event, 1, 0), 0);

	ASSERT_GT(signal_buffer(self->fd), 0);
	EXPECT_EQ(epoll_wait(level, &event, 1, -1), 1);
	EXPECT_EQ(epoll_wait(level, &event, 1, -1), 1);
	EXPECT_EQ(epoll_wait(edge, &event, 1, -1), 1);
	EXPECT_EQ(epoll_wait(edge, &event, 1, 0), 0);
	ASSERT_GT(signal_buffer(self->fd), 0);
	EXPECT_EQ(epoll_wait(edge, &event, 1, -1), 1);
	EXPECT_EQ(ack(self->fd), 2);
	EXPECT_EQ(epoll_wait(level, &event, 1, 0), 0);
	event.events = EPOLLIN | EPOLLOUT;
	ASSERT_EQ(epoll_ctl(level, EPOLL_CTL_MOD, self->fd, &event), 0);
	EXPECT_EQ(epoll_wait(level, &event, 1, -1), 1);
	EXPECT_EQ(event.events, EPOLLOUT);
	close(level);
	close(edge);
}

/* All descriptors of one open file share its count of signals. */
TEST_F(file, shared_view)
{
	int copy = dup(self->fd), own = reopen(self->fd, O_RDONLY), status;
	pid_t pid;

	ASSERT_GE(copy, 0);
	ASSERT_GE(own, 0);
	ASSERT_GT(signal_buffer(self->fd), 0);
	EXPECT_TRUE(is_ready(copy));
	EXPECT_EQ(ack(copy), 1);
	EXPECT_FALSE(is_ready(self->fd));
	EXPECT_EQ(ack(self->fd), 0);
	EXPECT_TRUE(is_ready(own));

	/* The ACK of a child acknowledges for its parent as well. */
	ASSERT_GT(signal_buffer(self->fd), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(ack(self->fd));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(WEXITSTATUS(status), 1);
	EXPECT_EQ(ack(self->fd), 0);
	EXPECT_EQ(ack(own), 2);
	close(copy);
	close(own);
}

/* A received descriptor shares the count until it is reopened. */
TEST_F(file, passed_view)
{
	int sockets[2], passed, own;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	ASSERT_TRUE(send_fd(sockets[0], self->fd));
	passed = receive_fd(sockets[1]);
	ASSERT_GE(passed, 0);
	own = reopen(passed, O_RDWR);
	ASSERT_GE(own, 0);
	ASSERT_GT(signal_buffer(self->fd), 0);
	EXPECT_EQ(ack(passed), 1);
	EXPECT_EQ(ack(self->fd), 0);
	EXPECT_EQ(ack(own), 1);
	close(own);
	close(passed);
	close(sockets[0]);
	close(sockets[1]);
}

SHMBUF_HARNESS_MAIN
