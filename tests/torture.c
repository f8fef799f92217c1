// SPDX-License-Identifier: GPL-2.0
/*
 * All that mm does to a mapping, at random and at the same time, on buffers of all
 * backings: families of processes with threads, while another process splits huge
 * pages, compacts memory and drops caches. Buffers are sealed, revoked and replaced,
 * and pages get memory errors. At the end nothing may be counted any more.
 *
 *	torture [-m MINUTES] [-p FAMILIES] [-t THREADS] [-e MEMORY ERRORS] [-s SEED]
 *
 * Root runs it, on a machine that has nothing else to do and may lose memory.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "shmbuf_selftest.h"

#define BUFFERS_MAX	6
#define ARENA		(24UL << 20)
#define LARGE		(8UL << 20)

struct slot {
	pthread_rwlock_t lock;	/* held for writing while the file is replaced */
	int fd;
	size_t size;
};

static struct slot slots[BUFFERS_MAX];
static char *arena;
static size_t page;
static volatile bool stop;
static int *errors_left;	/* shared by all families */
static __thread uint64_t random_state;
static __thread sigjmp_buf after_signal;
static __thread volatile bool may_fault;
static unsigned long done[32], revoked;

static uint64_t rnd(uint64_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1dULL >> 16) % n;
}

static void on_fault(int sig)
{
	if (!may_fault)
		_exit(99);
	siglongjmp(after_signal, sig);
}

static int create(struct slot *s)
{
	struct shmbuf_create c = {
		.size = rnd(2) ? LARGE : 1 + rnd(64 * page),
		.backing = rnd(4),
		.numa_node = SHMBUF_NUMA_ANY,
		.name = "torture",
	};
	int dev = open_node(), failed;

	if (c.backing != SHMBUF_BACKING_PAGES)
		c.size = c.size > (1 << 20) && rnd(4) ? 1 << 20 : c.size;
	failed = ioctl(dev, SHMBUF_IOC_CREATE, &c);
	close(dev);
	if (failed)
		return -1;
	s->fd = c.fd;
	s->size = c.size;
	return 0;
}

static char *some_page(void) { return arena + rnd(ARENA / page) * page; }
static size_t some_length(const char *p)
{
	size_t most = (arena + ARENA - p) / page;

	return page * (1 + rnd(rnd(4) && most > 32 ? 32 : most));
}

static void touch(char *p, size_t len, bool write)
{
	volatile char *q = p;
	size_t i;

	may_fault = true;
	if (!sigsetjmp(after_signal, 1)) {
		for (i = 0; i < len; i += page) {
			if (write)
				q[i] = i;
			else
				(void)q[i];
		}
	}
	may_fault = false;
}

static void op_map(struct slot *s)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW, RW };
	int flags = MAP_SHARED | MAP_FIXED | (rnd(8) ? 0 : MAP_LOCKED) | (rnd(8) ? 0 : MAP_POPULATE);
	size_t len, offset = rnd(s->size / page) * page;
	char *p = some_page();

	len = s->size - offset;
	if (rnd(2))
		offset = 0, len = s->size, p = arena + rnd(ARENA / LARGE) * LARGE;
	if (p + len > arena + ARENA)
		len = arena + ARENA - p;
	mmap(p, len, prots[rnd(4)], flags, s->fd, offset);
}

/* The place stays the arena's. */
static void op_unmap(struct slot *s)
{
	char *p = some_page();

	mmap(p, some_length(p), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

static void op_protect(struct slot *s)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW, RW };
	char *p = some_page();

	mprotect(p, some_length(p), prots[rnd(4)]);
}

static void op_move(struct slot *s)
{
	char *from = some_page(), *to = some_page();
	size_t len = some_length(from > to ? from : to);

	if (mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED)
		mmap(from, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
}

static void op_grow(struct slot *s)
{
	char *p = some_page();
	size_t len = some_length(p);
	void *q;

	switch (rnd(3)) {
	case 0:
		q = mremap(p, 0, len, MREMAP_MAYMOVE);
		break;
	case 1:
		q = mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
		break;
	default:
		mremap(p, page, 2 * page, 0);
		return;
	}
	if (q != MAP_FAILED) {
		touch(q, len, rnd(2));
		munmap(q, len);
	}
}

static void op_advise(struct slot *s)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_REMOVE, MADV_DONTFORK,
		MADV_DOFORK, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
		MADV_FREE, 20 /* COLD */, 21 /* PAGEOUT */, 20, 21, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
		25 /* COLLAPSE */, 102 /* GUARD_INSTALL */, 103 /* GUARD_REMOVE */, MADV_HUGEPAGE,
	};
	char *p = some_page();

	madvise(p, some_length(p), advice[rnd(sizeof(advice) / sizeof(advice[0]))]);
}

static void op_lock(struct slot *s)
{
	char *p = some_page();

	if (rnd(2))
		mlock(p, some_length(p));
	else
		munlock(p, some_length(p));
}

static void op_touch(struct slot *s)
{
	char *p = some_page();

	touch(p, some_length(p), rnd(2));
}

static void op_io(struct slot *s)
{
	char bytes[256] = "";
	struct iovec local = { bytes, sizeof(bytes) }, remote = { some_page(), sizeof(bytes) };
	int fds[2];

	switch (rnd(4)) {
	case 0:
		pread(s->fd, bytes, sizeof(bytes), rnd(s->size));
		break;
	case 1:
		pwrite(s->fd, bytes, sizeof(bytes), rnd(s->size));
		break;
	case 2:
		process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
		break;
	case 3:
		if (pipe2(fds, O_CLOEXEC))
			return;
		vmsplice(fds[1], &remote, 1, SPLICE_F_NONBLOCK);
		close(fds[0]);
		close(fds[1]);
	}
}

static void op_fork(struct slot *s)
{
	pid_t pid = fork();

	if (!pid) {
		touch(some_page(), page, true);
		op_unmap(s);
		op_protect(s);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void op_refs(struct slot *s)
{
	write_file("/proc/self/clear_refs", rnd(2) ? "1" : "4");
}

static void op_migrate(struct slot *s)
{
	void *pages[] = { some_page(), some_page() };
	int nodes[] = { rnd(2), rnd(2) }, status[2];

	syscall(__NR_move_pages, 0, 2, pages, nodes, status, 1 << 1);
}

static void op_remap(struct slot *s)
{
	syscall(__NR_remap_file_pages, some_page(), page, 0, rnd(16), 0);
}

static void op_signal(struct slot *s)
{
	struct shmbuf_notify n = {};

	ioctl(s->fd, rnd(2) ? SHMBUF_IOC_SIGNAL : SHMBUF_IOC_ACK, &n);
	get_info(s->fd);
}

/* Of one page, and not too many: the memory is lost. */
static void op_error(struct slot *s)
{
	if (__atomic_sub_fetch(errors_left, 1, __ATOMIC_RELAXED) < 0)
		return;
	may_fault = true;
	if (!sigsetjmp(after_signal, 1))
		madvise(some_page(), page, 100 /* HWPOISON */);
	may_fault = false;
}

/* Revoke or seal a buffer, and replace it. */
static void replace(struct slot *s)
{
	struct shmbuf_seal seal = { .seals = 1 + rnd(3) };
	int fd;

	if (pthread_rwlock_trywrlock(&s->lock))
		return;
	fd = s->fd;
	switch (rnd(3)) {
	case 0:
		ioctl(fd, SHMBUF_IOC_SEAL, &seal);
		break;
	case 1:
		revoke_buffer(fd);
		__atomic_add_fetch(&revoked, 1, __ATOMIC_RELAXED);
		break;
	}
	if (!create(s))
		close(fd);
	pthread_rwlock_unlock(&s->lock);
}

static const struct op {
	const char *name;
	void (*run)(struct slot *s);
	unsigned int weight;
} ops[] = {
	{ "mmap", op_map, 60 }, { "munmap", op_unmap, 12 }, { "mprotect", op_protect, 30 }, { "mremap", op_move, 12 },
	{ "mremap, other sizes", op_grow, 8 }, { "madvise", op_advise, 60 }, { "mlock", op_lock, 10 },
	{ "touch", op_touch, 120 }, { "read, write, GUP", op_io, 30 }, { "fork", op_fork, 3 }, { "clear_refs", op_refs, 1 },
	{ "move_pages", op_migrate, 5 }, { "remap_file_pages", op_remap, 3 }, { "signal, ACK, INFO", op_signal, 10 },
	{ "memory error", op_error, 1 },
};

static void *worker(void *seed)
{
	unsigned int total = 0, i, n;
	struct slot *s;

	random_state = (unsigned long)seed;
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		total += ops[i].weight;
	while (!stop) {
		s = &slots[rnd(BUFFERS_MAX)];
		if (!rnd(200))
			replace(s);
		n = rnd(total);
		for (i = 0; n >= ops[i].weight; i++)
			n -= ops[i].weight;
		if (pthread_rwlock_tryrdlock(&s->lock))
			continue;
		ops[i].run(s);
		pthread_rwlock_unlock(&s->lock);
		__atomic_add_fetch(&done[i], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Returns 0 when each buffer has lost its last mapping with the arena. */
static int family(int threads, int seconds, uint64_t seed)
{
	struct sigaction action = { .sa_handler = on_fault };
	pthread_t thread[16];
	int i, failed = 0;

	random_state = seed;
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	arena = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	for (i = 0; i < BUFFERS_MAX; i++) {
		pthread_rwlock_init(&slots[i].lock, NULL);
		while (create(&slots[i]) < 0)
			;
	}
	for (i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, worker, (void *)(unsigned long)(seed * 31 + i + 1));
	sleep(seconds);
	stop = true;
	for (i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	munlockall();
	munmap(arena, ARENA);
	for (i = 0; i < BUFFERS_MAX; i++) {
		if (!wait_for_counts(slots[i].fd, 0, 0)) {
			struct shmbuf_info info = get_info(slots[i].fd);

			printf("# backing %u: %u mappings, %u writable, with none left\n", info.backing,
			       info.mappings, info.writable_mappings);
			failed = 1;
		}
		close(slots[i].fd);
	}
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		printf("# %lu %s\n", done[i], ops[i].name);
	printf("# %lu revocations\n", revoked);
	fflush(stdout);
	return failed;
}

/* Operations on all memory of the machine. */
static void system_wide(uint64_t seed)
{
	static const char *const files[][2] = {
		{ "/sys/kernel/debug/split_huge_pages", "1" }, { "/proc/sys/vm/compact_memory", "1" },
		{ "/proc/sys/vm/drop_caches", "3" }, { "/proc/sys/vm/compact_unevictable_allowed", "0" },
		{ "/proc/sys/vm/compact_unevictable_allowed", "1" }, { "/proc/sys/vm/stat_refresh", "1" },
		{ "/sys/kernel/mm/transparent_hugepage/enabled", "always" },
		{ "/sys/kernel/mm/transparent_hugepage/enabled", "never" },
		{ "/sys/kernel/mm/transparent_hugepage/enabled", "madvise" },
	};
	unsigned int i;

	random_state = seed;
	for (;;) {
		i = rnd(sizeof(files) / sizeof(files[0]));
		write_file(files[i][0], files[i][1]);
		usleep(rnd(20000));
	}
}

int main(int argc, char **argv)
{
	int minutes = 1, families = 3, threads = 3, memory_errors = 50, before, status, failed = 0, i, opt;
	long dirty;
	uint64_t seed = time(NULL);
	pid_t system_pid, pid;

	while ((opt = getopt(argc, argv, "m:p:t:e:s:")) != -1) {
		switch (opt) {
		case 'm': minutes = atoi(optarg); break;
		case 'p': families = atoi(optarg); break;
		case 't': threads = atoi(optarg) < 16 ? atoi(optarg) : 16; break;
		case 'e': memory_errors = atoi(optarg); break;
		case 's': seed = strtoull(optarg, NULL, 0); break;
		default: return 2;
		}
	}
	page = sysconf(_SC_PAGESIZE);
	printf("TAP version 13\n1..1\n# seed %llu, %d families of %d threads, %d min\n", (unsigned long long)seed, families,
	       threads, minutes);
	fflush(stdout);
	before = count_lines(BUFFERS, "", "");
	dirty = read_number("/proc/vmstat", "nr_dirty ");
	errors_left = mmap(NULL, page, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*errors_left = memory_errors;
	system_pid = fork();
	if (!system_pid)
		system_wide(seed);
	for (i = 0; i < families; i++) {
		if (!fork())
			_exit(family(threads, minutes * 60, seed * 7 + i + 1));
	}
	for (i = 0; i < families; i++) {
		do
			pid = wait(&status);
		while (pid == system_pid);
		if (status) {
			printf("# a family ended with status %x\n", status);
			failed = 1;
		}
	}
	kill(system_pid, SIGKILL);
	waitpid(system_pid, NULL, 0);
	write_file("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	for (i = 0; i < 1000 && count_lines(BUFFERS, "", "") != before; i++)
		usleep(10000);
	if (count_lines(BUFFERS, "", "") != before) {
		printf("# %d buffers, %d before\n", count_lines(BUFFERS, "", ""), before);
		failed = 1;
	}
	/* A counter below zero gets a message of the kernel. */
	write_file("/proc/sys/vm/stat_refresh", "1");
	if (read_number("/proc/vmstat", "nr_dirty ") != dirty) {
		printf("# nr_dirty %ld, %ld before\n", read_number("/proc/vmstat", "nr_dirty "), dirty);
		failed = 1;
	}
	printf("# nr_dirty %ld as before\n", dirty);
	printf("%s 1 torture\n", failed ? "not ok" : "ok");
	return failed;
}
