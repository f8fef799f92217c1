// SPDX-License-Identifier: GPL-2.0
/*
 * What "make run" shows: one buffer, seen by the kernel and by two processes.
 * read() and write() copy through the kernel's own mapping of the buffer, so
 * they are the kernel's view here.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/shmbuf.h>

static void show_counts(int fd, const char *when)
{
	struct shmbuf_info info;

	if (ioctl(fd, SHMBUF_IOC_INFO, &info))
		err(1, "INFO");
	printf("  %-34s mappings %u, writable %u\n", when, info.mappings,
	       info.writable_mappings);
}

static void show_maps_line(const void *p)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], start[32];

	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	while (maps && fgets(line, sizeof(line), maps)) {
		if (!strncmp(line, start, strlen(start)))
			printf("  %s", line);
	}
	if (maps)
		fclose(maps);
}

static void expect(const char *what, const char *seen, const char *wanted)
{
	printf("  %-34s \"%s\"\n", what, seen);
	if (strcmp(seen, wanted))
		errx(1, "expected \"%s\"", wanted);
}

int main(void)
{
	struct shmbuf_create c = {
		.size = 100000,
		.backing = SHMBUF_BACKING_CONTIG,
		.numa_node = -1,
		.name = "demo",
	};
	int dev, status, hold[2];
	char seen[64] = "", *p;
	pid_t pid;

	printf("\ncreate\n");
	dev = open("/dev/shmbuf", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		err(1, "/dev/shmbuf");
	if (ioctl(dev, SHMBUF_IOC_CREATE, &c))
		err(1, "CREATE");
	printf("  asked for 100000 bytes, got %llu, file descriptor %d\n",
	       (unsigned long long)c.size, c.fd);

	printf("map\n");
	p = mmap(NULL, c.size, PROT_READ | PROT_WRITE, MAP_SHARED, c.fd, 0);
	if (p == MAP_FAILED)
		err(1, "mmap");
	show_maps_line(p);

	printf("both ways\n");
	if (pwrite(c.fd, "written by the kernel", 22, 8192) != 22)
		err(1, "write");
	expect("the process loads", p + 8192, "written by the kernel");
	strcpy(p + 50000, "stored by the process");
	if (pread(c.fd, seen, 22, 50000) != 22)
		err(1, "read");
	expect("the kernel reads", seen, "stored by the process");

	printf("count\n");
	show_counts(c.fd, "mapped once");
	if (pipe(hold))
		err(1, "pipe");
	pid = fork();
	if (!pid) {
		close(hold[1]);
		strcpy(p, "stored by the child");
		_exit(read(hold[0], seen, 1) != 0);
	}
	show_counts(c.fd, "after fork()");
	close(hold[1]);
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "the child failed");
	show_counts(c.fd, "after the child's exit");
	expect("the parent loads", p, "stored by the child");
	munmap(p + 4096, 4096);
	show_counts(c.fd, "after munmap() of the second page");
	munmap(p, c.size);
	show_counts(c.fd, "after munmap() of the rest");
	close(c.fd);
	return 0;
}
