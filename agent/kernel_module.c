// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The module is loaded by modprobe, which knows the machine's configuration
 * and its rules for signed modules; what it says is passed on.
 */
#include "agent/kernel_module.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/text_file.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define MODULE      "dm-tidemark"
#define MODULE_PATH "/sys/module/dm_tidemark"

extern char **environ;

bool kernel_module_is_loaded(void)
{
	return access(MODULE_PATH, F_OK) == 0;
}

bool kernel_module_tracing_is_off(void)
{
	uint64_t enabled;

	return text_file_number(&enabled, "/proc/sys/kernel/ftrace_enabled") == 0 && enabled == 0;
}

static void read_all(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got;

	while (used < size - 1 && (got = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static int spawn_modprobe(int error_fd, pid_t *ret_pid)
{
	static const char *const places[] = {"/sbin/modprobe", "/usr/sbin/modprobe",
					     "/bin/modprobe", "/usr/bin/modprobe"};
	char *argv[] = {(char *)"modprobe", (char *)MODULE, NULL};
	posix_spawn_file_actions_t actions;
	int r = ENOENT;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, error_fd, STDERR_FILENO);
	for (size_t i = 0; r == ENOENT && i < sizeof(places) / sizeof(places[0]); i++)
		r = posix_spawn(ret_pid, places[i], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int kernel_module_load(void)
{
	char said[512] = "";
	struct utsname kernel;
	int pipe_fds[2];
	int status = 0;
	pid_t pid = -1;
	int r;

	if (kernel_module_is_loaded())
		return 0;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return failure_set(-errno, "modprobe: %s", strerror(errno));
	r = spawn_modprobe(pipe_fds[1], &pid);
	close(pipe_fds[1]);
	if (r == 0) {
		read_all(pipe_fds[0], said, sizeof(said));
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(pipe_fds[0]);
	if (kernel_module_is_loaded())
		return 0;
	uname(&kernel);
	return failure_set(-ENOPKG,
			   "kernel module " MODULE ": cannot be loaded into %s (%s); install the "
			   "module that is built for this kernel, or load it with insmod",
			   kernel.release,
			   r < 0     ? "no modprobe"
			   : said[0] ? said
				     : "modprobe failed");
}
