// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The session makes it a group that signals of a terminal do not reach, and that can be ended
 * as a whole. Its end is that of its first process, which is reaped only after the group was
 * killed: so long the group's number cannot be another's.
 *
 * Not handled: a process that leaves the session.
 */
#include "agent/child.h"
#include "agent/resident.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#define GRACE_NS    (5ull * SECOND_NS)
#define SIGNALLED   128
#define PIPE_BYTES  65536u /* more is not in a pipe when its writer ends */
#define READ_BYTES  4096u

enum end {
	END_NOT,
	END_TERMINATED,
	END_KILLED,
};

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
	enum end end;       /* how far that has come */
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

/* What is there by now, and of that no more than bytes: who prints is faster than we are. */
static void hear(struct child *child, struct stream *stream, size_t bytes)
{
	char data[READ_BYTES];
	ssize_t got = 1;

	for (size_t heard = 0; got > 0 && heard < bytes; heard += (size_t)got) {
		got = read(stream->fd, data, sizeof(data));
		if (got > 0)
			take(child, stream, data, (size_t)got);
	}
	if (got == 0 || (got < 0 && errno != EAGAIN))
		close_stream(child, stream);
}

/* ------------------------------------------------------------------------- start */

/* Beyond those that it gets, which may be closed here. */
static int open_pipe(struct stream *stream, int *ret_theirs)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return failure_set(-errno, "pipe: %s", strerror(errno));
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	stream->fd = fds[0];
	*ret_theirs = fcntl(fds[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fds[1]);
	return *ret_theirs < 0 ? failure_set(-errno, "pipe: %s", strerror(errno)) : 0;
}

static int open_pipes(struct child *child, int theirs[2])
{
	int r = open_pipe(&child->streams[0], &theirs[0]);

	if (r < 0 || child->request->output == CHILD_OUTPUT_APART)
		return r < 0 ? r : open_pipe(&child->streams[1], &theirs[1]);
	theirs[1] = fcntl(theirs[0], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return theirs[1] < 0 ? failure_set(-errno, "pipe: %s", strerror(errno)) : 0;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
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
	resident_pause();
	if (!error)
		error = posix_spawnp(&child->pid, argv[0], &actions, &attributes, argv,
				     environment ? environment : environ);
	resident_resume();
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error ? failure_set(-error, "%s: cannot be run: %s", argv[0], strerror(error)) : 0;
}

static int start(struct child *child)
{
	int theirs[2] = {-1, -1};
	int r = open_pipes(child, theirs);

	/* Whoever started us may ignore it: then no status is to be had. */
	signal(SIGCHLD, SIG_DFL);
	if (r == 0)
		r = spawn(child, theirs);
	for (int i = 0; i < 2; i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	return r;
}

/* --------------------------------------------------------------------------- end */

static void advance(struct child *child, enum end end, int signal_nr)
{
	uint64_t grace_ns = child->request->grace_ns ? child->request->grace_ns : GRACE_NS;

	child->end = end;
	child->next_ns = clock_ns(CLOCK_MONOTONIC) + grace_ns;
	kill(-child->pid, signal_nr);
}

static void begin_to_end(struct child *child, int error)
{
	child->error = error;
	advance(child, END_TERMINATED, SIGTERM);
}

static int timeout_ms(const struct child *child)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	uint64_t left_ms = child->next_ns > now_ns ? (child->next_ns - now_ns) / 1000000 + 1 : 0;

	if (!child->next_ns)
		return -1;
	return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

/* False: nothing helps. */
static bool look_at_clock(struct child *child)
{
	if (!child->next_ns || clock_ns(CLOCK_MONOTONIC) < child->next_ns)
		return true;
	switch (child->end) {
	case END_NOT:
		begin_to_end(child, -ETIMEDOUT);
		return true;
	case END_TERMINATED:
		advance(child, END_KILLED, SIGKILL);
		return true;
	default:
		return false;
	}
}

enum follow {
	FOLLOW_ON,
	FOLLOW_ENDED,
	FOLLOW_LEFT_BEHIND,
};

static enum follow follow(struct child *child)
{
	struct pollfd fds[] = {
		{.fd = child->pid_fd, .events = POLLIN},
		{.fd = child->error ? -1 : child->request->stop_fd, .events = POLLIN},
		{.fd = child->streams[0].fd, .events = POLLIN},
		{.fd = child->streams[1].fd, .events = POLLIN},
	};

	if (poll(fds, 4, timeout_ms(child)) < 0)
		memset(fds, 0, sizeof(fds));
	if (fds[0].revents)
		return FOLLOW_ENDED;
	for (int i = 0; i < 2; i++)
		if (fds[2 + i].revents)
			hear(child, &child->streams[i], READ_BYTES);
	if (fds[1].revents)
		begin_to_end(child, -ECANCELED);
	return look_at_clock(child) ? FOLLOW_ON : FOLLOW_LEFT_BEHIND;
}

/* Also what the leader has left behind: it may be what hangs. */
static int reap(struct child *child)
{
	int status = 0;

	if (child->error)
		kill(-child->pid, SIGKILL);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

static int wait_for(struct child *child)
{
	enum follow followed = child->pid_fd < 0 ? FOLLOW_ENDED : FOLLOW_ON;

	while (followed == FOLLOW_ON)
		followed = follow(child);
	/* What it has said before its end is in the pipes. */
	for (int i = 0; i < 2; i++)
		if (child->streams[i].fd >= 0)
			hear(child, &child->streams[i], PIPE_BYTES);
	return followed == FOLLOW_ENDED ? reap(child) : 0;
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
	for (int i = 0; i < 2; i++) {
		streams[i].fd = -1;
		streams[i].number = i + 1;
	}
	r = run(&child);
	for (int i = 0; i < 2; i++)
		close_stream(&child, &streams[i]);
	if (child.pid_fd >= 0)
		close(child.pid_fd);
	return r;
}
