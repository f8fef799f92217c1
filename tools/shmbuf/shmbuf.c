// SPDX-License-Identifier: GPL-2.0-only
/*
 * shmbuf: create, list, fill, seal, signal, export and revoke the buffers of the
 * driver shmbuf from a shell. shmbuf.1 is the manual.
 *
 * Three tables hold the texts: reasons[] explains errors, options[] and commands[] are
 * the command line. A command has its arguments in argv and its options in opt.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/shmbuf.h>

#define NODE		"/dev/shmbuf"
#define BUFFERS		"/sys/kernel/debug/shmbuf/buffers"
#define REVOKE_FILE	"/sys/kernel/debug/shmbuf/revoke"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))
#define ULL(n)		((unsigned long long)(n))
#define NOT_GIVEN	(~0ULL)

/* CANNOT_RUN and NOT_FOUND are about COMMAND, as in a shell. */
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

/* Explain an error of an operation, or without an operation of each other one. */
static const struct {
	int error;
	const char *operation, *text;
} reasons[] = {
	{ ENOENT, "open " NODE, "the module shmbuf is not loaded; load it with 'modprobe shmbuf'" },
	{ EACCES, "open " NODE, "permission is missing; run as root, or write a udev rule" },
	{ EINVAL, "create", "the size is too large, or the name or the NUMA node is not valid" },
	{ EOPNOTSUPP, "create",
	  "this kernel does not have this backing, or not with this --cache or --node" },
	{ ENOMEM, "create",
	  "there is not enough such memory, or locked memory is limited (ulimit -l)" },
	{ ENOENT, "open", "it does not exist; 'shmbuf list' shows the buffers" },
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

static noreturn void fail(const char *operation, const char *object)
{
	const char *text = strerror(errno);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].error == errno &&
		    (!reasons[i].operation || !strcmp(reasons[i].operation, operation))) {
			text = reasons[i].text;
			break;
		}
	}
	die(FAILED, "cannot %s%s%s: %s", operation, *object ? " " : "", object, text);
}

/*
 * Options
 */

/* Return the index of a name, or that of the NULL at the end. */
static size_t find_name(const char *const *names, const char *name)
{
	size_t i = 0;

	while (names[i] && strcmp(names[i], name))
		i++;
	return i;
}

struct option_info {
	unsigned int commands;
	const char *name, *argument, *help;
	bool (*parse)(const struct option_info *o, const char *text);
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
	n = strtoull(text, &end, 0);
	if (errno || !isdigit(*text))
		return false;
	if (*end)
		suffix = strchr(suffixes + 1, toupper(*end++));
	return suffix && !*end &&
	       !__builtin_mul_overflow(n, 1ULL << 10 * (suffix - suffixes), size);
}

static bool parse_number(const struct option_info *o, const char *text)
{
	__u64 *n = o->value;

	return parse_size(text, n) && *n >= o->min && *n <= o->max;
}

static bool parse_seconds(const struct option_info *o, const char *text)
{
	double *n = o->value;
	char *end;

	*n = strtod(text, &end);
	return isdigit(*text) && !*end && *n < 1e9;
}

static bool parse_name(const struct option_info *o, const char *text)
{
	size_t n = find_name(o->names, text);

	*(__u64 *)o->value = n;
	return o->names[n];
}

static bool parse_text(const struct option_info *o, const char *text)
{
	*(const char **)o->value = text;
	return strlen(text) >= o->min && strlen(text) <= o->max;
}

static bool set_flag(const struct option_info *o, const char *text)
{
	(void)text;
	return *(bool *)o->value = true;
}

#define IN(c)		(1U << (c))
#define IN_RANGE	(IN(CAT) | IN(DUMP) | IN(FILL))
#define MAX		(NOT_GIVEN - 1)

static const struct option_info options[] = {
	{ IN(CREATE), "backing", "KIND", "pages (the default), contig, coherent or stream",
	  parse_name, &opt.backing, .names = backings },
	{ IN(CREATE), "cache", "KIND", "cached (the default), write-combine, uncached or device",
	  parse_name, &opt.cache, .names = caches },
	{ IN(CREATE), "name", "NAME", "name of the buffer, of at most 31 characters",
	  parse_text, &opt.name, .max = SHMBUF_NAME_LEN - 1 },
	{ IN(CREATE), "node", "N", "NUMA node that the memory comes from",
	  parse_number, &opt.node, .max = 1 << 20 },
	{ IN(CREATE), "background", NULL, "hold the buffer in the background",
	  set_flag, .value = &opt.background },
	{ IN(LIST) | IN(INFO), "json", NULL, "print JSON", set_flag, .value = &opt.json },
	{ IN_RANGE, "offset", "BYTES", "start of the range, such as 4096 or 64K (default: 0)",
	  parse_number, &opt.offset, .max = MAX },
	{ IN_RANGE, "length", "BYTES", "length of the range (default: to the end of the buffer)",
	  parse_number, &opt.length, .max = MAX },
	{ IN(FILL), "byte", "N", "fill the range with this byte, 0 to 255",
	  parse_number, &opt.byte, .max = 255 },
	{ IN(FILL), "pattern", "TEXT",
	  "fill the range with this text, repeated, of 1 to 4096 bytes",
	  parse_text, &opt.pattern, .min = 1, .max = 4096 },
	{ IN(SEAL), "write", NULL, "forbid writing (the default)", set_flag, .value = &opt.write },
	{ IN(SEAL), "seal", NULL, "forbid further seals", set_flag, .value = &opt.seal },
	{ IN(SIGNAL), "count", "N", "number of signals (default: 1)",
	  parse_number, &opt.count, .min = 1, .max = MAX },
	{ IN(WAIT), "count", "N", "number of signals to wait for (default: 1)",
	  parse_number, &opt.count, .min = 1, .max = MAX },
	{ IN(WAIT), "timeout", "SECONDS", "end with status 3 after this time, such as 2 or 0.5",
	  parse_seconds, .value = &opt.timeout },
	{ IN(WATCH), "count", "N", "number of lists (default: endless)",
	  parse_number, &opt.lists, .min = 1, .max = MAX },
	{ IN(WATCH), "interval", "SECONDS", "time between two lists, such as 2 or 0.5 (default: 1)",
	  parse_seconds, .value = &opt.interval },
	{ IN(REVOKE), "inode", "N", "revoke the buffer with this inode number in 'shmbuf list'",
	  parse_number, &opt.inode, .min = 1, .max = MAX },
};

/*
 * Buffers that the caller may see
 */

struct buffer {
	struct shmbuf_info info;
	__u64 inode;		/* 0 if it is not known */
	unsigned int revoked;
	char *where;		/* a path, or PID:FD of each process, or NULL */
};

static struct buffer *buffers;
static size_t nr_buffers;

static struct buffer *add_buffer(const struct buffer *b)
{
	buffers = realloc(buffers, (nr_buffers + 1) * sizeof(*b));
	if (!buffers)
		fail("list", "the buffers");
	buffers[nr_buffers] = *b;
	return &buffers[nr_buffers++];
}

static void add_where(struct buffer *b, const char *where)
{
	char *old = b->where;

	if (asprintf(&b->where, "%s%s%s", old ?: "", old ? " " : "", where) < 0)
		fail("list", "the buffers");
	free(old);
}

/* Return whether the line has the format of this version. */
static bool parse_line(const char *line, struct buffer *b)
{
	unsigned long long ino, size, sequence;
	char backing[32], cache[32];
	int len = 0;

	*b = (struct buffer) { 0 };
	if (sscanf(line, "ino=%llu size=%llu backing=%31s cache=%31s mappings=%u writable=%u%n",
		   &ino, &size, backing, cache, &b->info.mappings, &b->info.writable_mappings,
		   &len) < 6)
		return false;
	if (sscanf(line + len, " seals=%x sequence=%llu revoked=%u name=%31[^\n]",
		   &b->info.seals, &sequence, &b->revoked, (char *)b->info.name) < 3)
		return false;
	b->inode = ino;
	b->info.size = size;
	b->info.sequence = sequence;
	b->info.backing = find_name(backings, backing);
	b->info.cache = find_name(caches, cache);
	return true;
}

static void read_debugfs(void)
{
	FILE *f = fopen(BUFFERS, "r");
	struct buffer b;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (parse_line(line, &b))
			add_buffer(&b);
	}
	if (f)
		fclose(f);
}

static bool get_info(int fd, struct buffer *b)
{
	struct stat st;

	*b = (struct buffer) { 0 };
	if (ioctl(fd, SHMBUF_IOC_INFO, &b->info))
		return false;
	b->revoked = !!(b->info.capabilities & SHMBUF_CAP_REVOKED);
	/* The inode of a node is not that of its buffer. */
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		b->inode = st.st_ino;
	return true;
}

/* Whether both can be the same buffer, whose counts may have changed meanwhile */
static bool is_same(const struct buffer *a, const struct buffer *b)
{
	if (a->inode && b->inode)
		return a->inode == b->inode;
	return a->info.size == b->info.size && a->info.backing == b->info.backing &&
	       a->info.cache == b->info.cache && !a->where &&
	       !strcmp((char *)a->info.name, (char *)b->info.name);
}

/* A revoked buffer cannot be opened, but its file still has an inode number. */
static bool look_at(const char *path, struct buffer *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	bool found;

	if (fd >= 0) {
		found = get_info(fd, b);
		close(fd);
		return found;
	}
	if (errno != ENODEV || stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	*b = (struct buffer) { .inode = st.st_ino, .revoked = true };
	return true;
}

/* Add a buffer unless the list has it, and where it can be opened. */
static void add_path(const char *path, const char *where)
{
	struct buffer b;
	size_t i = 0;

	if (!look_at(path, &b))
		return;
	while (i < nr_buffers && !is_same(&buffers[i], &b))
		i++;
	add_where(i < nr_buffers ? &buffers[i] : add_buffer(&b), where);
}

/* Add the buffers among the files that match a pattern: descriptors, or nodes. */
static void find_paths(const char *pattern)
{
	char link[64], where[64];
	unsigned int pid, fd;
	const char *path;
	size_t i;
	glob_t g;

	if (glob(pattern, GLOB_NOSORT, NULL, &g))
		return;
	for (i = 0; i < g.gl_pathc; i++) {
		path = g.gl_pathv[i];
		if (sscanf(path, "/proc/%u/fd/%u", &pid, &fd) < 2) {
			add_path(path, path);
		} else if (readlink(path, link, 64) > 8 && !strncmp(link, "/shmbuf:", 8)) {
			snprintf(where, sizeof(where), "%u:%u", pid, fd);
			add_path(path, where);
		}
	}
	globfree(&g);
}

/* A buffer without a path is that of a driver, or only mapped; debugfs shows it to root. */
static void find_buffers(void)
{
	while (nr_buffers)
		free(buffers[--nr_buffers].where);
	read_debugfs();
	find_paths("/proc/[0-9]*/fd/[0-9]*");
	find_paths(NODE "-*");
}

/*
 * The argument BUFFER
 */

static bool has_name(const struct buffer *b, const char *name)
{
	return b->where && !strcmp((char *)b->info.name, name);
}

static noreturn void die_ambiguous(const char *name)
{
	const struct buffer *b;

	begin_message();
	fprintf(stderr, "more than one buffer has the name '%s'; use one of:", name);
	for (b = buffers; b < buffers + nr_buffers; b++) {
		if (has_name(b, name) && !b->revoked)
			fprintf(stderr, " %s", strtok(b->where, " "));
	}
	end_message(FAILED);
}

/* Return where the buffer of this name can be opened, a revoked one only without another. */
static const char *find_by_name(const char *name)
{
	const struct buffer *match = NULL, *b;

	find_buffers();
	for (b = buffers; b < buffers + nr_buffers; b++) {
		if (!has_name(b, name))
			continue;
		if (match && !match->revoked && !b->revoked)
			die_ambiguous(name);
		if (!match || match->revoked)
			match = b;
	}
	if (!match)
		die(FAILED, "'%s' is not a buffer that you may open; see 'shmbuf list'", name);
	return strtok(match->where, " ");
}

/* Return the path for a name, a path, or PID:FD. */
static const char *find_path(const char *buffer)
{
	static char path[4096];
	unsigned int pid, fd;
	int len = 0;

	if (strchr(buffer, '/'))
		return buffer;
	if (sscanf(buffer, "%u:%u%n", &pid, &fd, &len) == 2 && !buffer[len]) {
		snprintf(path, sizeof(path), "/proc/%u/fd/%u", pid, fd);
		return path;
	}
	snprintf(path, sizeof(path), NODE "-%s", buffer);
	if (!access(path, F_OK))
		return path;
	return find_path(find_by_name(buffer));
}

/* SIGNAL works without permission to write; other operations then fail by themselves. */
static int open_path(const char *path, int flags)
{
	int fd;

	flags |= O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	fd = open(path, flags);
	if (fd < 0 && errno == EACCES)
		fd = open(path, flags & ~O_ACCMODE);
	if (fd < 0)
		fail("open", path);
	return fd;
}

static int open_buffer(const char *buffer, int flags, struct buffer *b)
{
	bool inherited = *buffer && !buffer[strspn(buffer, "0123456789")];
	const char *path = inherited ? "" : find_path(buffer);
	int fd = inherited ? atoi(buffer) : open_path(path, flags);

	if (!get_info(fd, b)) {
		if (errno == EBADF)
			die(FAILED, "descriptor %s is not open", buffer);
		die(FAILED, "%s is not a buffer of shmbuf", buffer);
	}
	if (!inherited)
		add_where(b, path);
	return fd;
}

/* Return the end of the range of the options. */
static __u64 range_end(const struct buffer *b)
{
	__u64 size = b->info.size;

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
static const char *get_name(const char *const *names, __u32 n)
{
	while (*names && n--)
		names++;
	return *names ?: "unknown";
}

static const char *bit_names(const char *const *names, __u32 bits)
{
	static char text[64];

	*text = 0;
	for (; *names; names++, bits >>= 1) {
		if (bits & 1)
			strcat(strcat(text, *text ? " " : ""), *names);
	}
	return text;
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

static void print_row(const struct buffer *b, int width)
{
	const struct shmbuf_info *info = &b->info;

	printf("%-*s %6llu %7s %-8s %-13s %4u %8u %-7s %7llu %s\n", width,
	       *info->name ? (char *)info->name : "-", ULL(b->inode), human_size(info->size),
	       get_name(backings, info->backing), get_name(caches, info->cache), info->mappings,
	       info->writable_mappings,
	       b->revoked ? "revoked" : info->seals & SHMBUF_SEAL_WRITE ? "sealed" : "-",
	       ULL(info->sequence), b->where ?: "-");
}

static void print_table(void)
{
	int width = strlen("NAME"), len;
	size_t i;

	for (i = 0; i < nr_buffers; i++) {
		len = strlen((char *)buffers[i].info.name);
		width = len > width ? len : width;
	}
	printf("%-*s %6s %7s %-8s %-13s %4s %8s %-7s %7s %s\n", width, "NAME", "INODE", "SIZE",
	       "BACKING", "CACHE", "MAPS", "WRITABLE", "STATE", "SIGNALS", "WHERE");
	for (i = 0; i < nr_buffers; i++)
		print_row(&buffers[i], width);
}

static void print_name_json(const char *name)
{
	printf("{\"name\": \"");
	for (; *name; name++)
		printf(*name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
	printf("\"");
}

static void print_array_json(const char *key, const char *words)
{
	const char *quote = *words ? "\"" : "";

	printf(", \"%s\": [%s", key, quote);
	for (; *words; words++)
		printf(*words == ' ' ? "\",%c\"" : "%c", *words);
	printf("%s]", quote);
}

static void print_json(const struct buffer *b)
{
	const struct shmbuf_info *info = &b->info;

	print_name_json((char *)info->name);
	printf(", \"inode\": %llu, \"size\": %llu, \"backing\": \"%s\", \"cache\": \"%s\"",
	       ULL(b->inode), ULL(info->size), get_name(backings, info->backing),
	       get_name(caches, info->cache));
	printf(", \"mappings\": %u, \"writable_mappings\": %u, \"signals\": %llu, \"revoked\": %s",
	       info->mappings, info->writable_mappings, ULL(info->sequence),
	       b->revoked ? "true" : "false");
	print_array_json("seals", bit_names(seals, info->seals));
	print_array_json("where", b->where ?: "");
	printf("}");
}

static void print_info(const struct shmbuf_info *info)
{
	printf("name:              %s\nsize:              %llu\n", info->name, ULL(info->size));
	printf("backing:           %s\ncache:             %s\nmap unit:          %llu\n",
	       get_name(backings, info->backing), get_name(caches, info->cache),
	       ULL(info->map_unit));
	printf("mappings:          %u\nwritable mappings: %u\nsignals:           %llu\n",
	       info->mappings, info->writable_mappings, ULL(info->sequence));
	printf("seals:             %s\n", bit_names(seals, info->seals));
	printf("capabilities:      %s\n", bit_names(capabilities, info->capabilities));
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
		fail("pass on", "the buffer");
	execvp(argv[0], argv);
	die(errno == ENOENT ? NOT_FOUND : CANNOT_RUN, "cannot run %s: %s", argv[0],
	    strerror(errno));
}

/* Print the path of the buffer, and hold it until a signal ends the process. */
static noreturn void hold(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid = opt.background ? fork() : 0;

	if (null < 0 || pid < 0)
		fail("hold", "the buffer");
	if (pid || !opt.background)
		printf("/proc/%d/fd/%d\n", pid ?: getpid(), fd);
	fflush(stdout);
	if (pid)
		exit(0);
	if (opt.background) {
		setsid();
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
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

	if (!parse_size(argv[0], &c.size) || !c.size)
		die(BAD_USAGE, "'%s' is not a size, such as 4096, 64K or 2M", argv[0]);
	snprintf((char *)c.name, sizeof(c.name), "%s", opt.name);
	node = open(NODE, O_RDWR | O_CLOEXEC);
	if (node < 0)
		fail("open " NODE, "");
	if (ioctl(node, SHMBUF_IOC_CREATE, &c))
		fail("create", "the buffer");
	/* So that the number is 3, if that is free */
	node = dup3(c.fd, node, O_CLOEXEC);
	close(c.fd);
	if (argv[1])
		run_command(argv + 1, node, "SHMBUF_FD");
	hold(node);
}

static void do_list(char **argv)
{
	size_t i;

	(void)argv;
	if (access(NODE, F_OK))
		fail("open " NODE, "");
	find_buffers();
	if (!opt.json) {
		print_table();
		return;
	}
	printf("[");
	for (i = 0; i < nr_buffers; i++) {
		printf(i ? ",\n " : "");
		print_json(&buffers[i]);
	}
	printf("]\n");
}

static void do_watch(char **argv)
{
	__u64 n;

	for (n = 0; n < opt.lists; n++) {
		if (n)
			usleep(opt.interval * 1e6);
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
	if (opt.json) {
		print_json(&b);
		printf("\n");
	} else {
		print_info(&b.info);
	}
}

/* Return the end of the range. */
static __u64 read_range(const char *buffer, void (*print)(__u64 pos, const void *data, size_t len))
{
	struct buffer b;
	int fd = open_buffer(buffer, O_RDONLY, &b);
	__u64 pos = opt.offset, end = range_end(&b);
	ssize_t n;

	for (; pos < end; pos += n) {
		n = pread(fd, chunk, chunk_size(end - pos, sizeof(chunk)), pos);
		if (n < 0)
			fail("read", buffer);
		if (!n)
			break;
		print(pos, chunk, n);
	}
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

	for (; (size_t)done < len; done += n) {
		n = pwrite(fd, chunk + done, len - done, pos + done);
		if (n < 0)
			fail("write", "the buffer");
	}
}

/* The chunk has whole patterns, so that each write begins with one. */
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
		fail("read", "the standard input");
	if (opt.length == NOT_GIVEN && getchar() != EOF)
		die(FAILED, "the buffer is full, and the rest of the input is not in it");
}

static void do_fill(char **argv)
{
	struct buffer b;
	int fd = open_buffer(argv[0], O_RDWR, &b);
	__u64 end = range_end(&b);
	char byte = opt.byte;

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

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Return whether there is a signal, or an error, before @end. */
static bool wait_until(int fd, double end)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	double left;

	do {
		left = opt.timeout < 0 ? 1000 : end - now();
		if (poll(&p, 1, left < 0 ? 0 : left > 1000 ? 1000000 : left * 1000 + 1))
			return true;
	} while (left > 0);
	return false;
}

static void do_wait(char **argv)
{
	__u64 seen = 0;
	double end = now() + opt.timeout;
	struct shmbuf_notify n;
	struct buffer b;
	int fd = open_buffer(argv[0], O_RDONLY, &b);

	for (; seen < opt.count; seen += n.count) {
		if (!wait_until(fd, end))
			die(TIMED_OUT, "%llu of %llu signals came in %g seconds", ULL(seen),
			    ULL(opt.count), opt.timeout);
		n = (struct shmbuf_notify) { 0 };
		if (ioctl(fd, SHMBUF_IOC_ACK, &n))
			fail("wait for", argv[0]);
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

/* debugfs has the inode number of a named node's buffer. */
static __u64 find_inode(const char *buffer)
{
	const struct buffer *match = NULL;
	struct buffer b;
	size_t i;

	open_buffer(buffer, O_RDONLY, &b);
	if (b.inode)
		return b.inode;
	nr_buffers = 0;
	read_debugfs();
	for (i = 0; i < nr_buffers; i++) {
		if (!is_same(&buffers[i], &b))
			continue;
		if (match)
			die(FAILED, "more than one buffer looks like it; use --inode");
		match = &buffers[i];
	}
	return match ? match->inode : 0;
}

static void do_revoke(char **argv)
{
	bool by_inode = opt.inode != NOT_GIVEN;
	int fd;

	if (by_inode == !!argv[0])
		die(BAD_USAGE, "name a buffer, or use --inode");
	fd = open(REVOKE_FILE, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		fail("open " REVOKE_FILE, "");
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
	[WATCH] = { "watch", "", "print the list again and again", "", 0, 0, do_watch },
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
	if (!o->parse(o, optarg))
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
	while ((i = getopt_long(argc, argv, "+:h", table, NULL)) != -1) {
		if (i == 'h')
			print_command_help(c);
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
	int c;

	if (argc < 2)
		die(BAD_USAGE, "name a command");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		print_help();
	c = find_command(argv[1]);
	commands[c].run(parse_options(c, argc - 1, argv + 1));
	if (fflush(stdout) || ferror(stdout))
		die(FAILED, "cannot write the output: %s", strerror(errno));
	return 0;
}
