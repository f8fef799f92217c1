// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of a test kernel: mounts what programs expect, runs some, says how they
 * ended and powers off. What to run comes in the environment, which is where the
 * kernel puts the unknown NAME=VALUE words of its command line: GUEST_TESTS, a
 * folder with *_test programs, or GUEST_RUN, a shell script. A guest with
 * neither has only booted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void mount_at(const char *type, const char *where)
{
	if (mount(type, where, type, 0, NULL))
		printf("guest: cannot mount %s: %s\n", where, strerror(errno));
}

static int run(char *const argv[])
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		setsid();
		execv(argv[0], argv);
		_exit(127);
	}
	/* PID 1 inherits orphans, so wait for the right one. */
	while (waitpid(pid, &status, 0) != pid)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int is_test(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '_');

	return end && !strcmp(end, "_test");
}

static int run_tests(const char *folder)
{
	struct dirent **tests;
	int i, failed = 0, n = scandir(folder, &tests, is_test, alphasort);

	if (n <= 0 || chdir(folder)) {
		printf("guest: no tests in %s\n", folder);
		return 126;
	}
	for (i = 0; i < n; i++) {
		char *argv[] = { tests[i]->d_name, NULL };

		failed |= !!run(argv);
	}
	return failed;
}

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"

/* Returns 0 where the kernel has no kmemleak. */
static int kmemleak(const char *command)
{
	int fd = open(KMEMLEAK, O_WRONLY);
	int done;

	if (fd < 0)
		return 0;
	done = write(fd, command, strlen(command)) > 0;
	close(fd);
	return done;
}

/* Prints what the tests left behind: what is found twice, with time between. */
static void report_leaks(void)
{
	char line[512];
	FILE *f;

	if (!kmemleak("scan"))
		return;
	sleep(6);
	if (kmemleak("scan"))
		printf("guest: looked for leaks\n");
	f = fopen(KMEMLEAK, "r");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stdout);
	if (f)
		fclose(f);
}

int main(void)
{
	char *script[] = { "/bin/sh", getenv("GUEST_RUN"), NULL };
	const char *tests = getenv("GUEST_TESTS");
	int status = 0;

	setvbuf(stdout, NULL, _IONBF, 0);
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("devtmpfs", "/dev");
	/* Not every kernel has these, and the tests that want them say so. */
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	/* Not over /tmp: with the host's files as root, ours may be in there. */
	mkdir("/dev/shm", 01777);
	mount_at("tmpfs", "/dev/shm");
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/dev/shm", 1);
	setenv("TMPDIR", "/dev/shm", 1);
	/* What was there before is not the tests' fault; KUnit ran before. */
	if (tests) {
		kmemleak("clear");
		status = run_tests(tests);
	} else if (script[1]) {
		status = run(script);
	}
	report_leaks();
	printf("guest: exit status %d\n", status);
	sync();
	/* Without ACPI a machine cannot power off, but a reset ends QEMU. */
	reboot(getenv("GUEST_RESTART") ? RB_AUTOBOOT : RB_POWER_OFF);
	return 1;
}
