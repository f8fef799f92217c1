// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of a test kernel: mounts what programs expect, runs one command, says
 * how it ended and powers off. The command comes in the environment, which is
 * where the kernel puts the unknown NAME=VALUE words of its command line.
 */
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

static int run(const char *command)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		setsid();
		execl("/bin/sh", "sh", command, (char *)NULL);
		_exit(127);
	}
	/* PID 1 inherits orphans, so wait for the right one. */
	while (waitpid(pid, &status, 0) != pid)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void)
{
	const char *command = getenv("GUEST_RUN");

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
	printf("guest: exit status %d\n", command ? run(command) : 126);
	sync();
	/* Without ACPI a machine cannot power off, but a reset ends QEMU. */
	reboot(getenv("GUEST_RESTART") ? RB_AUTOBOOT : RB_POWER_OFF);
	return 1;
}
