// SPDX-License-Identifier: GPL-2.0-only
/* A parent writes into a buffer and signals. A child waits for the signal and reads. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/shmbuf.h>

int main(void)
{
	struct shmbuf_create c = { .size = 1 << 20, .name = "hello",
				   .numa_node = SHMBUF_NUMA_ANY };
	struct shmbuf_notify ack = { .flags = SHMBUF_NOTIFY_WAIT };
	struct shmbuf_notify signal = { 0 };
	int dev = open("/dev/shmbuf", O_RDWR | O_CLOEXEC);
	char *text;

	if (dev < 0 || ioctl(dev, SHMBUF_IOC_CREATE, &c))
		err(1, "/dev/shmbuf");
	text = mmap(NULL, c.size, PROT_READ | PROT_WRITE, MAP_SHARED, c.fd, 0);
	if (text == MAP_FAILED)
		err(1, "mmap");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		if (ioctl(c.fd, SHMBUF_IOC_ACK, &ack))
			err(1, "waiting for a signal");
		return puts(text) < 0;
	}
	snprintf(text, c.size, "hello through a shared page");
	if (ioctl(c.fd, SHMBUF_IOC_SIGNAL, &signal))
		err(1, "SHMBUF_IOC_SIGNAL");
	return wait(NULL) < 0;
}
