// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * fdkeeper SOCKET PIDFILE PROGRAM [ARGUMENT]...
 *
 * The part of a service manager that keeps descriptors: runs PROGRAM with NOTIFY_SOCKET, and
 * with what it has kept for it (LISTEN_FDS and so on). Understands FDSTORE=1 and
 * FDSTOREREMOVE=1 with FDNAME=, and BARRIER=1; of each name it keeps the latest. PIDFILE is
 * there while the program runs.
 *
 *	SIGUSR1		run it again, once it has ended
 *	SIGTERM		end it, close everything, and end
 *
 * Prints "kept N" each time that it runs the program, to standard error.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD   3  /* of those that are passed */
#define OURS_FD    64 /* ours lie above */
#define KEPT_MAX   16
#define NAME_BYTES 256

struct keeper {
	const char *socket_path, *pid_path;
	char **program;
	int socket, signals;
	pid_t pid; /* 0: it does not run */
	struct {
		char name[NAME_BYTES];
		int fd;
	} kept[KEPT_MAX];
	int nr;
};

/* ------------------------------------------------------------------------- store */

static void forget(struct keeper *k, const char *name)
{
	for (int i = k->nr; i--;) {
		if (strcmp(k->kept[i].name, name) != 0)
			continue;
		close(k->kept[i].fd);
		k->kept[i] = k->kept[--k->nr];
	}
}

static void keep(struct keeper *k, const char *name, int fd)
{
	forget(k, name);
	if (k->nr == KEPT_MAX)
		errx(1, "too many descriptors");
	k->kept[k->nr].fd = fcntl(fd, F_DUPFD_CLOEXEC, OURS_FD);
	if (k->kept[k->nr].fd < 0)
		err(1, "descriptor");
	strcpy(k->kept[k->nr++].name, name);
}

static void take_message(struct keeper *k, char *text, const int *fds, int nr_fds)
{
	char name[NAME_BYTES] = "stored";
	bool stores = false, removes = false;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		stores |= strcmp(line, "FDSTORE=1") == 0;
		removes |= strcmp(line, "FDSTOREREMOVE=1") == 0;
		if (strncmp(line, "FDNAME=", 7) == 0)
			snprintf(name, sizeof(name), "%s", line + 7);
	}
	if (removes)
		forget(k, name);
	for (int i = 0; i < nr_fds; i++) {
		if (stores)
			keep(k, name, fds[i]);
		close(fds[i]);
	}
}

static void receive(struct keeper *k)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * KEPT_MAX)];
	} control;
	char text[4096];
	struct iovec part = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(k->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fds[KEPT_MAX], nr_fds = 0;

	if (got < 0)
		return;
	text[got] = '\0';
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		nr_fds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)nr_fds * sizeof(int));
	}
	take_message(k, text, fds, nr_fds);
}

/* ----------------------------------------------------------------------- program */

static void pass(struct keeper *k)
{
	char names[KEPT_MAX * NAME_BYTES] = "", number[32];

	for (int i = 0; i < k->nr; i++) {
		if (dup2(k->kept[i].fd, FIRST_FD + i) < 0)
			err(1, "dup2");
		strcat(strcat(names, i ? ":" : ""), k->kept[i].name);
	}
	if (!k->nr)
		return;
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%d", k->nr);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static void write_pid(const struct keeper *k)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s.new", k->pid_path);
	file = fopen(path, "w");
	if (!file || fprintf(file, "%d\n", (int)k->pid) < 0 || fclose(file) ||
	    rename(path, k->pid_path) < 0)
		err(1, "%s", k->pid_path);
}

static void run(struct keeper *k)
{
	sigset_t none;

	if (k->pid)
		return;
	fprintf(stderr, "kept %d\n", k->nr);
	k->pid = fork();
	if (k->pid < 0)
		err(1, "fork");
	if (k->pid) {
		write_pid(k);
		return;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv("NOTIFY_SOCKET", k->socket_path, 1);
	pass(k);
	execvp(k->program[0], k->program);
	err(127, "%s", k->program[0]);
}

/* What it sent before it ended counts. */
static void reap(struct keeper *k)
{
	struct pollfd pending = { .fd = k->socket, .events = POLLIN };

	if (!k->pid || waitpid(k->pid, NULL, WNOHANG) != k->pid)
		return;
	while (poll(&pending, 1, 0) > 0)
		receive(k);
	k->pid = 0;
	unlink(k->pid_path);
}

/* -------------------------------------------------------------------------- main */

static void end(struct keeper *k)
{
	int status = 0;

	if (k->pid) {
		kill(k->pid, SIGTERM);
		waitpid(k->pid, &status, 0);
	}
	unlink(k->pid_path);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void take_signals(struct keeper *k)
{
	struct signalfd_siginfo signal;

	while (read(k->signals, &signal, sizeof(signal)) == sizeof(signal)) {
		reap(k);
		if (signal.ssi_signo == SIGTERM)
			end(k);
		if (signal.ssi_signo == SIGUSR1)
			run(k);
	}
}

static int above(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, OURS_FD);

	if (moved < 0)
		err(1, "descriptor");
	close(fd);
	return moved;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct keeper k;
	struct pollfd fds[2];
	sigset_t set;

	if (argc < 4 || strlen(argv[1]) >= sizeof(address.sun_path))
		errx(2, "see the head of fdkeeper.c");
	k = (struct keeper){ .socket_path = argv[1], .pid_path = argv[2], .program = argv + 3 };
	strcpy(address.sun_path, argv[1]);
	unlink(argv[1]);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	k.socket = above(socket(AF_UNIX, SOCK_DGRAM, 0));
	k.signals = above(signalfd(-1, &set, SFD_NONBLOCK));
	if (bind(k.socket, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", argv[1]);
	run(&k);
	for (;;) {
		fds[0] = (struct pollfd){ .fd = k.socket, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = k.signals, .events = POLLIN };
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			err(1, "poll");
		if (fds[0].revents)
			receive(&k);
		if (fds[1].revents)
			take_signals(&k);
	}
}
