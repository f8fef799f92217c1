// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test mappings of a buffer: windows, protections, mapping counts, fork(), mremap(), huge
 * pages and /proc/PID/maps, and the users of a mapping: futexes, ptrace() and pinned pages.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <linux/futex.h>
#include <linux/loop.h>

#include "shmbuf_fixtures.h"

/*
 * With huge pages, PMDs map the buffer where memory is not too fragmented.
 * Splitting a PMD loses no page, as the kernel log and the contents show.
 */
TEST_F(node, huge_pages)
{
	/* The addresses of a 32-bit program are not aligned for PMDs. */
	bool have_huge = sizeof(long) == 8 &&
			 !access("/sys/kernel/mm/transparent_hugepage", F_OK);
	struct shmbuf_create c = valid_create();
	struct shmbuf_info info = {};
	size_t i;
	char *p;

	c.size = 16 << 20;
	if (over_memlock_limit(c.size))
		SKIP(return, "RLIMIT_MEMLOCK is less than 16 MiB");
	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	ASSERT_EQ(ioctl(c.fd, SHMBUF_IOC_INFO, &info), 0);
	p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	for (i = 0; i < c.size; i += page)
		p[i] = i / page;
	EXPECT_EQ(smaps_kb("Rss"), c.size / 1024);
	/* No PMD maps the buffer if, for example, a huge page is larger. */
	if (have_huge && info.map_unit > page) {
		EXPECT_EQ((unsigned long)p % info.map_unit, 0);
		EXPECT_GE(smaps_kb("FilePmdMapped"), info.map_unit / 1024);
	} else if (info.map_unit == page) {
		EXPECT_EQ(smaps_kb("FilePmdMapped"), 0);
	}

	/* If all folios are huge, one fault installs the PMDs up to the next 16 MiB. */
	if (smaps_kb("FilePmdMapped") == c.size / 1024) {
		munmap(p, c.size);
		p = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
		ASSERT_NE(p, MAP_FAILED);
		EXPECT_EQ(smaps_kb("FilePmdMapped"), 0);
		EXPECT_EQ(p[0], 0);
		EXPECT_EQ(smaps_kb("FilePmdMapped"),
			  (16 << 10) - (unsigned long)p % (16 << 20) / 1024);
		for (i = 0; i < c.size; i += page)
			EXPECT_EQ(p[i], (char)(i / page));
	}

	ASSERT_EQ(munmap(p + (5 << 20), 3 * page), 0);
	for (i = 0; i < c.size; i += page) {
		if (i == 5 << 20)
			i += 3 * page;
		ASSERT_EQ(p[i], (char)(i / page));
	}
	EXPECT_EQ(smaps_kb("Rss"), (c.size - 3 * page) / 1024);
	munmap(p, c.size);
	close(c.fd);
}

TEST_F(buffer, info)
{
	struct shmbuf_info info = get_info(self->fd);

	EXPECT_EQ(info.size, self->size);
	/* Four pages are less than any huge page. */
	EXPECT_EQ(info.map_unit, page);
	EXPECT_EQ(info.mappings, 1);
	EXPECT_EQ(info.writable_mappings, 1);
	EXPECT_EQ(info.backing, variant->backing);
	/* The architecture decides how coherent memory is cached. */
	if (variant->backing != SHMBUF_BACKING_COHERENT)
		EXPECT_EQ(info.cache, SHMBUF_CACHE_CACHED);
	/* SHMBUF_CAP_NEEDS_SYNC depends on the machine. */
	if (variant->backing == SHMBUF_BACKING_STREAM)
		info.capabilities &= ~SHMBUF_CAP_NEEDS_SYNC;
	EXPECT_EQ(info.capabilities, variant->capabilities);
	EXPECT_EQ(info.seals, 0);
	EXPECT_STREQ((char *)info.name, "selftest");

	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_INFO, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(self->fd, SHMBUF_IOC_CREATE, NULL), -1);
	EXPECT_EQ(errno, ENOTTY);
}

TEST_F(buffer, two_mappings_of_one_page)
{
	char *q = mmap(NULL, page, RW, MAP_SHARED, self->fd, page);

	ASSERT_NE(q, MAP_FAILED);
	EXPECT_COUNTS(2, 2);
	self->p[page + 5] = 42;
	EXPECT_EQ(q[5], 42);
	q[6] = 43;
	EXPECT_EQ(self->p[page + 6], 43);
	munmap(q, page);
	EXPECT_COUNTS(1, 1);
}

TEST_F(buffer, windows)
{
	char *q;
	int i;

	for (i = 0; i < BUFFER_PAGES; i++)
		self->p[i * page] = i;
	for (i = 0; i < BUFFER_PAGES; i++) {
		q = mmap(NULL, page, PROT_READ, MAP_SHARED, self->fd, i * page);
		ASSERT_NE(q, MAP_FAILED);
		EXPECT_EQ(*q, i);
		munmap(q, page);
	}

	EXPECT_NO_MMAP(self->size + 1, RW, MAP_SHARED, self->fd, 0, EINVAL);
	EXPECT_NO_MMAP(2 * page, RW, MAP_SHARED, self->fd,
		       self->size - page, EINVAL);
	EXPECT_NO_MMAP(page, RW, MAP_SHARED, self->fd, self->size, EINVAL);
	EXPECT_NO_MMAP(page, RW, MAP_SHARED, self->fd, 1UL << 30, EINVAL);
	/* Regular files have a largest offset, which 32 bits do not reach. */
	EXPECT_NO_MMAP(page, RW, MAP_SHARED, self->fd, -2 * page,
		       sizeof(long) == 8 ? EOVERFLOW : EINVAL);
	EXPECT_NO_MMAP(2 * page, RW, MAP_SHARED, self->fd, -page,
		       sizeof(long) == 8 ? EOVERFLOW : EINVAL);
	EXPECT_COUNTS(1, 1);
}

TEST_F(buffer, protections)
{
	EXPECT_NO_MMAP(page, RW, MAP_PRIVATE, self->fd, 0, EINVAL);
	EXPECT_NO_MMAP(page, PROT_READ, MAP_PRIVATE, self->fd, 0, EINVAL);
	EXPECT_NO_MMAP(page, PROT_READ | PROT_EXEC, MAP_SHARED, self->fd, 0,
		       EPERM);
	EXPECT_EQ(mprotect(self->p, page, PROT_READ | PROT_EXEC), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_COUNTS(1, 1);
}

/* A read-only mapping counts as writable if mprotect() can make it so. */
TEST_F(buffer, mprotect_to_write)
{
	char *q = mmap(NULL, page, PROT_READ, MAP_SHARED, self->fd, 0);

	ASSERT_NE(q, MAP_FAILED);
	EXPECT_COUNTS(2, 2);
	ASSERT_EQ(mprotect(q, page, RW), 0);
	*q = 3;
	EXPECT_EQ(self->p[0], 3);
	munmap(q, page);
}

TEST_F(buffer, write_only_file)
{
	int wo;

	wo = reopen(self->fd, O_WRONLY);
	ASSERT_GE(wo, 0);
	EXPECT_NO_MMAP(page, PROT_READ, MAP_SHARED, wo, 0, EACCES);
	EXPECT_EQ(write(wo, "w", 1), 1);
	EXPECT_EQ(self->p[0], 'w');
	close(wo);
}

/* fsync() and msync() succeed, without anything to write back. */
TEST_F(buffer, sync)
{
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(msync(self->p, self->size, MS_SYNC), 0);
}

/* A process that receives the file over a socket shares the buffer. */
TEST_F(buffer, scm_rights)
{
	int sockets[2], status, fd;
	pid_t pid;
	char *q;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		SKIP(return, "socketpair: %s", strerror(errno));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(self->fd);
		munmap(self->p, self->size);
		fd = receive_fd(sockets[1]);
		q = mmap(NULL, page, RW, MAP_SHARED, fd, page);
		if (q == MAP_FAILED || strcmp(q, "ping"))
			_exit(2);
		strcpy(q, "pong");
		_exit(0);
	}
	strcpy(self->p + page, "ping");
	EXPECT_TRUE(send_fd(sockets[0], self->fd));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_STREQ(self->p + page, "pong");
	EXPECT_TRUE(wait_for_counts(self->fd, 1, 1));
	close(sockets[0]);
	close(sockets[1]);
}

/* A process with a read-only file cannot write to the buffer. */
TEST_F(buffer, read_only_file)
{
	char *q, byte = 1;
	int ro;

	ro = reopen(self->fd, O_RDONLY);
	ASSERT_GE(ro, 0);
	EXPECT_NO_MMAP(page, RW, MAP_SHARED, ro, 0, EACCES);
	q = mmap(NULL, page, PROT_READ, MAP_SHARED, ro, 0);
	ASSERT_NE(q, MAP_FAILED);
	EXPECT_COUNTS(2, 1);
	EXPECT_EQ(mprotect(q, page, RW), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(write(ro, &byte, 1), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(get_info(ro).size, self->size);
	self->p[0] = 9;
	EXPECT_EQ(q[0], 9);
	EXPECT_EQ(read(ro, &byte, 1), 1);
	EXPECT_EQ(byte, 9);
	munmap(q, page);
	close(ro);
	EXPECT_COUNTS(1, 1);
}

TEST_F(buffer, close_while_mapped)
{
	char path[64];

	strcpy(self->p + page, "still here");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	EXPECT_EQ(close(self->fd), 0);
	self->fd = -1;
	EXPECT_EQ(access(path, F_OK), -1);
	EXPECT_STREQ(self->p + page, "still here");
	self->p[0] = 1;
	EXPECT_EQ(self->p[0], 1);
}

/* fork() duplicates the mapping, which counts until the child exits. */
TEST_F(buffer, fork)
{
	int go[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(pipe(go), 0);
	self->p[0] = 1;
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(go[1]);
		self->p[page] = self->p[0] + 1;
		_exit(read(go[0], &byte, 1) ? 1 : 0);
	}
	close(go[0]);
	EXPECT_COUNTS(2, 2);
	close(go[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(self->p[page], 2);
	EXPECT_TRUE(wait_for_counts(self->fd, 1, 1));
}

TEST_F(buffer, sigkill_of_a_child)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		for (;;)
			pause();
	}
	EXPECT_COUNTS(2, 2);
	kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(wait_for_counts(self->fd, 1, 1));
}

TEST_F(buffer, dontfork)
{
	int status;
	pid_t pid;

	ASSERT_EQ(madvise(self->p, self->size, MADV_DONTFORK), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (signal_of(self->p) != SIGSEGV)
			_exit(2);
		_exit(get_info(self->fd).mappings);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(WEXITSTATUS(status), 1);
}

TEST_F(buffer, hole)
{
	char byte;
	int i;

	self->p[0] = 1;
	self->p[2 * page] = 3;
	ASSERT_EQ(munmap(self->p + page, page), 0);
	EXPECT_COUNTS(2, 2);
	EXPECT_EQ(self->p[0], 1);
	EXPECT_EQ(signal_of(self->p + page), SIGSEGV);
	EXPECT_EQ(self->p[2 * page], 3);
	self->p[3 * page] = 4;
	for (i = 0; i < BUFFER_PAGES; i++) {
		ASSERT_EQ(pread(self->fd, &byte, 1, i * page), 1);
		EXPECT_EQ(byte, i == 1 ? 0 : i + 1);
	}
	ASSERT_EQ(munmap(self->p, page), 0);
	EXPECT_COUNTS(1, 1);
	ASSERT_EQ(munmap(self->p + 2 * page, 2 * page), 0);
	EXPECT_COUNTS(0, 0);
}

TEST_F(buffer, mprotect_splits)
{
	ASSERT_EQ(mprotect(self->p + page, page, PROT_READ), 0);
	EXPECT_COUNTS(3, 3);
	ASSERT_EQ(munmap(self->p, self->size), 0);
	EXPECT_COUNTS(0, 0);
}

TEST_F(buffer, mremap)
{
	char *q, *place;
	int i;

	for (i = 0; i < BUFFER_PAGES; i++)
		self->p[i * page] = 7 + i;
	place = mmap(NULL, self->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	ASSERT_NE(place, MAP_FAILED);
	q = mremap(self->p, self->size, self->size,
		   MREMAP_MAYMOVE | MREMAP_FIXED, place);
	ASSERT_EQ(q, place);
	for (i = 0; i < BUFFER_PAGES; i++)
		EXPECT_EQ(q[i * page], 7 + i);
	EXPECT_EQ(signal_of(self->p), SIGSEGV);
	EXPECT_COUNTS(1, 1);

	/* A PFN mapping cannot grow, be duplicated, or be left behind. */
	if (variant->backing != SHMBUF_BACKING_PAGES) {
		EXPECT_EQ(mremap(q, self->size, 2 * self->size, MREMAP_MAYMOVE),
			  MAP_FAILED);
		EXPECT_EQ(errno, EFAULT);
		EXPECT_EQ(mremap(q, 0, self->size, MREMAP_MAYMOVE), MAP_FAILED);
		EXPECT_EQ(errno, EFAULT);
		EXPECT_EQ(mremap(q, self->size, self->size,
				 MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), MAP_FAILED);
		EXPECT_EQ(errno, EINVAL);
	}
	EXPECT_COUNTS(1, 1);
	EXPECT_EQ(q[0], 7);

	/* A part of the mapping can move over another part. */
	q[3 * page] = 9;
	EXPECT_EQ(mremap(q + 3 * page, page, page,
			 MREMAP_MAYMOVE | MREMAP_FIXED, q + page), q + page);
	EXPECT_COUNTS(3, 3);
	EXPECT_EQ(q[page], 9);
	ASSERT_EQ(mmap(q, self->size, RW, MAP_SHARED | MAP_FIXED, self->fd, 0),
		  q);
	EXPECT_COUNTS(1, 1);

	EXPECT_EQ(mremap(q, self->size, page, 0), q);
	EXPECT_COUNTS(1, 1);
	ASSERT_EQ(munmap(q, page), 0);
	EXPECT_COUNTS(0, 0);
}

TEST_F(buffer, map_fixed_over_itself)
{
	self->p[0] = 5;
	ASSERT_EQ(mmap(self->p, self->size, RW, MAP_SHARED | MAP_FIXED,
		       self->fd, 0), self->p);
	EXPECT_COUNTS(1, 1);
	EXPECT_EQ(self->p[0], 5);
}

TEST_F(buffer, proc_maps)
{
	char line[512], expected[32];
	bool found = false;
	FILE *maps;

	snprintf(expected, sizeof(expected), "%08lx-", (unsigned long)self->p);
	maps = fopen("/proc/self/maps", "r");
	ASSERT_NE(maps, NULL);
	while (fgets(line, sizeof(line), maps)) {
		if (strncmp(line, expected, strlen(expected)))
			continue;
		found = strstr(line, " rw-s ") &&
			strstr(line, "/shmbuf:selftest (deleted)");
	}
	fclose(maps);
	EXPECT_TRUE(found);
}

/* PFN mappings do not count as Rss. */
TEST_F(buffer, smaps)
{
	bool pages = variant->capabilities & SHMBUF_CAP_PINNABLE;

	memset(self->p, 1, self->size);
	EXPECT_EQ(smaps_kb("Size"), self->size / 1024);
	EXPECT_EQ(smaps_kb("Rss"), pages ? self->size / 1024 : 0);
	EXPECT_EQ(smaps_kb("Swap"), 0);
	EXPECT_EQ(smaps_kb("Anonymous"), 0);
}

/*
 * A call that needs get_user_pages() works on struct pages, and fails with the
 * documented errno on PFN mappings.
 */
#define EXPECT_PINNABLE(call, err) do {					\
	ssize_t __ret = (call);						\
									\
	if (variant->capabilities & SHMBUF_CAP_PINNABLE) {		\
		EXPECT_GE(__ret, 0) TH_LOG("%s", strerror(errno));	\
	} else {							\
		EXPECT_EQ(__ret, -1);					\
		EXPECT_EQ(errno, err);					\
	}								\
} while (0)

TEST_F(buffer, process_vm_readv)
{
	struct iovec local, remote = { self->p + page, 6 };
	char copy[6] = "";

	strcpy(self->p + page, "hello");
	local = (struct iovec) { copy, sizeof(copy) };
	EXPECT_PINNABLE(process_vm_readv(getpid(), &local, 1, &remote, 1, 0),
			EFAULT);
	if (variant->capabilities & SHMBUF_CAP_PINNABLE)
		EXPECT_STREQ(copy, "hello");
}

TEST_F(buffer, vmsplice)
{
	struct iovec iov = { self->p, page };
	char copy[8] = "";
	int fds[2];

	ASSERT_EQ(pipe(fds), 0);
	strcpy(self->p, "spliced");
	EXPECT_PINNABLE(vmsplice(fds[1], &iov, 1, 0), EFAULT);
	if (variant->capabilities & SHMBUF_CAP_PINNABLE) {
		EXPECT_EQ(read(fds[0], copy, sizeof(copy)), sizeof(copy));
		EXPECT_STREQ(copy, "spliced");
	}
	close(fds[0]);
	close(fds[1]);
}

/* A debugger can access the mapping of its child if the architecture can. */
TEST_F(buffer, ptrace)
{
	bool works = variant->capabilities & SHMBUF_CAP_PINNABLE;
	int status;
	pid_t pid;
	long word;

	/* x86 can access PFN mappings, and UML cannot. */
	works |= have_pat();
	strcpy(self->p + page, "debuggee");
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(strcmp(self->p + page + 8, "pok"));
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, self->p + page, NULL);
	if (works || !errno) {
		EXPECT_EQ(errno, 0);
		EXPECT_EQ(memcmp(&word, "debuggee", sizeof(word)), 0);
		memcpy(&word, "pok\0\0\0\0", sizeof(word));
		EXPECT_EQ(ptrace(PTRACE_POKEDATA, pid, self->p + page + 8,
				 word), 0);
	} else {
		EXPECT_EQ(errno, EIO);
		strcpy(self->p + page + 8, "pok");
	}
	ASSERT_EQ(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

/* Registering pins the pages for as long as the ring lives. */
TEST_F(buffer, io_uring_fixed_buffer)
{
	struct iovec iov = { self->p, self->size };
	int file = syscall(__NR_memfd_create, "file", 0);
	struct ring ring;
	char bytes[8];

	ASSERT_GE(file, 0);
	if (ring_open(&ring))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	EXPECT_PINNABLE(syscall(__NR_io_uring_register, ring.fd,
				IORING_REGISTER_BUFFERS, &iov, 1), EFAULT);
	if (variant->capabilities & SHMBUF_CAP_PINNABLE) {
		/* Write from the buffer across a page boundary, and read into it. */
		memcpy(self->p + page - 4, "by ring", 8);
		ASSERT_EQ(ring_do(&ring, IORING_OP_WRITE_FIXED, file,
				  self->p + page - 4, 8), 8);
		ASSERT_EQ(pread(file, bytes, 8, 0), 8);
		EXPECT_STREQ(bytes, "by ring");
		ASSERT_EQ(ring_do(&ring, IORING_OP_READ_FIXED, file,
				  self->p + 2 * page, 8), 8);
		EXPECT_STREQ(self->p + 2 * page, "by ring");
		ASSERT_EQ(pread(self->fd, bytes, 8, 2 * page), 8);
		EXPECT_STREQ(bytes, "by ring");
	}
	close(ring.fd);
	close(file);
}

/* Opens a disk in memory, as tmpfs has no real O_DIRECT. Closing removes it. */
static int open_disk(void)
{
	struct loop_config config = {
		.fd = syscall(__NR_memfd_create, "disk", 0),
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control = open("/dev/loop-control", O_RDWR), nr, loop, disk = -1;
	char path[32];

	if (control < 0 || ftruncate(config.fd, 1 << 20))
		return -1;
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (nr < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/loop%d", nr);
	loop = open(path, O_RDWR);
	if (loop < 0)
		return -1;
	if (!ioctl(loop, LOOP_CONFIGURE, &config))
		disk = open(path, O_RDWR | O_DIRECT);
	close(config.fd);
	close(loop);
	return disk;
}

/* O_DIRECT transfers a buffer to a disk and back without a copy. */
TEST_F(buffer, direct_io)
{
	int disk = open_disk();
	char *copy = malloc(self->size);
	size_t i;

	if (disk < 0)
		SKIP(return, "no loop device: %s", strerror(errno));
	for (i = 0; i < self->size; i++)
		self->p[i] = i * 5 + i / 253;
	memcpy(copy, self->p, self->size);
	EXPECT_PINNABLE(pwrite(disk, self->p, self->size, 4096), EFAULT);
	if (variant->capabilities & SHMBUF_CAP_PINNABLE) {
		memset(self->p, 0, self->size);
		EXPECT_EQ(pread(disk, self->p, self->size, 4096), self->size);
		EXPECT_EQ(memcmp(self->p, copy, self->size), 0);
		/* Check with read() as well, not only through the mapping. */
		memset(copy, 0, self->size);
		EXPECT_EQ(pread(self->fd, copy, self->size, 0), self->size);
		EXPECT_EQ(memcmp(self->p, copy, self->size), 0);
	} else {
		EXPECT_PINNABLE(pread(disk, self->p, self->size, 4096), EFAULT);
	}
	close(disk);
	free(copy);
}

TEST_F(buffer, futex)
{
	uint32_t *futex = (uint32_t *)(self->p + page);
	int ret = syscall(__NR_futex, futex, FUTEX_WAKE, 1, NULL, NULL, 0);
	int status, i;
	pid_t pid;
	char *q;

	if (!(variant->capabilities & SHMBUF_CAP_PINNABLE)) {
		EXPECT_EQ(ret, -1);
		EXPECT_EQ(errno, EFAULT);
		EXPECT_EQ(syscall(__NR_futex, futex, FUTEX_WAIT, 0, NULL, NULL,
				  0), -1);
		EXPECT_EQ(errno, EFAULT);
		return;
	}
	EXPECT_EQ(ret, 0);
	/* A child sleeps at one address and is woken through another. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		q = mmap(NULL, page, RW, MAP_SHARED, self->fd, page);
		_exit(q == MAP_FAILED ||
		      syscall(__NR_futex, q, FUTEX_WAIT, 0, NULL, NULL, 0));
	}
	for (i = 0; i < 1000 * slowness(); i++) {
		if (syscall(__NR_futex, futex, FUTEX_WAKE, 1, NULL, NULL, 0))
			break;
		usleep(10000);
	}
	EXPECT_LT(i, 1000 * slowness());
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

/* Compaction does not move the pages of a buffer. */
TEST_F(buffer, compaction)
{
	const char *const compact = "/proc/sys/vm/compact_memory";
	char kernel[8] = "";
	int i;

	if (access(compact, W_OK))
		SKIP(return, "%s: %s", compact, strerror(errno));
	for (i = 0; i < 3; i++) {
		strcpy(self->p + 3 * page, i % 2 ? "odd" : "even");
		EXPECT_EQ(write_file(compact, "1"), 0);
		EXPECT_STREQ(self->p + 3 * page, i % 2 ? "odd" : "even");
		EXPECT_EQ(pread(self->fd, kernel, 8, 3 * page), 8);
		EXPECT_STREQ(kernel, i % 2 ? "odd" : "even");
	}
}

/* Dropping the page cache does not drop the contents of a buffer. */
TEST_F(buffer, drop_caches)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0)
		SKIP(return, "drop_caches: %s", strerror(errno));
	strcpy(self->p + 2 * page, "kept");
	ASSERT_EQ(munmap(self->p, self->size), 0);
	EXPECT_EQ(write(fd, "3", 1), 1);
	close(fd);
	self->p = mmap(NULL, self->size, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(self->p, MAP_FAILED);
	EXPECT_STREQ(self->p + 2 * page, "kept");
}

TEST_F(buffer, madv_dontneed)
{
	strcpy(self->p + page, "kept");
	if (variant->capabilities & SHMBUF_CAP_PINNABLE) {
		EXPECT_EQ(madvise(self->p, self->size, MADV_DONTNEED), 0);
	} else {
		EXPECT_EQ(madvise(self->p, self->size, MADV_DONTNEED), -1);
		EXPECT_EQ(errno, EINVAL);
	}
	EXPECT_STREQ(self->p + page, "kept");
	EXPECT_EQ(madvise(self->p, self->size, MADV_REMOVE), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_STREQ(self->p + page, "kept");
}

/* Two processes count under one mutex in the buffer and lose no update. */
TEST_F(node, process_shared_mutex)
{
	struct {
		pthread_mutex_t mutex;
		int count;
	} *shared;
	struct shmbuf_create c = valid_create();
	pthread_mutexattr_t attr;
	int i, status;
	pid_t pid;

	ASSERT_EQ(ioctl(self->dev, SHMBUF_IOC_CREATE, &c), 0);
	shared = mmap(NULL, c.size, RW, MAP_SHARED, c.fd, 0);
	ASSERT_NE(shared, MAP_FAILED);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	ASSERT_EQ(pthread_mutex_init(&shared->mutex, &attr), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	for (i = 0; i < 20000; i++) {
		pthread_mutex_lock(&shared->mutex);
		shared->count++;
		pthread_mutex_unlock(&shared->mutex);
	}
	if (!pid)
		_exit(0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(shared->count, 40000);
	munmap(shared, c.size);
	close(c.fd);
}

SHMBUF_HARNESS_MAIN
