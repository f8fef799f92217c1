// SPDX-License-Identifier: GPL-2.0
/*
 * A guest of two that share memory, or one that loses it.
 *
 * usage: peer exchange first|second	checked data, both ways
 *        peer doorbell first|second	1,000 doorbells each way, each wakes poll()
 *        peer unplug			the device goes while it is mapped
 *
 * Prints TAP, and "peer: ready" when the device may go.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/shmbuf.h>

#define NODE	"/dev/shmbuf-ivshmem0"
#define ROUNDS	1000

/* The beginning of the memory: how far each of the two is. */
struct progress {
	uint32_t step[2];
};

static int fd;
static size_t size;
static struct progress *progress;
static int me;			/* 0 is the first */

static void fail(const char *what)
{
	printf("not ok 1 %s: %s\n", what, strerror(errno));
	exit(1);
}

static void open_node(void)
{
	struct shmbuf_info info = { 0 };

	fd = open(NODE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail("open " NODE);
	if (ioctl(fd, SHMBUF_IOC_INFO, &info))
		fail("SHMBUF_IOC_INFO");
	size = info.size;
	progress = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (progress == MAP_FAILED)
		fail("mmap");
}

static void reach(uint32_t step)
{
	__atomic_store_n(&progress->step[me], step, __ATOMIC_RELEASE);
}

/*
 * ivshmem-plain has no interrupts, so poll. No wait has a time-out here: the host ends
 * a guest that hangs.
 */
static void wait_for_peer(uint32_t step)
{
	while (__atomic_load_n(&progress->step[!me], __ATOMIC_ACQUIRE) < step)
		usleep(1000);
}

static uint64_t word(int who, size_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ULL ^ (who ? 0x5555555555555555ULL : 0);
}

/* Half of the memory is each one's to write; the words of a page are all different. */
static void exchange(void)
{
	size_t half = size / 2 / sizeof(uint64_t), i, bad = 0;
	uint64_t *own = (uint64_t *)progress + me * half;
	uint64_t *other = (uint64_t *)progress + !me * half;

	for (i = 512; i < half; i++)
		own[i] = word(me, i);
	reach(1);
	wait_for_peer(1);
	for (i = 512; i < half; i++)
		bad += other[i] != word(!me, i);
	reach(2);
	wait_for_peer(2);
	printf("%s 1 %zu words of the other guest, %zu of them wrong\n", bad ? "not ok" : "ok", half - 512, bad);
	exit(!!bad);
}

static uint64_t heard, own_signals;

static void ring(void)
{
	struct shmbuf_notify n = { 0 };

	if (ioctl(fd, SHMBUF_IOC_SIGNAL, &n))
		fail("SHMBUF_IOC_SIGNAL");
	own_signals++;
}

/* One's own signals count too, for every file of the buffer. */
static void wait_for_rings(uint64_t rings)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct shmbuf_notify n = { 0 };

	while (heard < own_signals + rings) {
		if (poll(&p, 1, -1) != 1)
			fail("poll()");
		if (ioctl(fd, SHMBUF_IOC_ACK, &n))
			fail("SHMBUF_IOC_ACK");
		heard += n.count;
	}
}

static void doorbell(void)
{
	int i;

	reach(1);
	wait_for_peer(1);
	for (i = 1; i <= ROUNDS; i++) {
		if (!me)
			ring();
		wait_for_rings(i);
		if (me)
			ring();
	}
	/* One's own last one, too. */
	wait_for_rings(ROUNDS);
	reach(2);
	wait_for_peer(2);
	printf("%s 1 %llu doorbells of the other guest woke poll(), of %d\n", heard - own_signals == ROUNDS ? "ok" : "not ok",
	       (unsigned long long)(heard - own_signals), ROUNDS);
	exit(heard - own_signals != ROUNDS);
}

static sigjmp_buf gone;

static void on_sigbus(int sig)
{
	siglongjmp(gone, 1);
}

static void unplug(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	volatile uint32_t *step = progress->step;
	char c;

	signal(SIGBUS, on_sigbus);
	if (!sigsetjmp(gone, 1)) {
		printf("peer: ready\n");
		for (;;)
			++*step;
	}
	printf("ok 1 touching the mapping raises SIGBUS\n");
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLHUP))
		fail("poll()");
	if (pread(fd, &c, 1, 0) != -1 || errno != ENODEV)
		fail("pread()");
	printf("ok 2 the file has hung up, and fails with ENODEV\n");
	while (!access(NODE, F_OK))
		usleep(1000);
	printf("ok 3 the node is gone\n");
	munmap(progress, size);
	close(fd);
	exit(0);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	me = argc > 2 && !strcmp(argv[2], "second");
	open_node();
	if (argc > 1 && !strcmp(argv[1], "exchange"))
		exchange();
	if (argc > 1 && !strcmp(argv[1], "doorbell"))
		doorbell();
	if (argc > 1 && !strcmp(argv[1], "unplug"))
		unplug();
	return 2;
}
