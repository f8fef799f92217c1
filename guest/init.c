// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of a test kernel: mounts what programs expect, runs some, says how they
 * ended and powers off. What to run comes in the environment, which is where the
 * kernel puts the unknown NAME=VALUE words of its command line: GUEST_TESTS,
 * folders with what kselftest packs, a colon between them, of which GUEST_STOP
 * runs none after one that fails; or GUEST_RUN, a program and its arguments. A
 * guest with neither has only booted. GUEST_MODULES is a file with a module and its
 * parameters in each line; they are loaded before. With GUEST_UNLOAD those of shmbuf are
 * unloaded after.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void mount_at(const char *type, const char *where)
{
	if (mount(type, where, type, 0, NULL))
		printf("guest: cannot mount %s: %s\n", where, strerror(errno));
}

/* The factor for time-outs; see measure_slowness(). */
static int slowness = 1;

#define CGROUP	"/sys/fs/cgroup/guest"
#define BUFFERS	"/sys/kernel/debug/shmbuf/buffers"

/* Returns 0 when the file is not there, or does not take it. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), done;

	if (fd < 0)
		return 0;
	done = write(fd, text, strlen(text)) > 0;
	close(fd);
	return done;
}

/* The number after a word at the beginning of a line; -1 if there is none. */
static long read_number(const char *path, const char *word)
{
	FILE *f = fopen(path, "r");
	char line[256];
	long n = -1;

	while (n < 0 && f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, word, strlen(word)))
			sscanf(line + strlen(word), "%ld", &n);
	}
	if (f)
		fclose(f);
	return n;
}

/* -1 if there is no such file. */
static int count_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[512];
	int n = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n++;
	fclose(f);
	return n;
}

/*
 * In KiB, without what is there only until somebody needs memory, or because it
 * might be used after it was freed (KASAN), and with what each CPU keeps in stock.
 */
static long free_memory(void)
{
	long stock = 0, n;
	char line[256];
	glob_t slabs;
	FILE *zones;
	size_t i;

	sync();
	write_file("/proc/sys/vm/drop_caches", "3");
	if (!glob("/sys/kernel/slab/*/shrink", 0, NULL, &slabs)) {
		for (i = 0; i < slabs.gl_pathc; i++)
			write_file(slabs.gl_pathv[i], "1");
		globfree(&slabs);
	}
	zones = fopen("/proc/zoneinfo", "r");
	while (zones && fgets(line, sizeof(line), zones)) {
		if (sscanf(line, " count: %ld", &n) == 1)
			stock += n;
	}
	if (zones)
		fclose(zones);
	return read_number("/proc/meminfo", "MemFree:") + stock * (sysconf(_SC_PAGESIZE) / 1024);
}

/*
 * Each CPU has charges in stock, and fractions of pages that were given back while
 * the stock was in use are set aside, in obj_cgroup.nr_charged_bytes, which grows
 * with each million of memfd_create() and close() for instance. A limit makes the
 * CPUs empty their stock, and whoever begins a new one takes over what was set aside.
 */
static void settle_charges(void)
{
	pid_t pid;

	write_file(CGROUP "/memory.high", "0");
	write_file(CGROUP "/memory.high", "max");
	pid = fork();
	if (!pid) {
		write_file(CGROUP "/cgroup.procs", "0");
		close(open("/dev/null", O_RDONLY));
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	write_file(CGROUP "/memory.high", "0");
	write_file(CGROUP "/memory.high", "max");
}

/*
 * When a program has ended there is no buffer more, and nothing of what it was
 * charged for. Memory that is freed after a grace period, or by a worker, takes a
 * moment; and each CPU keeps some pages.
 */
static int gave_all_back(const char *program, int buffers_before, long free_before)
{
	long page = sysconf(_SC_PAGESIZE) / 1024;
	long stock = 64 * page * sysconf(_SC_NPROCESSORS_CONF);
	int tries = 50 * slowness, buffers;
	long charged, lost;

	do {
		settle_charges();
		buffers = count_lines(BUFFERS);
		charged = read_number(CGROUP "/memory.current", "");
		if (charged > 0)
			charged /= 1024;
		lost = free_before - free_memory();
		if (buffers <= buffers_before && charged < 64 * page && lost < 2 * stock + 4096)
			break;
		usleep(100000);
	} while (--tries);
	printf("guest: after %s: %d buffers, %d before, %ld KiB charged, %ld KiB less free\n",
	       program, buffers, buffers_before, charged, lost);
	if (!tries)
		printf("not ok 0 %s leaves something behind\n", program);
	return tries > 0;
}

/*
 * Tests multiply their time-outs by KSFT_SLOWNESS, so that only a hang ends a test. An
 * idle machine takes less than half a second for 100 processes, under UML and QEMU, and
 * has 4: the load may rise after the boot. The limit keeps time-outs finite.
 */
static void measure_slowness(void)
{
	struct timespec begin, end;
	char factor[32];
	long ms;
	pid_t pid;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (i = 0; i < 100; i++) {
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	ms = (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
	slowness = 4 + 4 * (ms / 500);
	if (slowness > 400)
		slowness = 400;
	snprintf(factor, sizeof(factor), "%d", slowness);
	printf("guest: slowness %s, as 100 processes took %ld ms\n", factor, ms);
	setenv("KSFT_SLOWNESS", factor, 1);
}

/* Runs a program and its arguments, which become words of their own. */
static int run(char *words)
{
	char *argv[16] = { strtok(words, " ") };
	int buffers_before = count_lines(BUFFERS);
	long free_before = free_memory();
	int status, i;
	pid_t pid;

	for (i = 1; i < 15 && argv[i - 1]; i++)
		argv[i] = strtok(NULL, " ");
	mkdir(CGROUP, 0755);
	pid = fork();
	if (pid < 0)
		return 126;
	if (!pid) {
		setsid();
		write_file(CGROUP "/cgroup.procs", "0");
		execv(argv[0], argv);
		_exit(127);
	}
	/* PID 1 inherits orphans, so wait for the right one, and then for them. */
	while (waitpid(pid, &status, 0) != pid)
		;
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	write_file(CGROUP "/cgroup.kill", "1");
	while (waitpid(-1, NULL, 0) > 0)
		;
	if (!gave_all_back(argv[0], buffers_before, free_before) && !status)
		status = 125;
	rmdir(CGROUP);
	return status;
}

/* Each program on the list that kselftest makes, where it put them. */
static int run_list(const char *folder)
{
	char line[256], program[1024], *name;
	int failed = 0;
	FILE *list;

	snprintf(line, sizeof(line), "%s/kselftest-list.txt", folder);
	list = fopen(line, "r");
	if (!list) {
		printf("guest: no tests in %s\n", folder);
		return 126;
	}
	while (!(failed && getenv("GUEST_STOP")) && fgets(line, sizeof(line), list)) {
		line[strcspn(line, "\n")] = 0;
		name = strchr(line, ':');
		if (!name)
			continue;
		*name++ = 0;
		snprintf(program, sizeof(program), "%s/%s/%s", folder, line, name);
		printf("guest: run %s\n", program);
		failed |= run(program);
	}
	fclose(list);
	return failed;
}

static int run_tests(char *folders)
{
	char *folder, *next;
	int failed = 0;

	for (folder = folders; folder && !(failed && getenv("GUEST_STOP")); folder = next) {
		next = strchr(folder, ':');
		if (next)
			*next++ = 0;
		failed |= run_list(folder);
	}
	return failed;
}

static char modules[64][128];
static int nr_modules;

static void load_modules(const char *path)
{
	FILE *list = fopen(path, "r");
	char *line, *parameters;
	int fd;

	while (list && nr_modules < 64 && fgets(modules[nr_modules], 128, list)) {
		line = modules[nr_modules++];
		line[strcspn(line, "\n")] = 0;
		parameters = strchr(line, ' ');
		if (parameters)
			*parameters++ = 0;
		fd = open(line, O_RDONLY);
		if (syscall(SYS_finit_module, fd, parameters ?: "", 0) && errno != EEXIST)
			printf("guest: cannot load %s: %s\n", line, strerror(errno));
		close(fd);
	}
	if (list)
		fclose(list);
}

/* Returns whether the modules of shmbuf can be unloaded and leave nothing. */
static int unload_modules(void)
{
	static const char *const traces[] = {
		"/dev/shmbuf*", "/sys/module/shmbuf*", "/sys/class/misc/shmbuf*",
		"/sys/kernel/debug/shmbuf*", "/sys/kernel/slab/*shmbuf*",
		"/sys/kernel/tracing/events/shmbuf*", "/sys/bus/pci/drivers/shmbuf*",
	};
	char *name, *dash;
	int clean = 1;
	glob_t g;
	size_t i;

	while (nr_modules) {
		name = strrchr(modules[--nr_modules], '/') + 1;
		name[strcspn(name, ".")] = 0;
		while ((dash = strchr(name, '-')))
			*dash = '_';
		/* A test may have unloaded it. */
		if (strncmp(name, "shmbuf", 6) || !syscall(SYS_delete_module, name, O_NONBLOCK) || errno == ENOENT)
			continue;
		printf("guest: cannot unload %s: %s\n", name, strerror(errno));
		clean = 0;
	}
	for (i = 0; i < sizeof(traces) / sizeof(*traces); i++) {
		if (glob(traces[i], 0, NULL, &g))
			continue;
		printf("guest: %s is left\n", g.gl_pathv[0]);
		globfree(&g);
		clean = 0;
	}
	printf("%sok 1 unloading leaves nothing\n", clean ? "" : "not ");
	return clean;
}

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"

/* Prints what the tests left behind: what is found twice, with time between. */
static void report_leaks(void)
{
	char line[512];
	FILE *f;

	if (!write_file(KMEMLEAK, "scan"))
		return;
	sleep(6);
	if (write_file(KMEMLEAK, "scan"))
		printf("guest: looked for leaks\n");
	f = fopen(KMEMLEAK, "r");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stdout);
	if (f)
		fclose(f);
}

int main(void)
{
	char *tests = getenv("GUEST_TESTS"), *words = getenv("GUEST_RUN");
	char *list = getenv("GUEST_MODULES");
	int status = 0;

	setvbuf(stdout, NULL, _IONBF, 0);
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("devtmpfs", "/dev");
	/* Not every kernel has these, and the tests that want them say so. */
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	/* Without a message each time. */
	write_file("/proc/sys/vm/drop_caches", "4");
	if (!mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL))
		write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	/* Not over /tmp: with the host's files as root, ours may be in there. */
	mkdir("/dev/shm", 01777);
	mount_at("tmpfs", "/dev/shm");
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/dev/shm", 1);
	setenv("TMPDIR", "/dev/shm", 1);
	measure_slowness();
	/* What was there before is not the tests' fault; KUnit ran before. */
	write_file(KMEMLEAK, "clear");
	if (list)
		load_modules(list);
	if (tests)
		status = run_tests(tests);
	else if (words)
		status = run(words);
	if (getenv("GUEST_UNLOAD") && !unload_modules())
		status |= 1;
	report_leaks();
	printf("guest: exit status %d\n", status);
	sync();
	/* Without ACPI a machine cannot power off, but a reset ends QEMU. */
	reboot(getenv("GUEST_RESTART") ? RB_AUTOBOOT : RB_POWER_OFF);
	return 1;
}
