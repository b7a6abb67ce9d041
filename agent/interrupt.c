// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The descriptor is only polled, never read from, so every part that asks gets
 * the same answer. stop() takes the signal away: it has been obeyed.
 */
#include "agent/interrupt.h"
#include "common/failure.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* nohup and "&" in scripts ignore signals on purpose; signalfd would see them. */
static void add_unless_ignored(sigset_t *set, int signal_nr)
{
	struct sigaction action;

	if (sigaction(signal_nr, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		sigaddset(set, signal_nr);
}

int interrupt_start(struct interrupt *ret_interrupt)
{
	sigset_t set;

	sigemptyset(&set);
	add_unless_ignored(&set, SIGINT);
	add_unless_ignored(&set, SIGTERM);
	add_unless_ignored(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, &ret_interrupt->saved_mask);
	ret_interrupt->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (ret_interrupt->fd >= 0)
		return 0;
	pthread_sigmask(SIG_SETMASK, &ret_interrupt->saved_mask, NULL);
	return failure_set(-errno, "signals: %s", strerror(errno));
}

void interrupt_stop(struct interrupt *interrupt)
{
	struct signalfd_siginfo info;

	if (interrupt->fd < 0)
		return;
	while (read(interrupt->fd, &info, sizeof(info)) > 0)
		;
	close(interrupt->fd);
	interrupt->fd = -1;
	pthread_sigmask(SIG_SETMASK, &interrupt->saved_mask, NULL);
}

bool interrupt_is_pending(const struct interrupt *interrupt)
{
	struct pollfd poll_fd = {.fd = interrupt->fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) > 0;
}
