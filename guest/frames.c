// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver's own node maps its two buffers: samples/shmbuf/shmbuf-frames.c, which is
 * loaded, and which this program unloads. frames.py is for guests that have Python.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/shmbuf.h>
#include "frames.h"

#define SIZE	65536

static int n, failed;

static void expect(const char *what, int condition)
{
	printf("%sok %d %s\n", condition ? "" : "not ", ++n, what);
	failed |= !condition;
}

static int refused(int node, int prot, size_t size, off_t offset, int error)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, node, offset);

	if (p != MAP_FAILED)
		munmap(p, size);
	return p == MAP_FAILED && errno == error;
}

static unsigned int mappings(int fd)
{
	struct shmbuf_info info = { 0 };

	return ioctl(fd, SHMBUF_IOC_INFO, &info) ? -1 : info.mappings;
}

static sigjmp_buf jump;

static void on_sigbus(int number)
{
	siglongjmp(jump, 1);
}

static int is_revoked(const volatile char *p)
{
	signal(SIGBUS, on_sigbus);
	if (sigsetjmp(jump, 1))
		return 1;
	(void)*p;
	return 0;
}

int main(void)
{
	int node = open("/dev/frames", O_RDWR), fd[2], frame;
	struct shmbuf_seal seal = { .seals = SHMBUF_SEAL_WRITE };
	char *first, *second, byte;

	printf("TAP version 13\n1..11\n");
	fd[0] = ioctl(node, FRAMES_GET_FD, 0);
	fd[1] = ioctl(node, FRAMES_GET_FD, 1);
	expect("the node and both buffers are there", node >= 0 && fd[0] >= 0 && fd[1] >= 0);
	first = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, node, 0);
	second = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, node, FRAMES_STRIDE);
	if (first == MAP_FAILED || second == MAP_FAILED)
		return expect("both buffers are mapped", 0), 1;
	frame = ioctl(node, FRAMES_CAPTURE, 0);
	expect("a frame is in the first buffer", frame > 0 && first[0] == frame && !memcmp(first, first + 1, SIZE - 1));
	expect("and not in the second", !second[0] && !memcmp(second, second + 1, SIZE - 1));
	frame = ioctl(node, FRAMES_CAPTURE, 1);
	expect("the next is in the second", second[SIZE - 1] == frame && first[0] != frame);
	expect("each counts its mapping", mappings(fd[0]) == 1 && mappings(fd[1]) == 1);
	expect("a writable mapping prevents a seal", ioctl(fd[0], SHMBUF_IOC_SEAL, &seal) && errno == EBUSY);
	expect("no mapping reaches past the end", refused(node, PROT_READ, SIZE, FRAMES_STRIDE + 4096, EINVAL) &&
	       refused(node, PROT_READ, 4096, 2 * FRAMES_STRIDE, EINVAL));
	munmap(first, SIZE);
	expect("without the mapping the first is sealed", !mappings(fd[0]) && !ioctl(fd[0], SHMBUF_IOC_SEAL, &seal) &&
	       refused(node, PROT_READ | PROT_WRITE, SIZE, 0, EPERM));
	close(node);
	expect("the driver unloads although there is a mapping", !syscall(SYS_delete_module, "shmbuf_frames", O_NONBLOCK));
	expect("which is revoked", is_revoked(second));
	expect("like what was passed on", pread(fd[1], &byte, 1, 0) < 0 && errno == ENODEV);
	return failed;
}
