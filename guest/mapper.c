// SPDX-License-Identifier: GPL-2.0
/*
 * Part of the demonstration of "make run": a process that maps a buffer and waits. At each
 * signal it prints the text at the beginning of the buffer. A revocation ends it.
 *
 * usage: mapper PATH [TEXT]; with TEXT, the mapping is writable and TEXT is stored in it
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/shmbuf.h>

/*
 * main() touches the buffer for the last time after its revocation. A revocation between
 * ACK and the copy of the text raises SIGBUS there; the line is the same.
 */
static void end(int sig)
{
	printf("process %d touches the buffer: %s\n", getpid(), strsignal(sig));
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	int prot = argc > 2 ? PROT_READ | PROT_WRITE : PROT_READ;
	struct shmbuf_notify ack;
	struct stat st;
	char *text, copy[256];
	size_t len;
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		errx(1, "which buffer?");
	fd = open(argv[1], argc > 2 ? O_RDWR : O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", argv[1]);
	text = mmap(NULL, st.st_size, prot, MAP_SHARED, fd, 0);
	if (text == MAP_FAILED)
		err(1, "mmap");
	if (argc > 2 && strlen(argv[2]) >= (size_t)st.st_size)
		errx(1, "the text is longer than the buffer");
	signal(SIGBUS, end);
	/* UML logs a SIGBUS if SIGSEGV has no handler. */
	signal(SIGSEGV, end);
	if (argc > 2)
		memcpy(text, argv[2], strlen(argv[2]) + 1);
	len = (size_t)st.st_size < sizeof(copy) ? (size_t)st.st_size : sizeof(copy) - 1;
	printf("process %d maps %lld bytes, %s\n", getpid(), (long long)st.st_size,
	       argc > 2 ? "writable" : "read-only");
	while (1) {
		ack = (struct shmbuf_notify) { .flags = SHMBUF_NOTIFY_WAIT };
		if (ioctl(fd, SHMBUF_IOC_ACK, &ack))
			break;
		memcpy(copy, text, len);
		copy[len] = 0;
		printf("process %d is woken, and reads: %.*s\n", getpid(),
		       (int)strcspn(copy, "\n"), copy);
	}
	if (errno != ENODEV)
		err(1, "SHMBUF_IOC_ACK");
	return *(volatile char *)text;
}
