// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/child.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND_NS   1000000000u
#define TERM_NS     (5ull * SECOND_NS) /* from SIGTERM to SIGKILL */
#define SIGNALLED   128

struct stream {
	int fd;      /* ours; -1: at its end */
	int number;  /* the child's */
	size_t bytes;
	char line[CHILD_LINE_BYTES];
};

struct child {
	const struct child_request *request;
	struct stream *streams; /* two */
	pid_t pid;
	int pid_fd;
	int error;          /* why it is to end; 0: it is not */
	uint64_t next_ns;   /* CLOCK_MONOTONIC: what comes next in ending it; 0: nothing */
};

/* ------------------------------------------------------------------------- lines */

static void tell(struct child *child, struct stream *stream)
{
	stream->line[stream->bytes] = '\0';
	stream->bytes = 0;
	child->request->hear(child->request->context, stream->number, stream->line);
}

static void take(struct child *child, struct stream *stream, const char *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (data[i] == '\n' || stream->bytes == CHILD_LINE_BYTES - 1)
			tell(child, stream);
		if (data[i] != '\n')
			stream->line[stream->bytes++] = data[i] ? data[i] : ' ';
	}
}

static void close_stream(struct child *child, struct stream *stream)
{
	if (stream->fd < 0)
		return;
	close(stream->fd);
	stream->fd = -1;
	if (stream->bytes)
		tell(child, stream);
}

/* What is there by now. */
static void hear(struct child *child, struct stream *stream)
{
	char data[4096];
	ssize_t got;

	do {
		got = read(stream->fd, data, sizeof(data));
		if (got > 0)
			take(child, stream, data, (size_t)got);
	} while (got > 0);
	if (got == 0 || errno != EAGAIN)
		close_stream(child, stream);
}

/* ------------------------------------------------------------------------- start */

static int open_pipe(struct stream *stream, int number, int *ret_theirs)
{
	int fds[2];

	stream->fd = -1;
	stream->number = number;
	stream->bytes = 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return failure_set(-errno, "pipe: %s", strerror(errno));
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	stream->fd = fds[0];
	*ret_theirs = fds[1];
	return 0;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						    POSIX_SPAWN_SETSIGDEF);
}

static int spawn(struct child *child, const int theirs[2])
{
	char *const *argv = child->request->argv;
	char *const *environment = child->request->environment;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	for (int i = 0; i < 2 && !error; i++)
		error = posix_spawn_file_actions_adddup2(&actions, theirs[i], i + 1);
	if (!error)
		error = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (!error)
		error = set_attributes(&attributes);
	if (!error)
		error = posix_spawnp(&child->pid, argv[0], &actions, &attributes, argv,
				     environment ? environment : environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error ? failure_set(-error, "%s: cannot be run: %s", argv[0], strerror(error)) : 0;
}

static int start(struct child *child)
{
	int theirs[2] = {-1, -1};
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++)
		r = open_pipe(&child->streams[i], i + 1, &theirs[i]);
	if (r == 0)
		r = spawn(child, theirs);
	for (int i = 0; i < 2; i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	return r;
}

/* --------------------------------------------------------------------------- end */

static void begin_to_end(struct child *child, int error)
{
	child->error = error;
	child->next_ns = clock_ns(CLOCK_MONOTONIC) + TERM_NS;
	kill(-child->pid, SIGTERM);
}

/* Also what the leader has left behind: it may be what hangs. */
static void end(struct child *child)
{
	child->next_ns = 0;
	kill(-child->pid, SIGKILL);
}

static int timeout_ms(const struct child *child)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (!child->next_ns)
		return -1;
	return child->next_ns > now_ns ? (int)((child->next_ns - now_ns) / 1000000 + 1) : 0;
}

static void look_at_clock(struct child *child)
{
	if (!child->next_ns || clock_ns(CLOCK_MONOTONIC) < child->next_ns)
		return;
	if (child->error)
		end(child);
	else
		begin_to_end(child, -ETIMEDOUT);
}

/* True: the leader has ended. */
static bool follow(struct child *child)
{
	struct pollfd fds[] = {
		{.fd = child->pid_fd, .events = POLLIN},
		{.fd = child->error ? -1 : child->request->stop_fd, .events = POLLIN},
		{.fd = child->streams[0].fd, .events = POLLIN},
		{.fd = child->streams[1].fd, .events = POLLIN},
	};

	if (poll(fds, 4, timeout_ms(child)) < 0)
		return errno != EINTR;
	for (int i = 0; i < 2; i++)
		if (fds[2 + i].revents)
			hear(child, &child->streams[i]);
	if (fds[0].revents)
		return true;
	if (fds[1].revents)
		begin_to_end(child, -ECANCELED);
	look_at_clock(child);
	return false;
}

static int wait_for(struct child *child)
{
	int status = 0;

	while (child->pid_fd >= 0 && !follow(child))
		;
	/* What it has said before its end is in the pipes. */
	for (int i = 0; i < 2; i++)
		if (child->streams[i].fd >= 0)
			hear(child, &child->streams[i]);
	if (child->error)
		end(child);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

static int result(const struct child *child, int status)
{
	if (child->error == -ETIMEDOUT)
		return failure_set(-ETIMEDOUT, "%s: took longer than %llu s, and was ended",
				   child->request->argv[0],
				   (unsigned long long)(child->request->limit_ns / SECOND_NS));
	if (child->error == -ECANCELED)
		return failure_set(-ECANCELED, "%s: was told to stop", child->request->argv[0]);
	if (child->error)
		return failure_set(child->error, "%s: cannot be waited for: %s",
				   child->request->argv[0], strerror(-child->error));
	return status;
}

static int run(struct child *child)
{
	int r = start(child);

	if (r < 0)
		return r;
	child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->request->limit_ns)
		child->next_ns = clock_ns(CLOCK_MONOTONIC) + child->request->limit_ns;
	if (child->pid_fd < 0)
		child->error = -errno;
	return result(child, wait_for(child));
}

int child_run(const struct child_request *request)
{
	CLEANUP_FREE struct stream *streams = calloc(2, sizeof(*streams));
	struct child child = {.request = request, .streams = streams, .pid_fd = -1};
	int r;

	if (!streams)
		return failure_set(-ENOMEM, "%s: out of memory", request->argv[0]);
	streams[0].fd = streams[1].fd = -1;
	r = run(&child);
	for (int i = 0; i < 2; i++)
		close_stream(&child, &streams[i]);
	if (child.pid_fd >= 0)
		close(child.pid_fd);
	return r;
}
