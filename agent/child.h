/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A program of which the end is waited for, and what it says is heard line by line. It has a
 * process group of its own, nothing on standard input, no descriptor of ours and no signal
 * blocked or ignored.
 */
#ifndef AGENT_CHILD_H
#define AGENT_CHILD_H

#include <stdint.h>

#define CHILD_LINE_BYTES 16384 /* what is longer comes as several lines */

struct child_request {
	char *const *argv;        /* [0]: a path, or a name that is looked for in PATH */
	char *const *environment; /* NULL: ours */
	uint64_t limit_ns;        /* 0: it may take as long as it likes */
	int stop_fd;              /* readable: it is to end; -1: none */
	/** fd: 1 or 2, where it was said; without the end of the line. */
	void (*hear)(void *context, int fd, const char *line);
	void *context;
};

/**
 * Run it to its end: what it returns, or 128 and the signal that ended it. Once it overruns or
 * is to stop, the group gets SIGTERM, and five seconds later SIGKILL. What the group leaves
 * behind of an end in time lives on, unheard.
 * Errors, with a sentence: -ETIMEDOUT, -ECANCELED (it was told to stop and has ended, however
 * that went), -ENOENT, -EACCES and others of starting it.
 */
int child_run(const struct child_request *request);

#endif
