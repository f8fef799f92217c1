// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test that a buffer behaves as a regular file: size and type, io_uring, aio, splice and
 * fanotify.
 *
 * Test that its mappings behave as file mappings: prefault, madvise(), mprotect() and
 * mremap().
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <sys/fanotify.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#include <linux/aio_abi.h>
#include <linux/loop.h>

#include "shmbuf_fixtures.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#define MADV_GUARD_REMOVE	103
#endif
#ifndef MADV_COLD
#define MADV_COLD		20
#define MADV_PAGEOUT		21
#endif

/* io_uring reads without polling, as a read does not wait for a signal. */
TEST_F(file, io_uring)
{
	static const int flags[] = { 0, IOSQE_ASYNC };
	char out[16] = "through a ring", in[16];
	struct ring ring;
	int i;

	if (ring_open(&ring))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		out[0]++;
		EXPECT_EQ(ring_do_flags(&ring, IORING_OP_WRITE, self->fd, out,
					sizeof(out), flags[i]), sizeof(out));
		memset(in, 0, sizeof(in));
		EXPECT_EQ(ring_do_flags(&ring, IORING_OP_READ, self->fd, in,
					sizeof(in), flags[i]), sizeof(in));
		EXPECT_STREQ(in, out);
	}
	close(ring.fd);
}

TEST_F(file, nowait)
{
	char out[8] = "nowait", in[8];
	struct iovec to = { out, sizeof(out) }, from = { in, sizeof(in) };
	int i;

	for (i = 0; i < 1000; i++) {
		out[0] = i;
		ASSERT_EQ(pwritev2(self->fd, &to, 1, page - 4, RWF_NOWAIT), 8);
		ASSERT_EQ(preadv2(self->fd, &from, 1, page - 4, RWF_NOWAIT), 8);
		ASSERT_EQ(memcmp(in, out, 8), 0);
	}
	EXPECT_EQ(preadv2(self->fd, &from, 1, self->size, RWF_NOWAIT), 0);
}

/* The aio system calls have no wrapper in the C library. */
static long aio_do(aio_context_t context, int op, int fd, void *buf, size_t len)
{
	struct iocb iocb = {
		.aio_lio_opcode = op,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = len,
		.aio_offset = 2 * page,
	}, *list = &iocb;
	struct io_event event;

	if (syscall(__NR_io_submit, context, 1, &list) != 1)
		return -errno;
	if (syscall(__NR_io_getevents, context, 1, 1, &event, NULL) != 1)
		return -errno;
	return event.res;
}

TEST_F(file, aio)
{
	char out[] = "native aio", in[sizeof(out)] = "";
	aio_context_t context = 0;

	if (syscall(__NR_io_setup, 1, &context))
		SKIP(return, "io_setup: %s", strerror(errno));
	EXPECT_EQ(aio_do(context, IOCB_CMD_PWRITE, self->fd, out, sizeof(out)),
		  sizeof(out));
	EXPECT_EQ(aio_do(context, IOCB_CMD_PREAD, self->fd, in, sizeof(in)),
		  sizeof(in));
	EXPECT_STREQ(in, out);
	syscall(__NR_io_destroy, context);
}

TEST_F(file, sendfile)
{
	int file = syscall(__NR_memfd_create, "file", 0);
	off_t offset = page - 5;
	char bytes[16] = "";
	int sockets[2];

	ASSERT_GE(file, 0);
	ASSERT_EQ(pwrite(self->fd, "over a page", 12, page - 5), 12);
	EXPECT_EQ(sendfile(file, self->fd, &offset, 12), 12);
	EXPECT_EQ(pread(file, bytes, 12, 0), 12);
	EXPECT_STREQ(bytes, "over a page");
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	offset = page - 5;
	EXPECT_EQ(sendfile(sockets[0], self->fd, &offset, 12), 12);
	EXPECT_EQ(read(sockets[1], bytes, 12), 12);
	EXPECT_STREQ(bytes, "over a page");

	/* sendfile() into the buffer stops at its end. */
	ASSERT_EQ(pwrite(file, "back again", 11, 0), 11);
	offset = 0;
	ASSERT_EQ(lseek(self->fd, 0, SEEK_SET), 0);
	EXPECT_EQ(sendfile(self->fd, file, &offset, 11), 11);
	EXPECT_EQ(pread(self->fd, bytes, 11, 0), 11);
	EXPECT_STREQ(bytes, "back again");
	offset = 0;
	ASSERT_EQ(lseek(self->fd, -4, SEEK_END), self->size - 4);
	EXPECT_EQ(sendfile(self->fd, file, &offset, 11), 4);
	offset = self->size;
	EXPECT_EQ(sendfile(file, self->fd, &offset, 1), 0);
	close(sockets[0]);
	close(sockets[1]);
	close(file);
}

/* splice() copies to and from a pipe, up to the end of the buffer. */
TEST_F(file, splice)
{
	loff_t offset = self->size - 2;
	char bytes[4] = "";
	int fds[2];

	ASSERT_EQ(pipe(fds), 0);
	ASSERT_EQ(pwrite(self->fd, "ab", 2, self->size - 2), 2);
	EXPECT_EQ(splice(self->fd, &offset, fds[1], NULL, 4, 0), 2);
	EXPECT_EQ(read(fds[0], bytes, 4), 2);
	EXPECT_STREQ(bytes, "ab");
	EXPECT_EQ(splice(self->fd, &offset, fds[1], NULL, 4, 0), 0);
	ASSERT_EQ(write(fds[1], "cdef", 4), 4);
	offset = self->size - 2;
	EXPECT_EQ(splice(fds[0], NULL, self->fd, &offset, 4, 0), 2);
	EXPECT_EQ(pread(self->fd, bytes, 2, self->size - 2), 2);
	EXPECT_STREQ(bytes, "cd");
	EXPECT_EQ(splice(fds[0], NULL, self->fd, &offset, 2, 0), -1);
	EXPECT_EQ(errno, ENOSPC);
	close(fds[0]);
	close(fds[1]);
}

TEST_F(file, copy_file_range)
{
	int other = create_buffer(SHMBUF_BACKING_PAGES, page);
	loff_t from = page, to = 0;
	char bytes[8] = "";

	if (other < 0)
		SKIP(return, "cannot open /dev/shmbuf: %s", strerror(errno));
	ASSERT_EQ(pwrite(self->fd, "a range", 8, page), 8);
	if (variant->path) {
		EXPECT_EQ(copy_file_range(self->fd, &from, other, &to, 8, 0), -1);
		EXPECT_EQ(errno, EINVAL);
	} else {
		EXPECT_EQ(copy_file_range(self->fd, &from, other, &to, 8, 0), 8);
		EXPECT_EQ(pread(other, bytes, 8, 0), 8);
		EXPECT_STREQ(bytes, "a range");
	}
	close(other);
}

TEST_F(file, fanotify)
{
	int group = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
	struct fanotify_event_metadata event = { .fd = -1 };
	char path[64], byte = 1;
	int fd;

	if (group < 0)
		SKIP(return, "fanotify_init: %s", strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ASSERT_EQ(fanotify_mark(group, FAN_MARK_ADD, FAN_ACCESS | FAN_MODIFY,
				AT_FDCWD, path), 0);
	fd = reopen(self->fd, O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(read(group, &event, sizeof(event)), -1);
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(pwrite(fd, &byte, 1, 0), 1);
	if (variant->path) {
		/* The VFS has no such events for a device node. */
		EXPECT_EQ(read(group, &event, sizeof(event)), -1);
		EXPECT_EQ(errno, EAGAIN);
		return;
	}
	ASSERT_EQ(read(group, &event, sizeof(event)), sizeof(event));
	EXPECT_EQ(event.mask, FAN_MODIFY);
	/* The file of the event shows the same memory. */
	EXPECT_EQ(pread(event.fd, &byte, 1, 0), 1);
	close(event.fd);
	close(fd);
	close(group);
}

TEST_F(file, stat)
{
	struct stat st;
	int fd;

	ASSERT_EQ(fstat(self->fd, &st), 0);
	if (variant->path) {
		EXPECT_TRUE(S_ISCHR(st.st_mode));
		EXPECT_EQ(st.st_size, 0);
		return;
	}
	EXPECT_TRUE(S_ISREG(st.st_mode));
	EXPECT_EQ(st.st_mode & 07777, 0600);
	EXPECT_EQ(st.st_size, self->size);
	/* cp and tar take a file without blocks for a hole. */
	EXPECT_EQ(st.st_blocks * 512, self->size);
	EXPECT_EQ(lseek(self->fd, page, SEEK_DATA), page);
	EXPECT_EQ(lseek(self->fd, page, SEEK_HOLE), self->size);

	EXPECT_EQ(ftruncate(self->fd, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ftruncate(self->fd, 2 * self->size), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(fallocate(self->fd, 0, 0, 2 * self->size), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_EQ(fchmod(self->fd, 0400), 0);
	ASSERT_EQ(fstat(self->fd, &st), 0);
	EXPECT_EQ(st.st_mode, S_IFREG | 0400);
	EXPECT_EQ(fchmod(self->fd, 0700), 0);
	EXPECT_EQ(syscall(__NR_execveat, self->fd, "", NULL, NULL,
			  AT_EMPTY_PATH), -1);
	EXPECT_EQ(errno, EACCES);

	/* A shell that redirects into the buffer opens it with O_TRUNC. */
	ASSERT_EQ(pwrite(self->fd, "kept", 4, page), 4);
	fd = reopen(self->fd, O_WRONLY | O_TRUNC | O_SYNC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "new", 3), 3);
	close(fd);
	ASSERT_EQ(fstat(self->fd, &st), 0);
	EXPECT_EQ(st.st_size, self->size);
	EXPECT_EQ(pread(self->fd, &st, 4, page), 4);
	EXPECT_EQ(memcmp(&st, "kept", 4), 0);
}

/* Faults of this thread while it writes to each page. */
static long faults_of_writes(char *p, size_t size)
{
	struct rusage before, after;
	size_t i;

	/* The second call does not fault for the code or the stack. */
	getrusage(RUSAGE_THREAD, &before);
	getrusage(RUSAGE_THREAD, &before);
	for (i = 0; i < size; i += page)
		__atomic_store_n(&p[i], i / page, __ATOMIC_RELAXED);
	getrusage(RUSAGE_THREAD, &after);
	return after.ru_minflt - before.ru_minflt;
}

/* A mapping with MAP_LOCKED does not fault. */
TEST_F(file, locked)
{
	struct rlimit limit;
	char *p;

	ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (geteuid() && limit.rlim_cur < 2 * FILE_PAGES * page)
		SKIP(return, "RLIMIT_MEMLOCK is too low");
	p = mmap(NULL, FILE_PAGES * page, RW, MAP_SHARED | MAP_LOCKED, self->fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	EXPECT_EQ(faults_of_writes(p, FILE_PAGES * page), 0);
	munmap(p, FILE_PAGES * page);

	/* Neither does a mapping made after mlockall(MCL_FUTURE). */
	ASSERT_EQ(mlockall(MCL_FUTURE), 0);
	p = mmap(NULL, FILE_PAGES * page, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	EXPECT_EQ(faults_of_writes(p, FILE_PAGES * page), 0);
	munmap(p, FILE_PAGES * page);
	ASSERT_EQ(munlockall(), 0);

	/* MAP_LOCKED also succeeds without access, and for reading only. */
	p = mmap(NULL, FILE_PAGES * page, PROT_NONE, MAP_SHARED | MAP_LOCKED,
		 self->fd, 0);
	EXPECT_NE(p, MAP_FAILED);
	munmap(p, FILE_PAGES * page);
	p = mmap(NULL, FILE_PAGES * page, PROT_READ, MAP_SHARED | MAP_LOCKED,
		 self->fd, 0);
	EXPECT_NE(p, MAP_FAILED);
	munmap(p, FILE_PAGES * page);
}

/*
 * A page faults at most once, as a write fault installs a dirty PTE. mmap() installs all
 * PTEs of a small mapping of CONTIG, COHERENT or STREAM.
 */
TEST_F(file, one_fault)
{
	bool at_once = variant->backing == SHMBUF_BACKING_CONTIG ||
		       variant->backing == SHMBUF_BACKING_COHERENT ||
		       variant->backing == SHMBUF_BACKING_STREAM;
	char *p = mmap(NULL, FILE_PAGES * page, RW, MAP_SHARED, self->fd, 0);
	long faults;

	ASSERT_NE(p, MAP_FAILED);
	faults = faults_of_writes(p, FILE_PAGES * page);
	EXPECT_LE(faults, at_once ? 0 : FILE_PAGES);
	EXPECT_EQ(faults_of_writes(p, FILE_PAGES * page), 0);
	munmap(p, FILE_PAGES * page);
}

/* A mapping made without access has the right pages after mprotect(). */
TEST_F(file, access_later)
{
	char *p = mmap(NULL, FILE_PAGES * page, PROT_NONE, MAP_SHARED | MAP_LOCKED,
		       self->fd, 0);
	unsigned char byte;
	int i;

	if (p == MAP_FAILED && errno == EAGAIN)
		SKIP(return, "RLIMIT_MEMLOCK is too low");
	ASSERT_NE(p, MAP_FAILED);
	for (i = 0; i < FILE_PAGES; i++) {
		byte = 100 + i;
		ASSERT_EQ(pwrite(self->fd, &byte, 1, i * page), 1);
	}
	ASSERT_EQ(mprotect(p, FILE_PAGES * page, PROT_READ), 0);
	for (i = 0; i < FILE_PAGES; i++)
		EXPECT_EQ(p[i * page], 100 + i);
	ASSERT_EQ(mprotect(p, FILE_PAGES * page, RW), 0);
	for (i = 0; i < FILE_PAGES; i++) {
		p[i * page] = i;
		ASSERT_EQ(pread(self->fd, &byte, 1, i * page), 1);
		EXPECT_EQ(byte, i);
	}
	munmap(p, FILE_PAGES * page);
}

/* After mmap(), only PAGES can be populated. Others fail or do nothing. */
TEST_F(file, populate_later)
{
	bool pages = variant->backing == SHMBUF_BACKING_PAGES;
	char *p = mmap(NULL, FILE_PAGES * page, RW, MAP_SHARED | MAP_POPULATE,
		       self->fd, 0);
	int ret;

	ASSERT_NE(p, MAP_FAILED);
	if (pages)
		EXPECT_EQ(faults_of_writes(p, FILE_PAGES * page), 0);
	munmap(p, FILE_PAGES * page);

	p = mmap(NULL, FILE_PAGES * page, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	ret = madvise(p, FILE_PAGES * page, MADV_POPULATE_WRITE) ? errno : 0;
	EXPECT_EQ(ret, pages ? 0 : EINVAL);
	if (pages)
		EXPECT_EQ(faults_of_writes(p, FILE_PAGES * page), 0);
	munmap(p, FILE_PAGES * page);

	p = mmap(NULL, FILE_PAGES * page, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	EXPECT_EQ(mlock(p, FILE_PAGES * page), 0);
	if (pages)
		EXPECT_EQ(faults_of_writes(p, FILE_PAGES * page), 0);
	EXPECT_EQ(munlock(p, FILE_PAGES * page), 0);
	munmap(p, FILE_PAGES * page);
}

struct advice {
	const char *name;
	int advice;
	int pages, pfns;	/* errno */
};

static const struct advice advice[] = {
	{ "MADV_NORMAL", MADV_NORMAL, 0, 0 },
	{ "MADV_RANDOM", MADV_RANDOM, 0, 0 },
	{ "MADV_SEQUENTIAL", MADV_SEQUENTIAL, 0, 0 },
	{ "MADV_WILLNEED", MADV_WILLNEED, 0, 0 },
	{ "MADV_DONTNEED", MADV_DONTNEED, 0, EINVAL },
	{ "MADV_REMOVE", MADV_REMOVE, EOPNOTSUPP, EOPNOTSUPP },
	{ "MADV_DONTFORK", MADV_DONTFORK, 0, 0 },
	{ "MADV_DOFORK", MADV_DOFORK, 0, EINVAL },
	{ "MADV_DONTDUMP", MADV_DONTDUMP, 0, 0 },
	{ "MADV_DODUMP", MADV_DODUMP, 0, EINVAL },
	{ "MADV_FREE", MADV_FREE, EINVAL, EINVAL },
	{ "MADV_COLD", MADV_COLD, 0, EINVAL },
	{ "MADV_PAGEOUT", MADV_PAGEOUT, 0, EINVAL },
	{ "MADV_POPULATE_READ", MADV_POPULATE_READ, 0, EINVAL },
	{ "MADV_POPULATE_WRITE", MADV_POPULATE_WRITE, 0, EINVAL },
	{ "MADV_GUARD_INSTALL", MADV_GUARD_INSTALL, 0, EINVAL },
	{ "MADV_GUARD_REMOVE", MADV_GUARD_REMOVE, 0, EINVAL },
};

/* madvise() returns the errors in the table of the documentation. */
TEST_F(file, madvise)
{
	bool pages = variant->backing == SHMBUF_BACKING_PAGES;
	char *p = mmap(NULL, FILE_PAGES * page, RW, MAP_SHARED, self->fd, 0);
	int i, err, ret;

	ASSERT_NE(p, MAP_FAILED);
	p[0] = 42;
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		err = pages ? advice[i].pages : advice[i].pfns;
		/* vfs_fallocate() refuses a device node with ENODEV. */
		if (variant->path && err == EOPNOTSUPP)
			err = ENODEV;
		ret = madvise(p, FILE_PAGES * page, advice[i].advice) ? errno : 0;
		EXPECT_EQ(ret, err)
			TH_LOG("%s", advice[i].name);
	}
	EXPECT_EQ(p[0], 42);
	munmap(p, FILE_PAGES * page);
}

/* Returns how many VMAs of this process map the buffer. */
static unsigned int areas(int fd)
{
	char line[512], inode[32];
	unsigned int n = 0;
	struct stat st;
	FILE *maps;

	if (fstat(fd, &st))
		return 0;
	snprintf(inode, sizeof(inode), " %llu ", (unsigned long long)st.st_ino);
	maps = fopen("/proc/self/maps", "r");
	while (maps && fgets(line, sizeof(line), maps))
		n += strstr(line, inode) && strstr(line, "shmbuf");
	if (maps)
		fclose(maps);
	return n;
}

#define EXPECT_AREAS(n) do {						\
	EXPECT_EQ(areas(self->fd), n);					\
	EXPECT_EQ(get_info(self->fd).mappings, n);			\
	EXPECT_EQ(get_info(self->fd).writable_mappings, n);		\
} while (0)

/* VMAs of PAGES extend over neighbours, and the mapping count follows. */
TEST_F(file, mprotect_by_pages)
{
	bool pages = variant->backing == SHMBUF_BACKING_PAGES;
	char *p = mmap(NULL, FILE_PAGES * page, RW, MAP_SHARED, self->fd, 0);
	int i;

	ASSERT_NE(p, MAP_FAILED);
	EXPECT_AREAS(1);
	for (i = 0; i < FILE_PAGES - 1; i++) {
		ASSERT_EQ(mprotect(p + i * page, page, PROT_READ), 0);
		EXPECT_AREAS(pages ? 2 : i + 2);
	}
	ASSERT_EQ(munmap(p, FILE_PAGES * page), 0);
	EXPECT_AREAS(0);
}

TEST_F(file, mmap_of_neighbours)
{
	bool pages = variant->backing == SHMBUF_BACKING_PAGES;
	char *p = mmap(NULL, FILE_PAGES * page, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(p, MAP_FAILED);
	ASSERT_EQ(mmap(p, page, RW, MAP_SHARED | MAP_FIXED, self->fd, 0), p);
	EXPECT_AREAS(1);
	ASSERT_EQ(mmap(p + page, page, RW, MAP_SHARED | MAP_FIXED, self->fd,
		       page), p + page);
	EXPECT_AREAS(pages ? 1 : 2);
	ASSERT_EQ(mmap(p + 3 * page, page, RW, MAP_SHARED | MAP_FIXED, self->fd,
		       3 * page), p + 3 * page);
	EXPECT_AREAS(pages ? 2 : 3);
	/* The gap closes, but mm does not remove a VMA that has ->close(). */
	ASSERT_EQ(mmap(p + 2 * page, page, RW, MAP_SHARED | MAP_FIXED, self->fd,
		       2 * page), p + 2 * page);
	EXPECT_AREAS(pages ? 2 : 4);
	p[0] = 1;
	p[3 * page] = 4;
	ASSERT_EQ(munmap(p + page, 2 * page), 0);
	EXPECT_AREAS(2);
	ASSERT_EQ(munmap(p, FILE_PAGES * page), 0);
	EXPECT_AREAS(0);
}

/* mremap() can grow a mapping of PAGES. Accesses beyond the end get SIGBUS. */
TEST_F(file, mremap)
{
	bool pages = variant->backing == SHMBUF_BACKING_PAGES;
	char *p, *q, byte;

	p = mmap(NULL, page, RW, MAP_SHARED, self->fd, self->size - 2 * page);
	ASSERT_NE(p, MAP_FAILED);
	q = mremap(p, page, 3 * page, MREMAP_MAYMOVE);
	if (!pages) {
		EXPECT_EQ(q, MAP_FAILED);
		EXPECT_EQ(errno, EFAULT);
		munmap(p, page);
		return;
	}
	ASSERT_NE(q, MAP_FAILED);
	EXPECT_AREAS(1);
	q[page] = 7;
	EXPECT_EQ(pread(self->fd, &byte, 1, self->size - page), 1);
	EXPECT_EQ(byte, 7);
	EXPECT_EQ(signal_of(q + 2 * page), SIGBUS);

	/* Duplicate the VMA, then move it and leave the old VMA behind. */
	p = mremap(q, 0, page, MREMAP_MAYMOVE);
	ASSERT_NE(p, MAP_FAILED);
	EXPECT_AREAS(2);
	munmap(p, page);
	p = mremap(q, page, page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	ASSERT_NE(p, MAP_FAILED);
	EXPECT_EQ(areas(self->fd), get_info(self->fd).mappings);
	munmap(p, page);
	munmap(q, 3 * page);
	EXPECT_AREAS(0);
}

/* A contended process-shared mutex works where futexes do. */
TEST_F(file, contended_mutex)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t *mutex;
	int status, *word;
	pid_t pid;

	if (variant->backing != SHMBUF_BACKING_PAGES)
		SKIP(return, "no futexes in this memory, on UML as elsewhere");
	mutex = mmap(NULL, page, RW, MAP_SHARED, self->fd, 0);
	ASSERT_NE(mutex, MAP_FAILED);
	memset(mutex, 0, page);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	ASSERT_EQ(pthread_mutex_init(mutex, &attr), 0);
	ASSERT_EQ(pthread_mutex_lock(mutex), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(pthread_mutex_lock(mutex) || pthread_mutex_unlock(mutex));
	/* The C library stores 2 before it sleeps in the futex. */
	word = &mutex->__data.__lock;
	while (__atomic_load_n(word, __ATOMIC_RELAXED) != 2)
		usleep(1000);
	usleep(10000);
	ASSERT_EQ(pthread_mutex_unlock(mutex), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	munmap(mutex, page);
}

/* A loop device can use a buffer file as its backing file. */
TEST_F(file, loop_device)
{
	struct loop_config config = { .fd = self->fd };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), nr, loop;
	char path[32], sector[512] = "sector", back[512] = "";

	if (variant->path)
		SKIP(return, "a loop device needs a regular file, on UML as elsewhere");
	if (control < 0)
		SKIP(return, "/dev/loop-control: %s", strerror(errno));
	config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	ASSERT_GE(nr, 0);
	snprintf(path, sizeof(path), "/dev/loop%d", nr);
	loop = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(loop, 0);
	ASSERT_EQ(ioctl(loop, LOOP_CONFIGURE, &config), 0);
	EXPECT_EQ(pwrite(loop, sector, 512, 1024), 512);
	EXPECT_EQ(fsync(loop), 0);
	EXPECT_EQ(pread(self->fd, back, 512, 1024), 512);
	EXPECT_STREQ(back, "sector");
	close(loop);
}

SHMBUF_HARNESS_MAIN
