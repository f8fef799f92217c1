// SPDX-License-Identifier: GPL-2.0-only
/*
 * A consumer with real-time priority, whose loop does not cause page faults.
 *
 * usage: shmbuf-realtime [FRAMES [PERIOD_US]]
 *
 * A child stores the time into the buffer once a period, and signals. The parent waits
 * for the signal. The parent reports the latency, the number of signals later than
 * DEADLINE_US, and its page faults. Each signal has a separate time stamp, or a late
 * wake-up would hide late signals. Call mlockall() after fork(), which write-protects
 * the private memory of both processes.
 */

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/shmbuf.h>

#define DEADLINE_US	500
#define TIMEOUT_MS	10000
#define SIZE		1048576
#define STAMPS		(SIZE / sizeof(long long))

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int create_buffer(void)
{
	struct shmbuf_create c = { .size = SIZE, .name = "realtime",
				   .numa_node = SHMBUF_NUMA_ANY };
	int dev = open("/dev/shmbuf", O_RDWR | O_CLOEXEC);

	if (dev < 0 || ioctl(dev, SHMBUF_IOC_CREATE, &c))
		err(1, "/dev/shmbuf");
	close(dev);
	return c.fd;
}

static void produce(int fd, int frames, int period_us)
{
	struct shmbuf_notify signal = { 0 };
	long long *stamps = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int n;

	if (stamps == MAP_FAILED)
		err(1, "mmap");
	/* The sequence of the first signal is 1. */
	for (n = 1; n <= frames; n++) {
		usleep(period_us);
		__atomic_store_n(&stamps[n % STAMPS], now(), __ATOMIC_RELEASE);
		if (ioctl(fd, SHMBUF_IOC_SIGNAL, &signal))
			err(1, "SHMBUF_IOC_SIGNAL");
	}
}

/* If the process lacks the permissions, the loop works but may miss deadlines. */
static void become_realtime(void)
{
	struct sched_param p = { .sched_priority = 50 };

	if (sched_setscheduler(0, SCHED_FIFO, &p))
		warn("without SCHED_FIFO");
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		warn("without locked memory");
}

static long page_faults(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt + r.ru_majflt;
}

/* If the producer has ended, SHMBUF_NOTIFY_WAIT would wait for ever. */
static void wait_for_signals(int fd, int period_us, struct shmbuf_notify *ack)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, TIMEOUT_MS + period_us / 1000) <= 0)
		errx(1, "no signal came in time");
	*ack = (struct shmbuf_notify) { 0 };
	if (ioctl(fd, SHMBUF_IOC_ACK, ack))
		err(1, "SHMBUF_IOC_ACK");
}

static void consume(int fd, int frames, int period_us)
{
	struct shmbuf_notify ack;
	long long woken, late, max = 0, sum = 0, *stamps;
	int seen = 0, waits = 0, missed = 0;
	long faults;

	stamps = mmap(NULL, SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE | MAP_LOCKED, fd, 0);
	if (stamps == MAP_FAILED)
		err(1, "mmap");
	faults = page_faults();
	for (; seen < frames; waits++) {
		wait_for_signals(fd, period_us, &ack);
		woken = now();
		for (; ack.count--; seen++) {
			late = woken - __atomic_load_n(&stamps[(ack.sequence - ack.count) % STAMPS],
						       __ATOMIC_ACQUIRE);
			max = late > max ? late : max;
			missed += late > DEADLINE_US * 1000;
			sum += late;
		}
	}
	faults = page_faults() - faults;
	printf("%d frames in %d waits, %ld page faults\n", seen, waits, faults);
	printf("latency: mean %.1f us, max %.1f us, %d later than %d us\n",
	       sum / 1e3 / seen, max / 1e3, missed, DEADLINE_US);
}

int main(int argc, char **argv)
{
	int frames = argc > 1 ? atoi(argv[1]) : 1000;
	int period_us = argc > 2 ? atoi(argv[2]) : 1000;
	int fd = create_buffer();

	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		produce(fd, frames, period_us);
		return 0;
	}
	become_realtime();
	consume(fd, frames, period_us);
	return wait(NULL) < 0;
}
