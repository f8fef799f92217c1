// SPDX-License-Identifier: GPL-2.0-only
/*
 * Race all operations on a few shared buffers in several multithreaded
 * processes, and kill some of these meanwhile.
 *
 * After each round all workers have exited, and the state that is left is
 * checked exactly. During a round, each thread records in shared memory which
 * operations it begins and completes. A result must reflect all operations that
 * completed before the call, and none that has not begun.
 *
 * Each word of a buffer has the tag of the buffer in its upper half, which
 * detects memory of another buffer. Threads map at addresses of their own,
 * where they know the contents. They also map over each other in an arena,
 * where they store only lower halves.
 *
 * Threads do not let the kernel choose an address, as it might be in a hole
 * that another thread is about to map over. Therefore they do not call malloc()
 * or fopen().
 */

#define _GNU_SOURCE
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest.h"
#include "shmbuf_selftest.h"

#define NR_SLOTS	4
#define NR_PROCS	3
#define NR_THREADS	3
#define STEPS		6		/* of a round */
#define STEP_US		50000
#define PATIENCE	(60 * slowness())	/* more seconds for rare events */
#define HUGE_SIZE	(3 << 20)	/* has huge pages if they are 2M */
#define AREA		(4 << 20)	/* more than the largest buffer */

#define LOAD(x)		__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)
#define ADD(x, v)	__atomic_add_fetch(&(x), v, __ATOMIC_SEQ_CST)
#define OR(x, v)	__atomic_or_fetch(&(x), v, __ATOMIC_SEQ_CST)

enum check { CALLS, CONTENTS, COUNTS, SIGNALS, SEALING, REVOKING, WORKERS,
	     LEFT, ALL_DONE, NR_CHECKS };

static const char *const check_names[NR_CHECKS] = {
	[CALLS]		= "every call does what the state allows",
	[CONTENTS]	= "no buffer shows what is not its own",
	[COUNTS]	= "mappings are counted down to none",
	[SIGNALS]	= "no signal is lost or invented",
	[SEALING]	= "sealed is what was sealed, and it stays",
	[REVOKING]	= "revoked is what was revoked, for every process",
	[WORKERS]	= "workers end when told, or when killed",
	[LEFT]		= "no buffer is left when all are closed",
	[ALL_DONE]	= "every operation succeeded at some time",
};

struct slot {
	int fd, ro;		/* open for reading and writing, and for reading */
	char *p;		/* mapped by the main process, for reading */
	size_t size;
	uint32_t tag, backing;
	uint32_t signals_begun, signals_done, acked;
	uint32_t seals_begun, seals_done;
	uint32_t revoke_begun, revoke_done;
	uint32_t sum;		/* of the contents, from when they were sealed */
};

static struct shared {
	struct slot slot[NR_SLOTS];
	uint32_t stop, victim, sigbus, sigsegv;
	uint32_t done[32];
	uint32_t failed[NR_CHECKS];
	char why[NR_CHECKS][200];
} *sh;

static long page;
static int dev;
static bool can_revoke, can_list, uml;
static const char *why_no_revoke;
static char name[SHMBUF_NAME_LEN];
static bool have_backing[4];
static const char *const backing_names[] = {
	"pages", "contig", "coherent", "stream"
};

static char *arena;		/* twice AREA, and as much for each thread */
static uint32_t worker_seed;
static pthread_barrier_t ready;

static __thread char *own;
static __thread uint32_t rng = 1;
static __thread sigjmp_buf after_signal;
static __thread int armed;

/* From 0 to n - 1 */
static uint32_t rnd(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 17;
	rng ^= rng << 5;
	return rng % n;
}

/* The first failure of each kind is kept, and ends the test. */
static __printf(2, 3) void fail(enum check check, const char *fmt, ...)
{
	va_list args;

	STORE(sh->stop, 1);
	if (__atomic_exchange_n(&sh->failed[check], 1, __ATOMIC_SEQ_CST))
		return;
	va_start(args, fmt);
	vsnprintf(sh->why[check], sizeof(sh->why[check]), fmt, args);
	va_end(args);
}

static struct slot *pick(void)
{
	return &sh->slot[rnd(NR_SLOTS)];
}

/* The last buffer is seldom mapped writable, so that it can be sealed. */
static bool calm(const struct slot *s)
{
	return s == &sh->slot[NR_SLOTS - 1];
}

/* The operations that completed before a call */
struct state {
	bool sealed, revoked;
};

static struct state look(struct slot *s)
{
	return (struct state) {
		.sealed = LOAD(s->seals_done) & SHMBUF_SEAL_WRITE,
		.revoked = LOAD(s->revoke_done),
	};
}

/* READ_RW: maps for reading, but might make that writable later */
enum access { READS, READ_RW, WRITES };

/* Checks whether a call may end with this errno, or with 0. */
static void judge(const char *call, struct slot *s, struct state was,
		  enum access access, int err)
{
	bool right = false;

	switch (err) {
	case 0:
		right = !was.revoked && !(was.sealed && access == WRITES);
		break;
	case ENODEV:
		right = LOAD(s->revoke_begun);
		break;
	case EPERM:
		right = access == WRITES || (access == READ_RW && !was.sealed);
		right = right && !was.revoked &&
			(get_info(s->fd).seals & SHMBUF_SEAL_WRITE);
		break;
	case EAGAIN:
		right = access != READS && !was.revoked && !was.sealed &&
			(LOAD(s->seals_begun) & SHMBUF_SEAL_WRITE);
		break;
	}
	if (!right)
		fail(CALLS, "%s (access %d) of %s: errno %d, before it%s%s",
		     call, access, backing_names[s->backing], err,
		     was.sealed ? " sealed" : "",
		     was.revoked ? " revoked" : "");
}

static void check_word(struct slot *s, uint32_t word)
{
	if (word >> 16 != s->tag)
		fail(CONTENTS, "%s has word %08x, its tag is %04x",
		     backing_names[s->backing], word, s->tag);
}

static void on_signal(int sig)
{
	if (LOAD(armed))
		siglongjmp(after_signal, sig);
	/* The test did not intend this access, so the signal kills it. */
	signal(sig, SIG_DFL);
}

enum touch { LOAD_WORD, STORE_WORD, STORE_LOWER };

/* Returns 0 or the signal that it raised. */
static int touch(void *addr, enum touch how, uint32_t *word)
{
	uint16_t *lower = (uint16_t *)addr +
			  (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
	int sig = sigsetjmp(after_signal, 0);

	if (!sig) {
		STORE(armed, 1);
		/* The handler must see armed whenever it runs. */
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (how == LOAD_WORD)
			*word = __atomic_load_n((uint32_t *)addr,
						__ATOMIC_RELAXED);
		else if (how == STORE_WORD)
			__atomic_store_n((uint32_t *)addr, *word,
					 __ATOMIC_RELAXED);
		else
			__atomic_store_n(lower, *word, __ATOMIC_RELAXED);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	}
	STORE(armed, 0);
	if (sig == SIGBUS)
		ADD(sh->sigbus, 1);
	else if (sig)
		ADD(sh->sigsegv, 1);
	return sig;
}

/* Touches a mapping of this thread only, whose contents are known. */
static void touch_own(struct slot *s, char *p, bool write)
{
	struct state was = look(s);
	uint32_t word = s->tag << 16 | rnd(1 << 16);
	int sig = touch(p, write ? STORE_WORD : LOAD_WORD, &word);

	if (sig == SIGSEGV || (sig && !LOAD(s->revoke_begun)))
		fail(CALLS, "touching %s: signal %d",
		     backing_names[s->backing], sig);
	if (!sig && was.revoked)
		fail(REVOKING, "no SIGBUS from %s", backing_names[s->backing]);
	if (!sig && !was.revoked)
		check_word(s, word);
}

static bool map_at(char *p, struct slot *s, size_t off, size_t len,
		   bool write, int fd)
{
	enum access access = write ? WRITES : fd == s->fd ? READ_RW : READS;
	struct state was = look(s);
	char *q = mmap(p, len, write ? RW : PROT_READ, MAP_SHARED | MAP_FIXED,
		       fd, off);

	judge("mmap", s, was, access, q == MAP_FAILED ? errno : 0);
	return q == p;
}

static void window(struct slot *s, size_t *off, size_t *len)
{
	size_t pages = s->size / page;

	*off = rnd(4) ? rnd(pages) : 0;
	*len = (rnd(2) ? pages - *off : 1 + rnd(pages - *off)) * page;
	*off *= page;
}

static char *arena_page(void)
{
	return arena + rnd(64) * page;
}

static size_t some_pages(void)
{
	return (1 + rnd(8)) * page;
}

static bool op_mmap(void)
{
	struct slot *s = pick();
	bool write = !calm(s) && rnd(2);
	int fd = write || (!calm(s) && rnd(2)) ? s->fd : s->ro;
	size_t off, len;
	char *p;

	window(s, &off, &len);
	/* Map either where PMDs are possible, or anywhere. */
	p = rnd(2) ? arena + off : arena_page();
	return map_at(p, s, off, len, write, fd);
}

static bool op_munmap(void)
{
	int ret = munmap(arena_page(), some_pages());

	if (ret)
		fail(CALLS, "munmap: errno %d", errno);
	return !ret;
}

static bool op_mprotect(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW };
	int prot = prots[rnd(3)];
	int ret = mprotect(arena_page(), some_pages(), prot);

	/* The range may have a hole, or a mapping that cannot be written. */
	if (ret && errno != ENOMEM && (errno != EACCES || prot != RW))
		fail(CALLS, "mprotect %d: errno %d", prot, errno);
	return !ret;
}

static bool op_mremap(void)
{
	char *low = arena + rnd(24) * page, *high = arena + (32 + rnd(24)) * page;
	size_t len = some_pages();
	char *to = rnd(2) ? low : high, *p;

	/* On UML, mremap() must not replace a mapping, see is_uml(). */
	if (uml)
		munmap(to, len);
	p = mremap(to == low ? high : low, len, len,
		   MREMAP_MAYMOVE | MREMAP_FIXED, to);

	if (p != to && (p != MAP_FAILED || errno != EFAULT))
		fail(CALLS, "mremap: errno %d", errno);
	return p == to;
}

static bool op_madvise(void)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE
	};
	int advice = advices[rnd(3)];
	int ret = madvise(arena_page(), some_pages(), advice);

	/*
	 * The range may have a hole, a PFN mapping, or not the permission.
	 * MADV_POPULATE_* returns EFAULT if the permission changes meanwhile.
	 */
	if (ret && errno != ENOMEM && errno != EINVAL &&
	    (errno != EFAULT || advice == MADV_DONTNEED))
		fail(CALLS, "madvise %d: errno %d", advice, errno);
	return !ret;
}

static bool any_revoked(void)
{
	int i;

	for (i = 0; i < NR_SLOTS; i++) {
		if (LOAD(sh->slot[i].revoke_begun))
			return true;
	}
	return false;
}

static bool touch_arena(enum touch how)
{
	uint32_t word = rnd(1 << 16);
	int i, sig = touch(arena_page() + 4 * rnd(page / 4), how, &word);

	if (sig == SIGBUS && !any_revoked())
		fail(CALLS, "SIGBUS, and nothing is revoked");
	if (sig || how != LOAD_WORD)
		return !sig;
	for (i = 0; i < NR_SLOTS; i++) {
		if (word >> 16 == sh->slot[i].tag)
			return true;
	}
	fail(CONTENTS, "the word %08x has the tag of none of the buffers", word);
	return true;
}

static bool op_load(void)
{
	return touch_arena(LOAD_WORD);
}

static bool op_store(void)
{
	return touch_arena(STORE_LOWER);
}

static bool child_ended(pid_t pid)
{
	int status = -1;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fail(WORKERS, "child %d: status %x", pid, status);
	return !status;
}

/* The child changes only its own mappings. */
static bool op_fork(void)
{
	pid_t pid = fork();
	int i;

	if (pid)
		return child_ended(pid);
	for (i = 0; i < 4; i++) {
		op_load();
		op_store();
		op_munmap();
		op_mmap();
	}
	_exit(0);
}

/* A mapping of one thread, which keeps its contents when it is changed */
struct mapping {
	struct slot *s;
	char *p;
	size_t len;
	int fd;
	bool write;
	struct state was;
};

static void split_own(struct mapping *m)
{
	if (m->len > page && munmap(m->p + page, page))
		fail(CALLS, "munmap of a part: errno %d", errno);
}

static void protect_own(struct mapping *m)
{
	bool may, may_not;
	int ret;

	if (m->len == page)
		return;
	ret = mprotect(m->p + page, page, RW);
	may = m->write || (m->fd == m->s->fd && !m->was.sealed);
	may_not = m->fd == m->s->ro ||
		  (!m->write && (get_info(m->fd).seals & SHMBUF_SEAL_WRITE));
	if (ret ? errno != EACCES || !may_not : !may)
		fail(CALLS, "mprotect of a part: errno %d", ret ? errno : 0);
	else
		touch_own(m->s, m->p + page, !ret);
}

static void move_own(struct mapping *m)
{
	char *to = m->p + AREA;

	if (mremap(m->p, m->len, m->len, MREMAP_MAYMOVE | MREMAP_FIXED,
		   to) == to)
		m->p = to;
	else
		fail(CALLS, "mremap of a mapping: errno %d", errno);
}

static void fork_own(struct mapping *m)
{
	pid_t pid = fork();

	if (pid) {
		child_ended(pid);
		return;
	}
	touch_own(m->s, m->p, m->write);
	munmap(m->p, page);
	_exit(0);
}

/* The kernel copies between the buffer and a mapping of it. */
static void copy_own(struct mapping *m)
{
	struct state was = look(m->s);
	off_t off = rnd(m->s->size / 4 - 64) * 4;
	ssize_t n;

	if (m->write)
		n = pread(m->s->ro, m->p, 256, off);
	else
		n = pwrite(m->s->fd, m->p, 256, off);
	if (n < 0 && errno == EFAULT && LOAD(m->s->revoke_begun))
		return;
	judge("copy", m->s, was, m->write ? READS : WRITES, n < 0 ? errno : 0);
}

static void advise_own(struct mapping *m)
{
	bool pages = m->s->backing == SHMBUF_BACKING_PAGES;
	struct state was = look(m->s);
	int ret;

	ret = madvise(m->p, m->len, MADV_DONTNEED);
	if (pages ? ret : !ret || errno != EINVAL)
		fail(CALLS, "MADV_DONTNEED: errno %d", ret ? errno : 0);
	ret = madvise(m->p, m->len, MADV_POPULATE_READ);
	if (ret && pages && errno == EFAULT && LOAD(m->s->revoke_begun))
		return;
	if (pages ? ret || was.revoked : !ret || errno != EINVAL)
		fail(CALLS, "MADV_POPULATE_READ: errno %d", ret ? errno : 0);
}

static bool op_own(void)
{
	static void (*const change[])(struct mapping *m) = {
		split_own, protect_own, move_own, fork_own, copy_own, advise_own
	};
	struct mapping m = { .s = pick() };
	size_t off;

	m.write = !rnd(calm(m.s) ? 16 : 2);
	m.fd = m.write || !rnd(calm(m.s) ? 16 : 2) ? m.s->fd : m.s->ro;
	m.was = look(m.s);
	window(m.s, &off, &m.len);
	m.p = own + off;
	if (!map_at(m.p, m.s, off, m.len, m.write, m.fd))
		return false;
	touch_own(m.s, m.p, m.write);
	change[rnd(ARRAY_SIZE(change))](&m);
	touch_own(m.s, m.p, m.write);
	touch_own(m.s, m.p + page - 4, false);
	if (munmap(m.p, m.len))
		fail(CALLS, "munmap of a mapping: errno %d", errno);
	return true;
}

static bool transfer(bool write)
{
	struct slot *s = pick();
	struct state was = look(s);
	off_t off = rnd(s->size / 4 - 64) * 4;
	uint32_t words[64];
	ssize_t n;
	int i;

	for (i = 0; i < 64; i++)
		words[i] = s->tag << 16 | rnd(1 << 16);
	if (write)
		n = pwrite(s->fd, words, sizeof(words), off);
	else
		n = pread(s->ro, words, sizeof(words), off);
	judge(write ? "write" : "read", s, was, write ? WRITES : READS,
	      n < 0 ? errno : 0);
	if (n >= 0 && n != sizeof(words) && !LOAD(s->revoke_begun))
		fail(CALLS, "only %zd bytes copied", n);
	for (i = 0; i < n / 4; i++)
		check_word(s, words[i]);
	return n > 0;
}

static bool op_read(void)
{
	return transfer(false);
}

static bool op_write(void)
{
	return transfer(true);
}

static void judge_seal(struct slot *s, struct state was, uint32_t seals,
		       int err)
{
	uint32_t now = get_info(s->fd).seals;

	if (err == EBUSY && seals == SHMBUF_SEAL_WRITE && !was.sealed &&
	    !was.revoked)
		return;
	/* SHMBUF_SEAL_SEAL prevents a seal that is not set yet. */
	if (err == EPERM && !was.revoked && (now & SHMBUF_SEAL_SEAL) &&
	    !(now & seals))
		return;
	judge("seal", s, was, READS, err);
}

static bool op_seal(void)
{
	struct slot *s = pick();
	struct shmbuf_seal arg = {
		.seals = rnd(16) ? SHMBUF_SEAL_WRITE : SHMBUF_SEAL_SEAL
	};
	uint32_t seals = arg.seals;
	struct state was = look(s);
	int err;

	OR(s->seals_begun, seals);
	err = ioctl(s->fd, SHMBUF_IOC_SEAL, &arg) ? errno : 0;
	judge_seal(s, was, seals, err);
	if (err)
		return false;
	if (!(arg.seals & seals) || (arg.seals & ~LOAD(s->seals_begun)))
		fail(SEALING, "seals %x after adding %x", arg.seals, seals);
	OR(s->seals_done, seals);
	return true;
}

/* Returns a checksum of up to 64 KiB, or 0 if read() fails. */
static uint32_t contents(struct slot *s)
{
	uint32_t words[256], sum = 1;
	size_t off, size = s->size < 65536 ? s->size : 65536;
	int i;

	for (off = 0; off < size; off += sizeof(words)) {
		if (pread(s->ro, words, sizeof(words), off) != sizeof(words)) {
			if (!LOAD(s->revoke_begun))
				fail(CALLS, "read: errno %d", errno);
			return 0;
		}
		for (i = 0; i < 256; i++)
			sum = sum * 31 + words[i];
	}
	return sum ?: 1;
}

/* All readers of a sealed buffer see what the first reader saw. */
static bool op_sealed(void)
{
	struct slot *s = pick();
	uint32_t first = 0, sum;

	if (!(get_info(s->ro).seals & SHMBUF_SEAL_WRITE))
		return false;
	sum = contents(s);
	if (!sum)
		return false;
	__atomic_compare_exchange_n(&s->sum, &first, sum, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	if (first && first != sum)
		fail(SEALING, "%s changed", backing_names[s->backing]);
	return first;
}

static bool op_sync(void)
{
	struct slot *s = pick();
	struct state was = look(s);
	struct shmbuf_sync arg = {
		.offset = rnd(s->size), .direction = 1 + rnd(3), .phase = rnd(2)
	};
	int ret;

	arg.length = rnd(s->size - arg.offset);
	ret = ioctl(s->fd, SHMBUF_IOC_SYNC, &arg);
	judge("sync", s, was, READS, ret ? errno : 0);
	return !ret;
}

static bool op_signal(void)
{
	struct slot *s = pick();
	struct state was = look(s);
	struct shmbuf_notify arg = { .count = 99 };
	uint32_t before = LOAD(s->signals_done);
	int ret;

	ADD(s->signals_begun, 1);
	ret = ioctl(s->fd, SHMBUF_IOC_SIGNAL, &arg);
	judge("signal", s, was, READS, ret ? errno : 0);
	if (ret) {
		ADD(s->signals_begun, -1);
		return false;
	}
	ADD(s->signals_done, 1);
	if (arg.count || arg.sequence <= before ||
	    arg.sequence > LOAD(s->signals_begun))
		fail(SIGNALS, "sequence %llu, %u were done before",
		     (unsigned long long)arg.sequence, before);
	return true;
}

static bool op_ack(void)
{
	struct slot *s = pick();
	struct state was = look(s);
	struct shmbuf_notify arg = { 0 };
	uint32_t before = LOAD(s->signals_done);
	int ret = ioctl(s->fd, SHMBUF_IOC_ACK, &arg);

	judge("ack", s, was, READS, ret ? errno : 0);
	if (ret)
		return false;
	ADD(s->acked, arg.count);
	if (arg.sequence < before || arg.sequence > LOAD(s->signals_begun))
		fail(SIGNALS, "ack of %llu, %u were done before",
		     (unsigned long long)arg.sequence, before);
	return arg.count;
}

/* Threads do not acknowledge signals on the file that is polled here. */
static bool op_poll(void)
{
	struct slot *s = pick();
	struct pollfd p = { .fd = s->ro, .events = POLLIN | rnd(2) * POLLOUT };
	struct state was = look(s);
	bool signaled = LOAD(s->signals_done);
	int ret = poll(&p, 1, rnd(3));
	bool in = p.revents & POLLIN, hup = p.revents & POLLHUP;

	if (ret < 0 || (p.revents & ~(POLLIN | POLLOUT | POLLHUP)) ||
	    (in ? !LOAD(s->signals_begun) : signaled) ||
	    ((p.events & POLLOUT) && !!(p.revents & POLLOUT) == hup))
		fail(SIGNALS, "poll: %d, events %x of %x", ret, p.revents,
		     p.events);
	if (hup ? !LOAD(s->revoke_begun) : was.revoked)
		fail(REVOKING, "poll: events %x", p.revents);
	return in;
}

/* The counts and the seals must match at any moment. */
static void check_counts(const char *where, uint32_t all, uint32_t writable,
			 uint32_t seals)
{
	if (writable > all || (writable && (seals & SHMBUF_SEAL_WRITE)))
		fail(COUNTS, "%s: %u of %u mappings writable, seals %x", where,
		     writable, all, seals);
}

static bool check_info(struct slot *s, int fd)
{
	struct state was = look(s);
	uint32_t seals = LOAD(s->seals_done), before = LOAD(s->signals_done);
	struct shmbuf_info info = get_info(fd);
	bool revoked = info.capabilities == SHMBUF_CAP_REVOKED;

	if (info.size != s->size || info.backing != s->backing)
		fail(CALLS, "info: size %llu backing %u",
		     (unsigned long long)info.size, info.backing);
	if (revoked ? !LOAD(s->revoke_begun) : was.revoked)
		fail(REVOKING, "info: capabilities %x", info.capabilities);
	if ((info.seals & seals) != seals ||
	    (info.seals & ~LOAD(s->seals_begun)))
		fail(SEALING, "info: seals %x", info.seals);
	if (info.sequence < before ||
	    info.sequence > LOAD(s->signals_begun))
		fail(SIGNALS, "info: sequence %llu, %u were done before",
		     (unsigned long long)info.sequence, before);
	check_counts("info", info.mappings, info.writable_mappings, info.seals);
	return true;
}

static bool op_info(void)
{
	struct slot *s = pick();

	return check_info(s, rnd(2) ? s->fd : s->ro);
}

/* Another open file has its own count of signals. */
static bool op_reopen(void)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int mode = modes[rnd(3)], fd;
	struct slot *s = pick();
	struct state was = look(s);
	struct shmbuf_notify arg = { 0 };
	uint32_t before = LOAD(s->signals_done);

	fd = reopen(s->fd, mode);
	judge("open", s, was, READS, fd < 0 ? errno : 0);
	if (fd < 0)
		return false;
	check_info(s, fd);
	if (!ioctl(fd, SHMBUF_IOC_ACK, &arg) &&
	    arg.count > LOAD(s->signals_begun) - before)
		fail(SIGNALS, "%llu signals since the file was opened",
		     (unsigned long long)arg.count);
	if (mode != O_RDWR &&
	    (mmap(own, page, RW, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED ||
	     errno != EACCES))
		fail(CALLS, "mmap of a file of mode %d: errno %d", mode, errno);
	if (close(fd))
		fail(CALLS, "close: errno %d", errno);
	return true;
}

/* Reads as much of a file as one read() returns. */
static bool read_some(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (n <= 0)
		fail(CALLS, "%s: errno %d", path, errno);
	text[n < 0 ? 0 : n] = '\0';
	if (fd >= 0)
		close(fd);
	return n > 0;
}

static uint32_t number_after(const char *text, const char *word)
{
	const char *p = strstr(text, word);

	if (!p)
		fail(CALLS, "no %s", word);
	return p ? strtoul(p + strlen(word), NULL, 0) : 0;
}

static bool op_fdinfo(void)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pick()->fd);
	if (!read_some(path, text, sizeof(text)))
		return false;
	check_counts("fdinfo", number_after(text, "shmbuf-mappings:\t"),
		     number_after(text, "shmbuf-writable:\t"),
		     number_after(text, "shmbuf-seals:\t"));
	return true;
}

static bool op_buffers(void)
{
	char text[2048], *line, *next;

	if (!read_some(BUFFERS, text, sizeof(text)))
		return false;
	for (line = text; (next = strchr(line, '\n')); line = next + 1) {
		*next = '\0';
		check_counts("buffers", number_after(line, " mappings="),
			     number_after(line, " writable="),
			     number_after(line, " seals="));
	}
	return true;
}

static int create(uint32_t backing, size_t size)
{
	struct shmbuf_create c = {
		.size = size, .backing = backing, .numa_node = SHMBUF_NUMA_ANY
	};

	memcpy(c.name, name, sizeof(name));
	return ioctl(dev, SHMBUF_IOC_CREATE, &c) ? -1 : c.fd;
}

static void revoke_private(int fd, char *p)
{
	uint32_t word = 0;

	if (revoke_buffer(fd))
		fail(REVOKING, "revoke: errno %d", errno);
	else if (touch(p, LOAD_WORD, &word) != SIGBUS)
		fail(REVOKING, "a revoked buffer shows the word %08x", word);
	else if (pread(fd, &word, 4, 0) != -1 || errno != ENODEV)
		fail(REVOKING, "read of a revoked buffer: errno %d", errno);
}

/* Creates and frees a buffer, which must be zeroed. */
static bool op_create(void)
{
	size_t size = (1 + rnd(4)) * page;
	uint32_t backing = rnd(4), word = 1;
	bool first = rnd(2);
	char *p;
	int fd;

	if (!have_backing[backing])
		backing = SHMBUF_BACKING_PAGES;
	fd = create(backing, size);
	if (fd < 0) {
		fail(CALLS, "create: errno %d", errno);
		return false;
	}
	p = mmap(own, size, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	if (p != own || touch(p + size - 4, LOAD_WORD, &word) || word)
		fail(CONTENTS, "a new buffer has %08x", word);
	word = 1;
	if (touch(p, STORE_WORD, &word) || pread(fd, &word, 4, 0) != 4 ||
	    word != 1)
		fail(CONTENTS, "a buffer has %08x, not 1", word);
	if (can_revoke && !rnd(8))
		revoke_private(fd, p);
	if (first)
		close(fd);
	if (munmap(p, size))
		fail(CALLS, "munmap of a buffer: errno %d", errno);
	if (!first)
		close(fd);
	return true;
}

/* The main process picks the victim, and several threads revoke it at once. */
static bool op_revoke(void)
{
	uint32_t victim = LOAD(sh->victim);
	struct slot *s = &sh->slot[victim];

	if (victim >= NR_SLOTS)
		return false;
	STORE(s->revoke_begun, 1);
	if (revoke_buffer(s->fd)) {
		fail(REVOKING, "revoke: errno %d", errno);
		return false;
	}
	STORE(s->revoke_done, 1);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(void);
	uint32_t weight;
	const bool *possible;
} ops[] = {
	{ "mmap", op_mmap, 40 },
	{ "munmap", op_munmap, 10 },
	{ "mprotect", op_mprotect, 20 },
	{ "mremap", op_mremap, 20 },
	{ "madvise", op_madvise, 10 },
	{ "load", op_load, 100 },
	{ "store", op_store, 100 },
	{ "own mapping", op_own, 40 },
	{ "fork", op_fork, 2 },
	{ "read", op_read, 20 },
	{ "write", op_write, 20 },
	{ "seal", op_seal, 10 },
	{ "look at sealed", op_sealed, 10 },
	{ "sync", op_sync, 10 },
	{ "signal", op_signal, 20 },
	{ "ack", op_ack, 20 },
	{ "poll", op_poll, 10 },
	{ "info", op_info, 10 },
	{ "reopen", op_reopen, 10 },
	{ "fdinfo", op_fdinfo, 5 },
	{ "list", op_buffers, 5, &can_list },
	{ "create", op_create, 10 },
	{ "revoke", op_revoke, 2, &can_revoke },
};

static_assert(ARRAY_SIZE(ops) <= ARRAY_SIZE(((struct shared *)0)->done));

static void random_op(void)
{
	uint32_t i, sum = 0, n;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		sum += ops[i].weight;
	n = rnd(sum);
	for (i = 0; n >= ops[i].weight; i++)
		n -= ops[i].weight;
	if ((!ops[i].possible || *ops[i].possible) && ops[i].run())
		ADD(sh->done[i], 1);
}

static void *thread(void *arg)
{
	long nr = (long)arg;

	own = arena + (nr + 1) * 2 * AREA;
	rng = (worker_seed + nr * 0x9e3779b9u) | 1;
	pthread_barrier_wait(&ready);
	while (!LOAD(sh->stop))
		random_op();
	return NULL;
}

static void worker(void)
{
	pthread_t threads[NR_THREADS];
	long i;

	pthread_barrier_init(&ready, NULL, NR_THREADS + 1);
	for (i = 0; i < NR_THREADS; i++) {
		if (pthread_create(&threads[i], NULL, thread, (void *)i))
			_exit(1);
	}
	/* The arena is a hole now, and threads map only at fixed addresses. */
	munmap(arena, (NR_THREADS + 1) * 2 * AREA);
	pthread_barrier_wait(&ready);
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

static pid_t start_worker(void)
{
	pid_t pid;

	worker_seed = rnd(UINT32_MAX);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		worker();
	}
	/* The running workers die with this process. */
	if (pid < 0)
		ksft_exit_fail_perror("fork");
	return pid;
}

static void end_worker(pid_t pid, bool killed)
{
	int status = -1;

	if (killed)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid ||
	    (status && !(killed && WTERMSIG(status) == SIGKILL)))
		fail(WORKERS, "worker: status %x", status);
}

/* Returns how many workers were killed. */
static int race(bool kills)
{
	pid_t pids[NR_PROCS];
	int i, victim, killed = 0;

	STORE(sh->victim, NR_SLOTS);
	for (i = 0; i < NR_PROCS; i++)
		pids[i] = start_worker();
	for (i = 0; i < STEPS && !LOAD(sh->stop); i++) {
		usleep(rnd(2 * STEP_US));
		if (i == STEPS / 2 && rnd(3))
			STORE(sh->victim, rnd(NR_SLOTS));
		if (kills && rnd(2)) {
			victim = rnd(NR_PROCS);
			end_worker(pids[victim], true);
			pids[victim] = start_worker();
			killed++;
		}
	}
	STORE(sh->stop, 1);
	for (i = 0; i < NR_PROCS; i++)
		end_worker(pids[i], false);
	/* Reap the children of killed workers as well. */
	while (waitpid(-1, &i, 0) > 0) {
		if (i)
			fail(WORKERS, "orphan: status %x", i);
	}
	return killed;
}

static bool failed(void)
{
	int i;

	for (i = 0; i < NR_CHECKS; i++) {
		if (sh->failed[i])
			return true;
	}
	return false;
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void set_up(struct slot *s, unsigned int nr)
{
	static const uint32_t zeroes[1024];
	uint32_t words[1024];
	size_t off;
	int i;

	*s = (struct slot) {
		.fd = -1, .tag = nr % 0xffff + 1,
		.backing = have_backing[nr % 4] ? nr % 4 : SHMBUF_BACKING_PAGES
	};
	if (s == sh->slot && rnd(2)) {
		s->size = HUGE_SIZE;
		s->fd = create(s->backing, s->size);
	}
	if (s->fd < 0) {
		s->size = (4 + rnd(13)) * page;
		s->fd = create(s->backing, s->size);
	}
	s->ro = s->fd < 0 ? -1 : reopen(s->fd, O_RDONLY);
	if (s->ro < 0)
		ksft_exit_fail_perror("create and reopen");
	for (off = 0; off < s->size; off += sizeof(words)) {
		if (pread(s->fd, words, sizeof(words), off) != sizeof(words) ||
		    memcmp(words, zeroes, sizeof(words)))
			fail(CONTENTS, "a new buffer is not zeroed");
		for (i = 0; i < 1024; i++)
			words[i] = s->tag << 16 | i;
		if (pwrite(s->fd, words, sizeof(words), off) != sizeof(words))
			ksft_exit_fail_perror("write");
	}
	/* Write back the cache, as a later SYNC may discard data in it. */
	ioctl(s->fd, SHMBUF_IOC_SYNC, &(struct shmbuf_sync) {
		.length = s->size, .direction = SHMBUF_SYNC_WRITE,
		.phase = SHMBUF_SYNC_END,
	});
	s->p = mmap(NULL, s->size, PROT_READ, MAP_SHARED, s->ro, 0);
	if (s->p == MAP_FAILED || madvise(s->p, s->size, MADV_DONTFORK))
		ksft_exit_fail_perror("mmap");
}

static void check_mappings(struct slot *s, uint32_t mappings)
{
	struct shmbuf_info info;

	if (wait_for_counts(s->fd, mappings, 0))
		return;
	info = get_info(s->fd);
	fail(COUNTS, "%s has %u mappings and %u writable, and should have %u",
	     backing_names[s->backing], info.mappings, info.writable_mappings,
	     mappings);
}

/* A killed process does not prevent sealing for ever. */
static void check_seal(struct slot *s, uint32_t seals)
{
	bool no_more = seals == SHMBUF_SEAL_SEAL;
	time_t end = seconds() + PATIENCE;
	struct shmbuf_seal arg;
	uint32_t word = s->tag << 16;
	int err;

	do {
		arg = (struct shmbuf_seal) { .seals = SHMBUF_SEAL_WRITE };
		err = ioctl(s->fd, SHMBUF_IOC_SEAL, &arg) ? errno : 0;
	} while (err == EBUSY && seconds() < end && !usleep(10000));
	if (err != (no_more ? EPERM : 0))
		fail(SEALING, "the last seal of %s, after %x: errno %d",
		     backing_names[s->backing], seals, err);
	err = pwrite(s->fd, &word, 4, 0) == 4 ? 0 : errno;
	if (err != (no_more ? 0 : EPERM))
		fail(SEALING, "write after the last seal: errno %d", err);
}

static void check_alive(struct slot *s, bool killed)
{
	struct shmbuf_info info = get_info(s->fd);
	struct shmbuf_notify arg = { 0 };
	uint32_t word;
	size_t off;

	if (ioctl(s->fd, SHMBUF_IOC_ACK, &arg) ||
	    s->acked + arg.count > info.sequence ||
	    (!killed && s->acked + arg.count != info.sequence))
		fail(SIGNALS, "%u and %llu of %llu signals acknowledged",
		     s->acked, (unsigned long long)arg.count,
		     (unsigned long long)info.sequence);
	for (off = 0; off < s->size; off += 4) {
		if (touch(s->p + off, LOAD_WORD, &word))
			fail(REVOKING, "the mapping is lost");
		check_word(s, word);
	}
	if (s->sum && s->sum != contents(s))
		fail(SEALING, "%s changed", backing_names[s->backing]);
	check_seal(s, info.seals);
}

static void check_revoked(struct slot *s)
{
	struct shmbuf_seal seal = { 0 };
	uint32_t word;

	if (pread(s->fd, &word, 4, 0) != -1 || errno != ENODEV)
		fail(REVOKING, "read: errno %d", errno);
	if (pwrite(s->fd, &word, 4, 0) != -1 || errno != ENODEV)
		fail(REVOKING, "write: errno %d", errno);
	if (ioctl(s->fd, SHMBUF_IOC_SEAL, &seal) != -1 || errno != ENODEV)
		fail(REVOKING, "seal: errno %d", errno);
	if (reopen(s->fd, O_RDONLY) != -1 || errno != ENODEV)
		fail(REVOKING, "open: errno %d", errno);
	if (mmap(NULL, page, PROT_READ, MAP_SHARED, s->ro, 0) != MAP_FAILED ||
	    errno != ENODEV)
		fail(REVOKING, "mmap: errno %d", errno);
	if (touch(s->p, LOAD_WORD, &word) != SIGBUS ||
	    touch(s->p + s->size - 4, LOAD_WORD, &word) != SIGBUS)
		fail(REVOKING, "no SIGBUS from %s", backing_names[s->backing]);
}

/* All workers have exited, and only this process has the buffer. */
static void check_slot(struct slot *s, bool killed)
{
	struct shmbuf_info info;

	check_mappings(s, 1);
	info = get_info(s->fd);
	check_info(s, s->fd);
	if (!killed && info.sequence != s->signals_done)
		fail(SIGNALS, "sequence %llu after %u signals",
		     (unsigned long long)info.sequence, s->signals_done);
	if (info.capabilities == SHMBUF_CAP_REVOKED)
		check_revoked(s);
	else
		check_alive(s, killed);
	munmap(s->p, s->size);
	check_mappings(s, 0);
	close(s->ro);
	close(s->fd);
}

static void check_left(void)
{
	time_t end = seconds() + PATIENCE;
	char line[64];

	snprintf(line, sizeof(line), " name=%s\n", name);
	while (can_list && count_lines(BUFFERS, line, "")) {
		if (seconds() > end) {
			fail(LEFT, "%d buffers", count_lines(BUFFERS, line, ""));
			break;
		}
		usleep(10000);
	}
}

static int run_round(unsigned int round)
{
	/* The counts of the workers are exact if none is killed. */
	int i, killed;

	STORE(sh->stop, 0);
	for (i = 0; i < NR_SLOTS; i++)
		set_up(&sh->slot[i], round * (NR_SLOTS + 1) + i);
	killed = race(round % 2);
	for (i = 0; i < NR_SLOTS; i++)
		check_slot(&sh->slot[i], killed);
	check_left();
	return killed;
}

/* Returns the name of an operation that has not succeeded yet, or NULL. */
static const char *not_done(int kills)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (!sh->done[i] && (!ops[i].possible || *ops[i].possible))
			return ops[i].name;
	}
	if (can_revoke && !sh->sigbus)
		return "SIGBUS";
	return kills ? NULL : "SIGKILL";
}

static void probe(void)
{
	int fd;
	size_t i;

	snprintf(name, sizeof(name), "race%d", getpid());
	for (i = 0; i < ARRAY_SIZE(have_backing); i++) {
		fd = create(i, page);
		have_backing[i] = fd >= 0;
		if (fd >= 0)
			close(fd);
		else if (errno == EOPNOTSUPP && i >= SHMBUF_BACKING_COHERENT)
			ksft_print_msg("no %s buffers here\n", backing_names[i]);
		else
			ksft_exit_fail_perror("create");
	}
	can_list = can_open(BUFFERS, O_RDONLY);
	can_revoke = can_open(REVOKE, O_WRONLY);
	if (!can_revoke)
		why_no_revoke = REVOKE " is not writable";
	/* UML's flush_tlb_mm() walks the VMAs of other processes without a lock. */
	if (can_revoke && uml) {
		why_no_revoke = "UML must not zap what other processes map";
		can_revoke = false;
	}
}

static void prepare(void)
{
	size_t size = (NR_THREADS + 1) * 2 * AREA, align = 2 << 20;
	struct sigaction sa = {
		.sa_handler = on_signal, .sa_flags = SA_NODEFER
	};

	sh = mmap(NULL, sizeof(*sh), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	arena = mmap(NULL, size + align, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sh == MAP_FAILED || arena == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	arena += -(unsigned long)arena % align;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	/* Wait for the children of killed workers. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		ksft_exit_fail_perror("PR_SET_CHILD_SUBREAPER");
}

static void report(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ksft_print_msg("%8u %s\n", sh->done[i], ops[i].name);
	for (i = 0; i < NR_CHECKS; i++) {
		if (sh->failed[i])
			ksft_print_msg("%s\n", sh->why[i]);
		if (i == LEFT && !can_list)
			ksft_test_result_skip("%s is not readable\n", BUFFERS);
		else if (i == REVOKING && !can_revoke && !sh->failed[i])
			ksft_test_result_skip("%s\n", why_no_revoke);
		else
			ksft_test_result(!sh->failed[i], "%s\n",
					 check_names[i]);
	}
}

int main(int argc, char **argv)
{
	uint32_t seed = time(NULL), total = 0;
	unsigned int rounds = 0, kills = 0;
	time_t begin, duration;
	size_t i;
	int opt;

	while ((opt = getopt(argc, argv, "s:")) != -1) {
		if (opt != 's')
			ksft_exit_fail_msg("usage: %s [-s SEED] [seconds]\n",
					   argv[0]);
		seed = strtoul(optarg, NULL, 0);
	}
	duration = optind < argc ? atoi(argv[optind]) : 10;

	ksft_print_header();
	dev = open_node();
	if (dev < 0)
		ksft_exit_skip("cannot open /dev/shmbuf: %s\n",
			       strerror(errno));
	page = sysconf(_SC_PAGESIZE);
	uml = is_uml();
	if (over_memlock_limit(HUGE_SIZE + 100 * page))
		ksft_exit_skip("RLIMIT_MEMLOCK is less than %ld KiB\n",
			       (HUGE_SIZE + 100 * page) / 1024);
	ksft_set_plan(NR_CHECKS);
	ksft_print_msg("seed %u\n", seed);
	rng = seed | 1;
	prepare();
	probe();

	begin = seconds();
	while (!failed() && (seconds() - begin < duration ||
			     (not_done(kills) &&
			      seconds() - begin < duration + PATIENCE)))
		kills += run_round(rounds++);
	if (!failed() && not_done(kills))
		fail(ALL_DONE, "never: %s", not_done(kills));

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		total += sh->done[i];
	ksft_print_msg("%u operations in %u rounds, %u kills\n", total, rounds,
		       kills);
	ksft_print_msg("%u revocations, %u SIGBUS, %u SIGSEGV\n",
		       sh->done[ARRAY_SIZE(ops) - 1], sh->sigbus, sh->sigsegv);
	report();
	ksft_finished();
}
