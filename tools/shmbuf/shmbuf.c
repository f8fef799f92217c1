// SPDX-License-Identifier: GPL-2.0-only
/*
 * Create, list, fill, seal, signal, export and revoke shmbuf buffers from a shell. The
 * manual is shmbuf.1.
 *
 * The texts are in four tables. reasons[] explains errors, and fields[] describes a
 * buffer. options[] and commands[] define the command line. A command gets its arguments
 * in argv and its options in opt.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/shmbuf.h>

#define NODE		"/dev/shmbuf"
#define BUFFERS		"/sys/kernel/debug/shmbuf/buffers"
#define REVOKE_FILE	"/sys/kernel/debug/shmbuf/revoke"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))
#define ULL(n)		((unsigned long long)(n))
/* An option that is not given, or an unknown value of a buffer */
#define NOT_GIVEN	(~0ULL)

/* The installed linux/magic.h may not have it. */
#define SHMBUF_MAGIC	0x53484d42

/* A shell also uses CANNOT_RUN and NOT_FOUND for a command. */
enum { FAILED = 1, BAD_USAGE = 2, TIMED_OUT = 3, CANNOT_RUN = 126, NOT_FOUND = 127 };

enum { CREATE, LIST, INFO, CAT, DUMP, FILL, SEAL, SIGNAL, WAIT, WATCH, EXPORT, REVOKE };

static struct {
	bool background, json, write, seal;
	__u64 backing, cache, node, offset, length, byte, count, lists, inode;
	const char *name, *pattern;
	double timeout, interval;
} opt = {
	.node = NOT_GIVEN, .length = NOT_GIVEN, .byte = NOT_GIVEN, .inode = NOT_GIVEN,
	.lists = NOT_GIVEN, .count = 1, .name = "", .timeout = -1, .interval = 1,
};

/* Indexed by SHMBUF_BACKING_*, SHMBUF_CACHE_*, and the bits of SHMBUF_SEAL_*, SHMBUF_CAP_* */
static const char *const backings[] = { "pages", "contig", "coherent", "stream", "region", NULL };
static const char *const caches[] = { "cached", "write-combine", "uncached", "device", NULL };
static const char *const seals[] = { "write", "seal", NULL };
static const char *const capabilities[] = { "pinnable", "revoked", "needs-sync", NULL };

/* Texts for errors. Without an operation, a text is for all other operations on a buffer. */
static const struct {
	int error;
	const char *operation, *text;
} reasons[] = {
	{ ENOENT, "open " NODE, "the module shmbuf is not loaded; load it with 'modprobe shmbuf'" },
	{ EACCES, "open " NODE, "permission is missing; run as root, or write a udev rule" },
	{ ENODEV, "open " NODE, "the module shmbuf is not loaded; load it with 'modprobe shmbuf'" },
	{ EPERM, "open " NODE, "the rules of a container forbid it" },
	{ EINVAL, "create the buffer",
	  "the size is too large, or the name or the NUMA node is not valid" },
	{ EOPNOTSUPP, "create the buffer",
	  "this kernel does not have this backing, or not with this --cache or --node" },
	{ ENOMEM, "create the buffer",
	  "there is not enough such memory, or locked memory is limited (ulimit -l)" },
	{ ENOENT, "open", "it does not exist; 'shmbuf list' shows the buffers" },
	{ ENOTTY, "open", "it is not a buffer of shmbuf" },
	{ EBADF, "open", "this descriptor is not open" },
	{ EACCES, "open", "permission is missing; run as root or as the owner" },
	{ EPERM, "write", "it is sealed against writing, or needs CAP_SYS_RAWIO" },
	{ EBADF, "write", "permission to write is missing" },
	{ EPERM, "export", "it is sealed against writing, or permission to write is missing" },
	{ EOPNOTSUPP, "export", "this kernel does not export buffers of its backing" },
	{ EBUSY, "seal", "a mapping or a DMA-BUF may still write; unmap or close it first" },
	{ EPERM, "seal", "a seal forbids further seals, or permission to write is missing" },
	{ EPERM, "signal", "this signals a device, and permission to write is missing" },
	{ ENOENT, "revoke", "it does not exist any more, or only a device driver may revoke it" },
	{ ENOENT, "open " REVOKE_FILE,
	  "debugfs is missing; mount it with 'mount -t debugfs none /sys/kernel/debug'" },
	{ EACCES, "open " REVOKE_FILE, "permission is missing; run as root" },
	{ EPERM, "open " REVOKE_FILE, "the kernel is locked down" },
	{ ENODEV, NULL, "the buffer was revoked" },
	{ EAGAIN, NULL, "another process is sealing the buffer; try again" },
	{ EPERM, NULL, "permission is missing; the buffer needs CAP_SYS_RAWIO" },
	{ EIO, NULL, "its memory has an error" },
};

static const char *command;

static void begin_message(void)
{
	fflush(stdout);
	fprintf(stderr, "shmbuf%s%s: ", command ? " " : "", command ?: "");
}

static noreturn void end_message(int status)
{
	fprintf(stderr, "%s\n", status == BAD_USAGE ? "; see --help" : "");
	exit(status);
}

/* A macro, so that the compiler checks the format */
#define die(status, ...) do {			\
	begin_message();			\
	fprintf(stderr, __VA_ARGS__);		\
	end_message(status);			\
} while (0)

/* @buffer is NULL if the operation does not use a buffer. */
static noreturn void fail(const char *operation, const char *buffer)
{
	const char *text = strerror(errno);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].error == errno &&
		    (reasons[i].operation ? !strcmp(reasons[i].operation, operation) : !!buffer)) {
			text = reasons[i].text;
			break;
		}
	}
	die(FAILED, "cannot %s%s%s: %s", operation, buffer ? " " : "", buffer ?: "", text);
}

/*
 * Options
 */

/* Return the index of a name, or of the NULL at the end. */
static size_t find_name(const char *const *names, const char *name)
{
	size_t i = 0;

	while (names[i] && strcmp(names[i], name))
		i++;
	return i;
}

/* The kinds of options, and of the fields of a buffer */
enum kind { FLAG, NUMBER, SECONDS, WORD, BITS, TEXT };

/* min and max limit a number, the length of a text, or a time in milliseconds. */
struct option_info {
	unsigned int commands;
	const char *name, *argument, *help;
	enum kind kind;
	void *value;
	__u64 min, max;
	const char *const *names;
};

static bool parse_size(const char *text, __u64 *size)
{
	static const char suffixes[] = " KMGT";
	const char *suffix = suffixes;
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, text[0] == '0' && tolower(text[1]) == 'x' ? 16 : 10);
	if (errno || !isdigit(*text))
		return false;
	if (*end)
		suffix = strchr(suffixes + 1, toupper(*end++));
	return suffix && !*end &&
	       !__builtin_mul_overflow(n, 1ULL << 10 * (suffix - suffixes), size);
}

static bool parse_option(const struct option_info *o, const char *text)
{
	__u64 *n = o->value, len = text ? strlen(text) : 0;
	double *seconds = o->value;
	char *end;

	switch (o->kind) {
	case NUMBER:
		return parse_size(text, n) && *n >= o->min && *n <= o->max;
	case SECONDS:
		*seconds = strtod(text, &end);
		return isdigit(*text) && !*end && *seconds * 1000 >= o->min && *seconds < 1e9;
	case WORD:
		*n = find_name(o->names, text);
		return o->names[*n];
	case TEXT:
		*(const char **)o->value = text;
		return len >= o->min && len <= o->max;
	default:
		return *(bool *)o->value = true;
	}
}

#define IN(c)		(1U << (c))
#define IN_RANGE	(IN(CAT) | IN(DUMP) | IN(FILL))
#define MAX		(NOT_GIVEN - 1)

static const struct option_info options[] = {
	{ IN(CREATE), "backing", "KIND", "pages (the default), contig, coherent or stream",
	  WORD, &opt.backing, .names = backings },
	{ IN(CREATE), "cache", "KIND", "cached (the default), write-combine, uncached or device",
	  WORD, &opt.cache, .names = caches },
	{ IN(CREATE), "name", "NAME", "name of the buffer, of at most 31 characters",
	  TEXT, &opt.name, .max = SHMBUF_NAME_LEN - 1 },
	{ IN(CREATE), "node", "N", "NUMA node that the memory comes from",
	  NUMBER, &opt.node, .max = 1 << 20 },
	{ IN(CREATE), "background", NULL, "hold the buffer in the background",
	  FLAG, .value = &opt.background },
	{ IN(LIST) | IN(INFO), "json", NULL, "print JSON", FLAG, .value = &opt.json },
	{ IN_RANGE, "offset", "BYTES", "start of the range, such as 4096 or 64K (default: 0)",
	  NUMBER, &opt.offset, .max = MAX },
	{ IN_RANGE, "length", "BYTES", "length of the range (default: to the end of the buffer)",
	  NUMBER, &opt.length, .max = MAX },
	{ IN(FILL), "byte", "N", "fill the range with this byte, 0 to 255",
	  NUMBER, &opt.byte, .max = 255 },
	{ IN(FILL), "pattern", "TEXT",
	  "fill the range with this text, repeated, of 1 to 4096 bytes",
	  TEXT, &opt.pattern, .min = 1, .max = 4096 },
	{ IN(SEAL), "write", NULL, "forbid writing (the default)", FLAG, .value = &opt.write },
	{ IN(SEAL), "seal", NULL, "forbid further seals", FLAG, .value = &opt.seal },
	{ IN(SIGNAL), "count", "N", "number of signals (default: 1)",
	  NUMBER, &opt.count, .min = 1, .max = MAX },
	{ IN(WAIT), "count", "N", "number of signals to wait for (default: 1)",
	  NUMBER, &opt.count, .min = 1, .max = MAX },
	{ IN(WAIT), "timeout", "SECONDS", "end with status 3 after this time, such as 2 or 0.5",
	  SECONDS, .value = &opt.timeout },
	{ IN(WATCH), "count", "N", "number of lists (default: endless)",
	  NUMBER, &opt.lists, .min = 1, .max = MAX },
	{ IN(WATCH), "interval", "SECONDS", "time between two lists, at least 0.01 (default: 1)",
	  SECONDS, &opt.interval, .min = 10 },
	{ IN(REVOKE), "inode", "N", "revoke the buffer with this inode number in 'shmbuf list'",
	  NUMBER, &opt.inode, .min = 1, .max = MAX },
};

/*
 * Buffers that the caller may see
 */

enum {
	INODE, SIZE, BACKING, CACHE, MAP_UNIT, MAPPINGS, WRITABLE, SIGNALS, SEALS, REVOKED,
	CAPABILITIES, NODE_INODE, NR_VALUES
};

/* The key in the output, and the key in debugfs and fdinfo */
static const struct {
	const char *key, *kernel;
	enum kind kind;
	const char *const *names;
} fields[] = {
	[INODE] = { "inode", "ino", NUMBER, NULL },
	[SIZE] = { "size", "size", NUMBER, NULL },
	[BACKING] = { "backing", "backing", WORD, backings },
	[CACHE] = { "cache", "cache", WORD, caches },
	[MAP_UNIT] = { "map_unit", "", NUMBER, NULL },
	[MAPPINGS] = { "mappings", "mappings", NUMBER, NULL },
	[WRITABLE] = { "writable_mappings", "writable", NUMBER, NULL },
	[SIGNALS] = { "signals", "sequence", NUMBER, NULL },
	[SEALS] = { "seals", "seals", BITS, seals },
	[REVOKED] = { "revoked", "revoked", FLAG, NULL },
	[CAPABILITIES] = { "capabilities", "", BITS, capabilities },
};

struct buffer {
	char name[SHMBUF_NAME_LEN];
	__u64 value[NR_VALUES];	/* NODE_INODE: inode number of the device node */
	const char **where;	/* a path, or PID:FD of each process, then NULL; or NULL */
};

static struct buffer *buffers;
static size_t nr_buffers;

static void *resize(void *array, size_t size)
{
	array = realloc(array, size);
	if (!array)
		fail("list the buffers", NULL);
	return array;
}

static void init_buffer(struct buffer *b)
{
	*b = (struct buffer) { 0 };
	memset(b->value, 0xff, sizeof(b->value));
}

/* A driver can give a buffer a name that disturbs a terminal. */
static void set_name(struct buffer *b, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(b->name) - 1 && name[i]; i++)
		b->name[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
}

/* Read "KEY=VALUE ..." of debugfs, or "KEY:	VALUE" of fdinfo. */
static void parse_line(struct buffer *b, char *line, const char *prefix)
{
	static const char separators[] = "=: \t\n";
	size_t len = strlen(prefix), i;
	const char *key, *value;

	for (key = strtok(line, separators); key; key = strtok(NULL, separators)) {
		value = strtok(NULL, separators) ?: "";
		if (!strncmp(key, prefix, len))
			key += len;
		else if (strcmp(key, "ino"))
			continue;
		for (i = 0; i < ARRAY_SIZE(fields); i++) {
			if (!strcmp(key, fields[i].kernel))
				b->value[i] = fields[i].kind == WORD ?
					find_name(fields[i].names, value) :
					strtoull(value, NULL, 0);
		}
	}
}

/*
 * Return whether @a and @b can be the same buffer. Ignore the counts, which may have
 * changed in between. If one is from debugfs and the other from a node, they have no
 * inode number in common.
 */
static bool is_same(const struct buffer *a, const struct buffer *b)
{
	const __u64 *x = a->value, *y = b->value;

	if (x[INODE] != NOT_GIVEN && y[INODE] != NOT_GIVEN)
		return x[INODE] == y[INODE];
	if (x[NODE_INODE] != NOT_GIVEN && y[NODE_INODE] != NOT_GIVEN)
		return x[NODE_INODE] == y[NODE_INODE];
	return x[SIZE] == y[SIZE] && x[BACKING] == y[BACKING] && x[CACHE] == y[CACHE] &&
	       !a->where && !strcmp(a->name, b->name);
}

static void add_where(struct buffer *b, const char *where)
{
	size_t n = 0;

	while (b->where && b->where[n])
		n++;
	b->where = resize(b->where, (n + 2) * sizeof(*b->where));
	b->where[n] = strdup(where);
	b->where[n + 1] = NULL;
}

/* Add a buffer to the list, or complete its entry. @where is a way to open it, or NULL. */
static void add_buffer(const struct buffer *b, const char *where)
{
	struct buffer *old = buffers;
	size_t i;

	/* Another version of the driver may have other lines. */
	if (b->value[SIZE] == NOT_GIVEN || b->value[REVOKED] == NOT_GIVEN)
		return;
	while (old < buffers + nr_buffers && !is_same(old, b))
		old++;
	if (old == buffers + nr_buffers) {
		buffers = resize(buffers, (nr_buffers + 1) * sizeof(*b));
		old = &buffers[nr_buffers++];
		*old = *b;
	}
	for (i = 0; i < NR_VALUES; i++) {
		if (old->value[i] == NOT_GIVEN)
			old->value[i] = b->value[i];
	}
	if (where)
		add_where(old, where);
}

static void read_debugfs(void)
{
	FILE *f = fopen(BUFFERS, "r");
	struct buffer b;
	char line[512], *name;

	while (f && fgets(line, sizeof(line), f)) {
		name = strstr(line, " name=");
		if (!name)
			continue;
		line[strcspn(line, "\n")] = 0;
		init_buffer(&b);
		set_name(&b, name + strlen(" name="));
		*name = 0;
		parse_line(&b, line, "");
		add_buffer(&b, NULL);
	}
	if (f)
		fclose(f);
}

static bool get_info(int fd, struct buffer *b)
{
	struct shmbuf_info info = { 0 };
	struct stat st;

	if (ioctl(fd, SHMBUF_IOC_INFO, &info) || fstat(fd, &st)) {
		/* Another driver may return any error. */
		errno = errno == EBADF ? EBADF : ENOTTY;
		return false;
	}
	init_buffer(b);
	set_name(b, (char *)info.name);
	b->value[S_ISREG(st.st_mode) ? INODE : NODE_INODE] = st.st_ino;
	b->value[SIZE] = info.size;
	b->value[BACKING] = info.backing;
	b->value[CACHE] = info.cache;
	b->value[MAP_UNIT] = info.map_unit;
	b->value[MAPPINGS] = info.mappings;
	b->value[WRITABLE] = info.writable_mappings;
	b->value[SIGNALS] = info.sequence;
	b->value[SEALS] = info.seals;
	b->value[REVOKED] = !!(info.capabilities & SHMBUF_CAP_REVOKED);
	b->value[CAPABILITIES] = info.capabilities;
	return true;
}

/* Return whether this is the node of a buffer, in /dev or elsewhere. */
static bool is_node(const struct stat *st)
{
	char path[64], link[PATH_MAX] = "";

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", major(st->st_rdev),
		 minor(st->st_rdev));
	return S_ISCHR(st->st_mode) && readlink(path, link, sizeof(link) - 1) > 0 &&
	       strstr(link, "/misc/shmbuf-");
}

/*
 * The path, chosen by another user, may lead to a device that an open() or an ioctl()
 * disturbs. O_PATH does not open the device, so check the file first.
 */
static int try_open(const char *path, int flags)
{
	int fd = open(path, O_PATH | O_CLOEXEC), opened;
	struct statfs fs;
	struct stat st;
	char self[32];

	if (fd < 0)
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	errno = ENOTTY;
	opened = (!fstatfs(fd, &fs) && fs.f_type == SHMBUF_MAGIC) ||
		 (!fstat(fd, &st) && is_node(&st)) ?
		 open(self, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	/* close() of an O_PATH descriptor succeeds, so errno stays. */
	close(fd);
	return opened;
}

static void add_node(const char *path)
{
	int fd = try_open(path, O_RDONLY);
	struct buffer b;

	if (get_info(fd, &b))
		add_buffer(&b, path);
	close(fd);
}

/*
 * Whether to add descriptors of nodes, or all others. Two buffers can look alike, so a
 * descriptor of a node is found by the inode number that add_node() has recorded.
 */
static bool of_nodes;

/* Only the kernel writes fdinfo, and reading it does not open the file. */
static void add_descriptor(const char *fdinfo)
{
	static const char pseudo[] = "/shmbuf:", node[] = NODE "-", deleted[] = " (deleted)";
	char line[512], path[64], link[PATH_MAX] = "", *end;
	FILE *f = fopen(fdinfo, "r");
	unsigned int pid, fd;
	struct buffer b;

	init_buffer(&b);
	while (f && fgets(line, sizeof(line), f))
		parse_line(&b, line, "shmbuf-");
	if (f)
		fclose(f);
	if (b.value[SIZE] == NOT_GIVEN || sscanf(fdinfo, "/proc/%u/fdinfo/%u", &pid, &fd) < 2)
		return;
	snprintf(path, sizeof(path), "/proc/%u/fd/%u", pid, fd);
	if (readlink(path, link, sizeof(link) - 1) < 0 ||
	    of_nodes == !strncmp(link, pseudo, strlen(pseudo)))
		return;
	end = link + strlen(link) - strlen(deleted);
	if (end > link && !strcmp(end, deleted))
		*end = 0;
	if (of_nodes) {
		b.value[NODE_INODE] = b.value[INODE];
		b.value[INODE] = NOT_GIVEN;
		set_name(&b, strncmp(link, node, strlen(node)) ? "" : link + strlen(node));
	} else {
		set_name(&b, link + strlen(pseudo));
	}
	snprintf(path, sizeof(path), "%u:%u", pid, fd);
	add_buffer(&b, path);
}

static void find_paths(const char *pattern, void (*add)(const char *path))
{
	size_t i;
	glob_t g;

	if (glob(pattern, GLOB_NOSORT, NULL, &g))
		return;
	for (i = 0; i < g.gl_pathc; i++)
		add(g.gl_pathv[i]);
	globfree(&g);
}

/* Only debugfs has a buffer without a path, which a driver holds or a process maps. */
static void find_buffers(void)
{
	const char **where;

	while (nr_buffers) {
		where = buffers[--nr_buffers].where;
		for (; where && *where; where++)
			free((char *)*where);
		free(buffers[nr_buffers].where);
	}
	read_debugfs();
	of_nodes = false;
	find_paths("/proc/[0-9]*/fdinfo/[0-9]*", add_descriptor);
	find_paths(NODE "-*", add_node);
	of_nodes = true;
	find_paths("/proc/[0-9]*/fdinfo/[0-9]*", add_descriptor);
}

/*
 * The argument BUFFER
 */

/* Return the buffer of this name. Prefer a buffer that is not revoked. */
static const struct buffer *find_by_name(const char *name)
{
	const struct buffer *match = NULL, *b;

	find_buffers();
	for (b = buffers; b < buffers + nr_buffers; b++) {
		if (!b->where || strcmp(b->name, name))
			continue;
		if (match && !match->value[REVOKED] && !b->value[REVOKED])
			die(FAILED, "more than one buffer has the name '%s'; see 'shmbuf list'",
			    name);
		if (!match || match->value[REVOKED])
			match = b;
	}
	if (!match)
		die(FAILED, "'%s' is not a buffer that you may open; see 'shmbuf list'", name);
	return match;
}

/* Return the text after the number, or NULL. */
static const char *parse_index(const char *text, int *n)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	*n = value;
	return isdigit(*text) && !errno && value <= INT_MAX ? end : NULL;
}

/* Return the path for a path, PID:FD, or the name of a node, or NULL. */
static const char *find_path(const char *buffer)
{
	static char path[PATH_MAX];
	const char *end;
	int pid, fd;

	if (strchr(buffer, '/'))
		return buffer;
	end = parse_index(buffer, &pid);
	if (end && *end == ':')
		end = parse_index(end + 1, &fd);
	if (end && !*end) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		return path;
	}
	snprintf(path, sizeof(path), NODE "-%s", buffer);
	return access(path, F_OK) ? NULL : path;
}

/* SIGNAL works without permission to write. The kernel refuses the other operations. */
static int open_path(const char *path, int flags)
{
	int fd = try_open(path, flags);

	if (fd < 0 && errno == EACCES)
		fd = try_open(path, flags & ~O_ACCMODE);
	if (fd < 0)
		fail("open", path);
	return fd;
}

static int open_buffer(const char *buffer, int flags, struct buffer *b)
{
	const struct buffer *found = NULL;
	const char *end, *path = NULL;
	int fd;

	if (!*buffer)
		die(BAD_USAGE, "the argument BUFFER is empty");
	end = parse_index(buffer, &fd);
	if (!end || *end) {
		path = find_path(buffer);
		if (!path) {
			found = find_by_name(buffer);
			path = find_path(found->where[0]);
		}
		fd = open_path(path, flags);
	}
	if (!get_info(fd, b))
		fail("open", buffer);
	/* The process may have ended, or have another file at this descriptor. */
	if (found && (strcmp(found->name, b->name) || !is_same(found, b)))
		die(FAILED, "the buffer '%s' has gone; try again", buffer);
	if (path)
		add_where(b, path);
	return fd;
}

/* Return the end of the range of the options. */
static __u64 range_end(const struct buffer *b)
{
	__u64 size = b->value[SIZE];

	if (opt.length == NOT_GIVEN && opt.offset <= size)
		return size;
	if (opt.offset > size || opt.length > size - opt.offset)
		die(FAILED, "the range is not inside the buffer, which has %llu bytes", ULL(size));
	return opt.offset + opt.length;
}

/*
 * Output
 */

/* A newer kernel may have names that this program does not know. */
static const char *get_name(const char *const *names, __u64 n)
{
	while (*names && n--)
		names++;
	return *names ?: "unknown";
}

static const char *human_size(__u64 size)
{
	static const char *const units[] = { "", "K", "M", "G", "T" };
	static char text[32];
	int unit = 0;

	for (; unit < 4 && size && !(size & 1023); unit++)
		size >>= 10;
	snprintf(text, sizeof(text), "%llu%s", ULL(size), units[unit]);
	return text;
}

static void print_text(const char *text, bool json)
{
	if (!json) {
		fputs(text, stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	}
	putchar('"');
}

/* Print the texts whose bits are set. */
static void print_list(const char *const *texts, __u64 bits, bool json)
{
	const char *separator = "";
	size_t i;

	fputs(json ? "[" : "", stdout);
	for (i = 0; texts && texts[i]; i++) {
		if (i < 64 && !(bits >> i & 1))
			continue;
		fputs(separator, stdout);
		print_text(texts[i], json);
		separator = json ? ", " : " ";
	}
	fputs(json ? "]" : "", stdout);
}

static void print_row(const struct buffer *b, int width)
{
	const __u64 *value = b->value;

	printf("%-*s %6llu %7s %-8s %-13s %4llu %8llu %-7s %7llu ", width, *b->name ? b->name : "-",
	       ULL(value[INODE] == NOT_GIVEN ? 0 : value[INODE]), human_size(value[SIZE]),
	       get_name(backings, value[BACKING]), get_name(caches, value[CACHE]),
	       ULL(value[MAPPINGS]), ULL(value[WRITABLE]),
	       value[REVOKED] ? "revoked" : value[SEALS] & SHMBUF_SEAL_WRITE ? "sealed" : "-",
	       ULL(value[SIGNALS]));
	if (b->where)
		print_list(b->where, NOT_GIVEN, false);
	printf(b->where ? "\n" : "-\n");
}

static void print_table(void)
{
	int width = strlen("NAME"), len;
	size_t i;

	for (i = 0; i < nr_buffers; i++) {
		len = strlen(buffers[i].name);
		width = len > width ? len : width;
	}
	printf("%-*s %6s %7s %-8s %-13s %4s %8s %-7s %7s %s\n", width, "NAME", "INODE", "SIZE",
	       "BACKING", "CACHE", "MAPS", "WRITABLE", "STATE", "SIGNALS", "WHERE");
	for (i = 0; i < nr_buffers; i++)
		print_row(&buffers[i], width);
}

static void print_value(size_t field, __u64 value, bool json)
{
	if (value == NOT_GIVEN)
		fputs(json ? "null" : "-", stdout);
	else if (fields[field].kind == BITS)
		print_list(fields[field].names, value, json);
	else if (fields[field].kind == WORD)
		print_text(get_name(fields[field].names, value), json);
	else if (fields[field].kind == FLAG)
		fputs(value ? "true" : "false", stdout);
	else
		printf("%llu", ULL(value));
}

static void print_buffer(const struct buffer *b, bool json)
{
	size_t i;

	fputs(json ? "{\"name\": " : "name:              ", stdout);
	print_text(b->name, json);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (json)
			printf(", \"%s\": ", fields[i].key);
		else
			printf("\n%s:%*s", fields[i].key, 18 - (int)strlen(fields[i].key), "");
		print_value(i, b->value[i], json);
	}
	fputs(json ? ", \"where\": " : "\nwhere:             ", stdout);
	print_list(b->where, NOT_GIVEN, json);
	fputs(json ? "}" : "\n", stdout);
}

/* Print a line like hexdump -C, or an asterisk for lines that repeat. */
static void dump_line(__u64 pos, const unsigned char *data, size_t len)
{
	static unsigned char last[16];
	static int repeats = -1;
	size_t i;

	if (repeats >= 0 && len == 16 && !memcmp(data, last, 16)) {
		printf("%s", repeats++ ? "" : "*\n");
		return;
	}
	repeats = 0;
	memcpy(last, data, len);
	printf("%08llx ", ULL(pos));
	for (i = 0; i < 16; i++)
		printf(i < len ? "%s%02x " : "%s   ", i % 8 ? "" : " ", i < len ? data[i] : 0);
	printf(" |");
	for (i = 0; i < len; i++)
		putchar(data[i] >= ' ' && data[i] <= '~' ? data[i] : '.');
	printf("|\n");
}

static void dump(__u64 pos, const void *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += 16)
		dump_line(pos + i, (const unsigned char *)data + i, len - i < 16 ? len - i : 16);
}

/*
 * Commands
 */

static char chunk[65536];

static size_t chunk_size(__u64 len, size_t max)
{
	return len < max ? len : max;
}

/* Replace this program by the command, which inherits a descriptor. */
static noreturn void run_command(char **argv, int fd, const char *variable)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	if (fcntl(fd, F_SETFD, 0) || setenv(variable, number, 1))
		fail("pass on the buffer", NULL);
	execvp(argv[0], argv);
	die(errno == ENOENT ? NOT_FOUND : CANNOT_RUN, "cannot run %s: %s", argv[0],
	    strerror(errno));
}

/*
 * Print the path of the buffer, and hold the buffer until a signal ends the process. In
 * the background, the process does not hold files or the directory of the caller.
 */
static noreturn void hold_buffer(int fd)
{
	int null = -1;
	pid_t pid = 0;

	if (opt.background) {
		fd = dup2(fd, 3);
		if (fd >= 0 && !close_range(4, ~0U, 0) && !chdir("/"))
			null = open("/dev/null", O_RDWR);
		pid = null < 0 ? -1 : fork();
		if (pid < 0)
			fail("hold the buffer", NULL);
	}
	if (opt.background && !pid) {
		setsid();
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		close(null);
	} else {
		signal(SIGPIPE, SIG_IGN);
		printf("/proc/%d/fd/%d\n", pid ?: getpid(), fd);
		if (fflush(stdout)) {
			if (pid)
				kill(pid, SIGKILL);
			fail("write the output", NULL);
		}
	}
	if (pid)
		exit(0);
	while (1)
		pause();
}

static void do_create(char **argv)
{
	struct shmbuf_create c = {
		.backing = opt.backing,
		.cache = opt.cache,
		.numa_node = opt.node == NOT_GIVEN ? SHMBUF_NUMA_ANY : (int)opt.node,
	};
	int node;

	if (opt.background && argv[1])
		die(BAD_USAGE, "--background excludes a COMMAND");
	if (!parse_size(argv[0], &c.size) || !c.size)
		die(BAD_USAGE, "'%s' is not a size, such as 4096, 64K or 2M", argv[0]);
	snprintf((char *)c.name, sizeof(c.name), "%s", opt.name);
	node = open(NODE, O_RDWR | O_CLOEXEC);
	if (node < 0)
		fail("open " NODE, NULL);
	if (ioctl(node, SHMBUF_IOC_CREATE, &c))
		fail("create the buffer", NULL);
	/* This makes the number 3, if 3 is free. */
	node = dup3(c.fd, node, O_CLOEXEC);
	close(c.fd);
	if (argv[1])
		run_command(argv + 1, node, "SHMBUF_FD");
	hold_buffer(node);
}

static void do_list(char **argv)
{
	size_t i;

	(void)argv;
	find_buffers();
	if (!nr_buffers && access(NODE, F_OK))
		fail("open " NODE, NULL);
	if (!opt.json) {
		print_table();
		return;
	}
	printf("[");
	for (i = 0; i < nr_buffers; i++) {
		printf(i ? ",\n " : "");
		print_buffer(&buffers[i], true);
	}
	printf("]\n");
}

static void do_watch(char **argv)
{
	struct timespec t = { .tv_sec = opt.interval };
	__u64 n;

	t.tv_nsec = (opt.interval - t.tv_sec) * 1e9;
	for (n = 0; n < opt.lists; n++) {
		if (n)
			nanosleep(&t, NULL);
		printf(isatty(STDOUT_FILENO) ? "\033[H\033[J" : n ? "\n" : "");
		do_list(argv);
		if (fflush(stdout))
			break;
	}
}

static void do_info(char **argv)
{
	struct buffer b;

	open_buffer(argv[0], O_RDONLY, &b);
	print_buffer(&b, opt.json);
	fputs(opt.json ? "\n" : "", stdout);
}

/* Begin or end a turn of the CPU, if a device does not see the CPU cache. */
static void sync_range(int fd, __u64 pos, __u64 len, __u32 direction, __u32 phase)
{
	struct shmbuf_sync sync = {
		.offset = pos, .length = len, .direction = direction, .phase = phase,
	};

	if (ioctl(fd, SHMBUF_IOC_SYNC, &sync))
		fail(direction == SHMBUF_SYNC_READ ? "read" : "write", "the buffer");
}

/* Return the end of the range. */
static __u64 read_range(const char *buffer, void (*print)(__u64 pos, const void *data, size_t len))
{
	struct buffer b;
	int fd = open_buffer(buffer, O_RDONLY, &b);
	__u64 pos = opt.offset, end = range_end(&b);
	ssize_t n;

	sync_range(fd, pos, end - pos, SHMBUF_SYNC_READ, SHMBUF_SYNC_BEGIN);
	for (; pos < end; pos += n) {
		n = pread(fd, chunk, chunk_size(end - pos, sizeof(chunk)), pos);
		if (n < 0)
			fail("read", buffer);
		if (!n)
			break;
		print(pos, chunk, n);
		if (ferror(stdout))
			fail("write the output", NULL);
	}
	sync_range(fd, opt.offset, end - opt.offset, SHMBUF_SYNC_READ, SHMBUF_SYNC_END);
	return end;
}

static void print_raw(__u64 pos, const void *data, size_t len)
{
	(void)pos;
	fwrite(data, 1, len, stdout);
}

static void do_cat(char **argv)
{
	read_range(argv[0], print_raw);
}

static void do_dump(char **argv)
{
	printf("%08llx\n", ULL(read_range(argv[0], dump)));
}

static void write_chunk(int fd, size_t len, __u64 pos)
{
	ssize_t done = 0, n;

	sync_range(fd, pos, len, SHMBUF_SYNC_WRITE, SHMBUF_SYNC_BEGIN);
	for (; (size_t)done < len; done += n) {
		n = pwrite(fd, chunk + done, len - done, pos + done);
		if (n < 0)
			fail("write", "the buffer");
	}
	sync_range(fd, pos, len, SHMBUF_SYNC_WRITE, SHMBUF_SYNC_END);
}

/* The chunk holds whole patterns, so each write begins with a pattern. */
static void fill_pattern(int fd, __u64 pos, __u64 end, const char *pattern, size_t len)
{
	size_t size = sizeof(chunk) / len * len, n;

	for (n = 0; n < size; n++)
		chunk[n] = pattern[n % len];
	for (; pos < end; pos += n) {
		n = chunk_size(end - pos, size);
		write_chunk(fd, n, pos);
	}
}

static void fill_input(int fd, __u64 pos, __u64 end)
{
	size_t n;

	for (; pos < end; pos += n) {
		n = fread(chunk, 1, chunk_size(end - pos, sizeof(chunk)), stdin);
		if (!n)
			break;
		write_chunk(fd, n, pos);
	}
	if (ferror(stdin))
		fail("read the standard input", NULL);
	if (opt.length == NOT_GIVEN && getchar() != EOF)
		die(FAILED, "the buffer is full, and the rest of the input was not written");
}

static void do_fill(char **argv)
{
	char byte = opt.byte;
	struct buffer b;
	__u64 end;
	int fd;

	if (opt.pattern && opt.byte != NOT_GIVEN)
		die(BAD_USAGE, "--byte and --pattern exclude each other");
	fd = open_buffer(argv[0], O_RDWR, &b);
	end = range_end(&b);
	if (opt.pattern)
		fill_pattern(fd, opt.offset, end, opt.pattern, strlen(opt.pattern));
	else if (opt.byte != NOT_GIVEN)
		fill_pattern(fd, opt.offset, end, &byte, 1);
	else
		fill_input(fd, opt.offset, end);
}

static void do_seal(char **argv)
{
	struct shmbuf_seal seal = { 0 };
	struct buffer b;
	int fd = open_buffer(argv[0], O_RDWR, &b);

	if (opt.write || !opt.seal)
		seal.seals |= SHMBUF_SEAL_WRITE;
	if (opt.seal)
		seal.seals |= SHMBUF_SEAL_SEAL;
	if (ioctl(fd, SHMBUF_IOC_SEAL, &seal))
		fail("seal", argv[0]);
}

static void do_signal(char **argv)
{
	__u64 left = opt.count;
	struct shmbuf_notify n = { 0 };
	struct buffer b;
	int fd = open_buffer(argv[0], O_RDWR, &b);

	while (left--) {
		if (ioctl(fd, SHMBUF_IOC_SIGNAL, &n))
			fail("signal", argv[0]);
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* SIGALRM interrupts ACK. The timer repeats, as it may expire before ACK sleeps. */
static void do_wait(char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { .it_interval.tv_usec = 10000, .it_value.tv_sec = opt.timeout };
	struct shmbuf_notify n;
	struct buffer b;
	__u64 seen;
	int fd = open_buffer(argv[0], O_RDONLY, &b);

	timer.it_value.tv_usec = (opt.timeout - timer.it_value.tv_sec) * 1e6 + 1;
	timer.it_value.tv_usec -= timer.it_value.tv_usec > 999999;
	sigaction(SIGALRM, &action, NULL);
	if (opt.timeout >= 0)
		setitimer(ITIMER_REAL, &timer, NULL);
	for (seen = 0; seen < opt.count; seen += n.count) {
		n = (struct shmbuf_notify) { .flags = SHMBUF_NOTIFY_WAIT };
		if (!ioctl(fd, SHMBUF_IOC_ACK, &n))
			continue;
		if (errno != EINTR)
			fail("wait for", argv[0]);
		die(TIMED_OUT, "%llu of %llu signals came in %g seconds", ULL(seen),
		    ULL(opt.count), opt.timeout);
	}
	printf("%llu\n", ULL(seen));
}

static void do_export(char **argv)
{
	struct shmbuf_export e = { 0 };
	struct stat st = { 0 };
	struct buffer b;
	int fd = open_buffer(argv[0], O_RDWR, &b);

	if (ioctl(fd, SHMBUF_IOC_EXPORT, &e))
		fail("export", argv[0]);
	if (argv[1])
		run_command(argv + 1, e.fd, "SHMBUF_DMABUF_FD");
	fstat(e.fd, &st);
	printf("size:  %llu\ninode: %llu\n", ULL(lseek(e.fd, 0, SEEK_END)), ULL(st.st_ino));
}

/* Only debugfs has the inode number of a named node's buffer. */
static __u64 find_inode(const char *buffer)
{
	const struct buffer *match = NULL;
	struct buffer b;
	size_t i;

	open_buffer(buffer, O_RDONLY, &b);
	if (b.value[INODE] != NOT_GIVEN)
		return b.value[INODE];
	nr_buffers = 0;
	read_debugfs();
	for (i = 0; i < nr_buffers; i++) {
		if (!is_same(&buffers[i], &b))
			continue;
		if (match)
			die(FAILED, "more than one buffer looks like it; use --inode");
		match = &buffers[i];
	}
	return match ? match->value[INODE] : 0;
}

static void do_revoke(char **argv)
{
	bool by_inode = opt.inode != NOT_GIVEN;
	int fd;

	if (by_inode == !!argv[0])
		die(BAD_USAGE, "name a buffer, or use --inode");
	fd = open(REVOKE_FILE, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		fail("open " REVOKE_FILE, NULL);
	if (dprintf(fd, "%llu", ULL(by_inode ? opt.inode : find_inode(argv[0]))) < 0)
		fail("revoke", argv[0] ?: "the buffer");
}

/*
 * The command line
 */

#define ANY	1000000

static const struct {
	const char *name, *arguments, *summary, *text;
	int min, max;
	void (*run)(char **argv);
} commands[] = {
	[CREATE] = { "create", "SIZE [COMMAND [ARGUMENT...]]", "create a buffer",
		     "COMMAND has the buffer open; the descriptor is in $SHMBUF_FD. Without COMMAND,\n"
		     "shmbuf prints a path of the buffer and holds it until a signal ends shmbuf.\n",
		     1, ANY, do_create },
	[LIST] = { "list", "", "list the buffers that you may see",
		   "WHERE is a path or PID:FD for each way to open the buffer. Root sees all buffers.\n",
		   0, 0, do_list },
	[INFO] = { "info", "BUFFER", "describe a buffer", "", 1, 1, do_info },
	[CAT] = { "cat", "BUFFER", "write a range of a buffer to standard output", "",
		  1, 1, do_cat },
	[DUMP] = { "dump", "BUFFER", "print a range of a buffer in hexadecimal", "",
		   1, 1, do_dump },
	[FILL] = { "fill", "BUFFER", "fill a range of a buffer",
		   "Without --byte and --pattern, standard input goes into the range.\n",
		   1, 1, do_fill },
	[SEAL] = { "seal", "BUFFER", "seal a buffer for ever", "", 1, 1, do_seal },
	[SIGNAL] = { "signal", "BUFFER", "wake the processes that wait for a buffer", "",
		     1, 1, do_signal },
	[WAIT] = { "wait", "BUFFER", "wait for signals, and print how many came",
		   "Only new signals count. On an inherited descriptor, those since its last ACK.\n",
		   1, 1, do_wait },
	[WATCH] = { "watch", "", "print the list repeatedly", "", 0, 0, do_watch },
	[EXPORT] = { "export", "BUFFER [COMMAND [ARGUMENT...]]", "export a buffer as a DMA-BUF",
		     "COMMAND has the DMA-BUF open; the descriptor is in $SHMBUF_DMABUF_FD. Without\n"
		     "COMMAND, shmbuf prints the size and the inode number of the DMA-BUF.\n",
		     1, ANY, do_export },
	[REVOKE] = { "revoke", "BUFFER | --inode N", "take a buffer away from all processes",
		     "This needs root and debugfs. An access to a mapping then raises SIGBUS.\n",
		     0, 1, do_revoke },
};

static noreturn void print_help(void)
{
	size_t i;

	printf("usage: shmbuf COMMAND [OPTION...] [ARGUMENT...]\n\n"
	       "Create and use buffers that the kernel and processes share.\n\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	printf("\nBUFFER is one of:\n"
	       "  NAME     /dev/shmbuf-NAME, or the buffer of that name that a process has open\n"
	       "  PATH     with a slash, such as /dev/shmbuf-NAME or /proc/PID/fd/FD\n"
	       "  PID:FD   descriptor FD of process PID\n"
	       "  FD       an inherited descriptor, such as $SHMBUF_FD\n\n"
	       "Exit status: 0 success, 1 failure, 2 bad usage, 3 timeout of wait.\n"
	       "'shmbuf COMMAND --help' shows the options of a command.\n");
	exit(0);
}

static noreturn void print_command_help(int c)
{
	const struct option_info *o;
	char left[32];

	printf("usage: shmbuf %s [OPTION...]%s%s\n\n%c%s.\n%s\n", command,
	       *commands[c].arguments ? " " : "", commands[c].arguments,
	       toupper(*commands[c].summary), commands[c].summary + 1, commands[c].text);
	for (o = options; o < options + ARRAY_SIZE(options); o++) {
		if (!(o->commands & IN(c)))
			continue;
		snprintf(left, sizeof(left), "--%s %s", o->name, o->argument ?: "");
		printf("  %-20s %s\n", left, o->help);
	}
	printf("  %-20s %s\n", "--help", "print this text");
	exit(0);
}

static void use_option(const struct option_info *o)
{
	if (!parse_option(o, optarg))
		die(BAD_USAGE, "--%s cannot be '%s': %s", o->name, optarg, o->help);
}

/* Return the arguments that follow the options. */
static char **parse_options(int c, int argc, char **argv)
{
	struct option table[ARRAY_SIZE(options) + 2] = { { "help", no_argument, NULL, 'h' } };
	int i, n = 1;

	for (i = 0; i < (int)ARRAY_SIZE(options); i++) {
		if (options[i].commands & IN(c))
			table[n++] = (struct option) { options[i].name, !!options[i].argument,
						       NULL, 256 + i };
	}
	opterr = 0;
	/* Stop at COMMAND, which has its own options. */
	while ((i = getopt_long(argc, argv, commands[c].max == ANY ? "+:h" : ":h", table,
				NULL)) != -1) {
		if (i == 'h')
			print_command_help(c);
		if (i == '?' && optopt > 0 && optopt < 256)
			die(BAD_USAGE, "'-%c' is not an option", optopt);
		if (i == '?')
			die(BAD_USAGE, "'%s' is not an option", argv[optind - 1]);
		if (i == ':')
			die(BAD_USAGE, "'%s' needs an argument", argv[optind - 1]);
		use_option(&options[i - 256]);
	}
	if (argc - optind < commands[c].min)
		die(BAD_USAGE, "an argument is missing: %s", commands[c].arguments);
	if (argc - optind > commands[c].max)
		die(BAD_USAGE, "'%s' is one argument too many", argv[optind + commands[c].max]);
	return argv + optind;
}

static int find_command(const char *name)
{
	size_t c = 0;

	while (c < ARRAY_SIZE(commands) && strcmp(commands[c].name, name))
		c++;
	if (c == ARRAY_SIZE(commands))
		die(BAD_USAGE, "'%s' is not a command", name);
	command = commands[c].name;
	return c;
}

int main(int argc, char **argv)
{
	int c, fd;

	/* If descriptor 0, 1 or 2 is closed, a buffer must not get its number. */
	do {
		fd = open("/dev/null", O_RDONLY);
		if (fd < 0)
			return FAILED;
	} while (fd <= 2);
	close(fd);
	if (argc < 2)
		die(BAD_USAGE, "name a command");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		print_help();
	c = find_command(argv[1]);
	commands[c].run(parse_options(c, argc - 1, argv + 1));
	if (fflush(stdout) || ferror(stdout))
		fail("write the output", NULL);
	return 0;
}
