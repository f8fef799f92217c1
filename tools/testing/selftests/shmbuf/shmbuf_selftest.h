/* SPDX-License-Identifier: GPL-2.0-only */
/* Helpers of the shmbuf tests. */
#ifndef _SHMBUF_SELFTEST_H
#define _SHMBUF_SELFTEST_H

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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/io_uring.h>
#include <linux/shmbuf.h>

/* Not in the headers of every C library. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

#define RW	(PROT_READ | PROT_WRITE)

/* No known distribution uses this UID, so it has no locked memory. */
#define UNUSED_UID	2080374784

#define NAMED	"/dev/shmbuf-selftest"
#define IVSHMEM	"/dev/shmbuf-ivshmem0"

#define BUFFERS	"/sys/kernel/debug/shmbuf/buffers"
#define REVOKE	"/sys/kernel/debug/shmbuf/revoke"

/*
 * Returns how much slower this machine is than an idle one. Only a hang may end a test, so
 * each time-out is multiplied by this factor.
 */
static inline int slowness(void)
{
	const char *factor = getenv("KSFT_SLOWNESS");

	return factor && atoi(factor) > 0 ? atoi(factor) : 1;
}

/* Returns the lowest free descriptor, which changes if a descriptor leaks. */
static inline int lowest_free_fd(void)
{
	int fd = open("/dev/null", O_RDONLY);

	if (fd < 0)
		abort();
	close(fd);
	return fd;
}

/* Only a missing driver or permission is a reason to skip. */
static inline int open_node(void)
{
	int fd = open("/dev/shmbuf", O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT && errno != ENODEV && errno != ENXIO &&
	    errno != EACCES && errno != EPERM)
		abort();
	return fd;
}

/* Returns whether this user may not lock that much memory. */
static inline bool over_memlock_limit(size_t size)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		abort();
	return geteuid() && limit.rlim_cur < size;
}

/* Returns the file of a new buffer, or -1. */
static inline int create_buffer(uint32_t backing, size_t size)
{
	struct shmbuf_create c = {
		.size = size,
		.backing = backing,
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "selftest",
	};
	int dev = open_node(), ret;

	if (dev < 0)
		return -1;
	ret = ioctl(dev, SHMBUF_IOC_CREATE, &c);
	close(dev);
	return ret ? -1 : c.fd;
}

/* A message of one byte that carries a descriptor. */
struct fd_message {
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov;
	struct msghdr msg;
};

static inline struct cmsghdr *init_fd_message(struct fd_message *m)
{
	memset(m, 0, sizeof(*m));
	m->iov = (struct iovec) { &m->byte, 1 };
	m->msg.msg_iov = &m->iov;
	m->msg.msg_iovlen = 1;
	m->msg.msg_control = m->control;
	m->msg.msg_controllen = sizeof(m->control);
	return CMSG_FIRSTHDR(&m->msg);
}

static inline bool send_fd(int socket, int fd)
{
	struct fd_message m;
	struct cmsghdr *cmsg = init_fd_message(&m);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(socket, &m.msg, 0) == 1;
}

/* Returns the descriptor, or -1 if the message has none. */
static inline int receive_fd(int socket)
{
	struct fd_message m;
	struct cmsghdr *cmsg = init_fd_message(&m);
	int fd = -1;

	if (recvmsg(socket, &m.msg, 0) == 1 && m.msg.msg_controllen)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

static inline struct shmbuf_info get_info(int fd)
{
	struct shmbuf_info info;

	memset(&info, 0xff, sizeof(info));
	if (ioctl(fd, SHMBUF_IOC_INFO, &info))
		memset(&info, 0xff, sizeof(info));
	return info;
}

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), ret, err;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

static inline const char *in_folder(const char *path, const char *file)
{
	static char name[128];

	snprintf(name, sizeof(name), "%s/%s", path, file);
	return name;
}

/* Returns how many lines of a file have both words, or -1 without the file. */
static inline int count_lines(const char *path, const char *a, const char *b)
{
	FILE *f = fopen(path, "r");
	char line[512];
	int n = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += strstr(line, a) && strstr(line, b);
	fclose(f);
	return n;
}

/* The number after a word in a file, or -1. */
static inline long read_number(const char *path, const char *word)
{
	FILE *f = fopen(path, "r");
	char line[256];
	long n = -1;

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, word, strlen(word)) &&
		    sscanf(line + strlen(word), "%ld", &n) == 1)
			break;
	}
	if (f)
		fclose(f);
	return n;
}

/* Sum of a field of /proc/self/smaps, in kB, over the mappings of buffers. */
static inline long smaps_kb(const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool ours = false;
	char line[512], perms[5];
	long sum = 0, kb;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*x-%*x %4s ", perms) == 1)
			ours = strstr(line, "/shmbuf:");
		else if (ours && !strncmp(line, field, strlen(field)) &&
			 sscanf(line + strlen(field), ": %ld", &kb) == 1)
			sum += kb;
	}
	if (f)
		fclose(f);
	return sum;
}

/* The value of a line "shmbuf-KEY:" in fdinfo, or "". */
static inline const char *fdinfo_value(int fd, const char *key)
{
	static char value[64];
	char path[64], line[128], name[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "shmbuf-%63[^:]:\t%63s", name, value) == 2 &&
		    !strcmp(name, key)) {
			fclose(f);
			return value;
		}
	}
	if (f)
		fclose(f);
	return "";
}

/* Returns whether a line of /proc/cpuinfo starts with "what" and has "word". */
static inline bool cpuinfo_has(const char *what, const char *word)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[4096];
	bool found = false;

	while (!found && f && fgets(line, sizeof(line), f))
		found = !strncmp(line, what, strlen(what)) && strstr(line, word);
	if (f)
		fclose(f);
	return found;
}

/*
 * If mremap() replaces a mapping, it may free a page table and allocate another in the same
 * call. UML then does not unmap the old page on the host. The next access sees the old
 * page.
 */
static inline bool is_uml(void)
{
	return cpuinfo_has("vendor_id", "User Mode Linux");
}

/* Only x86 has PAT. UML lists the flags of the host, but its page tables have no such bits. */
static inline bool have_pat(void)
{
	return cpuinfo_has("flags", " pat ") && !is_uml();
}

/* Returns whether this is a 32-bit program on a 64-bit kernel. */
static inline bool is_compat(void)
{
	struct utsname name;

	if (uname(&name))
		abort();
	return sizeof(long) == 4 && strstr(name.machine, "64");
}

/*
 * A concurrent reader of /proc/PID holds the mappings of an exited process for
 * some time.
 */
static inline bool wait_for_counts(int fd, uint32_t all, uint32_t writable)
{
	struct shmbuf_info info;
	int i;

	for (i = 0; i < 6000 * slowness(); i++) {
		info = get_info(fd);
		if (info.mappings == all && info.writable_mappings == writable)
			return true;
		usleep(10000);
	}
	return false;
}

/* With lockdown, open() may fail for root, too. */
static inline bool can_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Another open file of the same buffer. */
static inline int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static inline sigjmp_buf *touch_point(void)
{
	static sigjmp_buf point;

	return &point;
}

static inline void on_touch(int sig)
{
	siglongjmp(*touch_point(), sig);
}

/* Returns the signal that an access raises, or 0. */
static inline int signal_of(char *p)
{
	struct sigaction action = { .sa_handler = on_touch }, bus, segv;
	int sig;

	sigaction(SIGBUS, &action, &bus);
	sigaction(SIGSEGV, &action, &segv);
	sig = sigsetjmp(*touch_point(), 1);
	if (!sig)
		__atomic_load_n(p, __ATOMIC_RELAXED);
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}

/* Revokes as if the device was removed. Needs root and debugfs. */
static inline int revoke_buffer(int fd)
{
	struct stat st;
	char ino[32];

	if (fstat(fd, &st))
		return -1;
	snprintf(ino, sizeof(ino), "%llu", (unsigned long long)st.st_ino);
	return write_file(REVOKE, ino);
}

/* Just enough of io_uring for one request at a time. */
struct ring {
	int fd;
	struct io_uring_params params;
	char *queues;
	struct io_uring_sqe *sqe;
};

static inline int ring_open(struct ring *ring)
{
	struct io_uring_params *params = &ring->params;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(__NR_io_uring_setup, 1, params);
	if (ring->fd < 0)
		return -1;
	/* Every kernel with shmbuf has this feature. */
	if (!(params->features & IORING_FEAT_SINGLE_MMAP))
		abort();
	ring->queues = mmap(NULL, params->cq_off.cqes +
			    params->cq_entries * sizeof(struct io_uring_cqe),
			    RW, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	ring->sqe = mmap(NULL, sizeof(*ring->sqe), RW, MAP_SHARED, ring->fd,
			 IORING_OFF_SQES);
	if (ring->queues == MAP_FAILED || ring->sqe == MAP_FAILED)
		abort();
	return 0;
}

/* Submits one request and waits for its result. */
static inline int ring_do_flags(struct ring *ring, int op, int fd, void *addr,
				size_t len, int flags)
{
	struct io_sqring_offsets *sq = &ring->params.sq_off;
	struct io_cqring_offsets *cq = &ring->params.cq_off;
	unsigned int *tail = (void *)(ring->queues + sq->tail);
	unsigned int *head = (void *)(ring->queues + cq->head);
	struct io_uring_cqe *cqes = (void *)(ring->queues + cq->cqes);
	unsigned int mask = *(unsigned int *)(ring->queues + cq->ring_mask);
	int res;

	*ring->sqe = (struct io_uring_sqe) {
		.opcode = op,
		.flags = flags,
		.fd = fd,
		.addr = (uintptr_t)addr,
		.len = len,
	};
	*(unsigned int *)(ring->queues + sq->array) = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		return -errno;
	res = cqes[*head & mask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return res;
}

static inline int ring_do(struct ring *ring, int op, int fd, void *addr,
			  size_t len)
{
	return ring_do_flags(ring, op, fd, addr, len, 0);
}

/* Returns the descriptor of the DMA-BUF, or -1. */
static inline int export_buffer(int fd)
{
	struct shmbuf_export arg = {};

	return ioctl(fd, SHMBUF_IOC_EXPORT, &arg) ? -1 : arg.fd;
}

static inline int cpu_access(int fd, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
}

static inline int add_seals(int fd, uint32_t seals)
{
	struct shmbuf_seal arg = { .seals = seals };

	if (ioctl(fd, SHMBUF_IOC_SEAL, &arg))
		return -1;
	return arg.seals;
}

static inline int sync_bytes(int fd, uint64_t offset, uint64_t length,
			     uint32_t direction, uint32_t phase)
{
	struct shmbuf_sync arg = {
		.offset = offset,
		.length = length,
		.direction = direction,
		.phase = phase,
	};

	return ioctl(fd, SHMBUF_IOC_SYNC, &arg);
}

static inline int is_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

static inline long ack(int fd)
{
	struct shmbuf_notify arg = {};

	return ioctl(fd, SHMBUF_IOC_ACK, &arg) ? -1 : (long)arg.count;
}

static inline long wait_ack(int fd)
{
	struct shmbuf_notify arg = { .flags = SHMBUF_NOTIFY_WAIT };

	return ioctl(fd, SHMBUF_IOC_ACK, &arg) ? -1 : (long)arg.count;
}

static inline long signal_buffer(int fd)
{
	struct shmbuf_notify arg = { .count = 99 };

	if (ioctl(fd, SHMBUF_IOC_SIGNAL, &arg) || arg.count)
		return -1;
	return arg.sequence;
}

/* The time-outs of the harness are for an idle machine. */
#define SHMBUF_HARNESS_MAIN						\
int main(int argc, char **argv)						\
{									\
	struct __fixture_metadata *f;					\
	struct __test_metadata *t;					\
									\
	for (f = __fixture_list; f; f = f->next) {			\
		for (t = f->tests; t; t = t->next)			\
			t->timeout *= slowness();			\
	}								\
	exit(test_harness_run(argc, argv));				\
}

#endif /* _SHMBUF_SELFTEST_H */
