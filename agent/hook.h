/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One call of a hook: an executable of the administrator's that is told a phase of a run,
 * as docs/schedule.md says. It cannot hold up the run for longer than its time limit and what
 * agent/child.h takes to get rid of it.
 */
#ifndef AGENT_HOOK_H
#define AGENT_HOOK_H

#include <stddef.h>
#include <stdint.h>

#define HOOK_LINES_MAX 200 /* of one call; what it prints beyond them is only counted */

struct hook_call {
	const char *path;  /* absolute */
	const char *phase; /* the argument */
	char *const *variables; /* "NAME=VALUE", beside PATH, LANG, HOME and TIDEMARK_PHASE */
	size_t nr_variables;
	uint64_t timeout_ns;
	uint64_t grace_ns; /* from SIGTERM to SIGKILL; 0: five seconds */
	int interrupt_fd;  /* readable: end it; -1: only time does */
	/* Each line that it prints, without the line's end, while it runs; or NULL. */
	void (*line)(void *context, const char *text);
	void *context;
};

/**
 * May it be run? It runs as we do, so nobody else may be able to change it. Errors: -ENOENT,
 * -ENOEXEC (no regular file, no execute permission, owned by someone else than root and us,
 * or writable by others), each with a sentence that has the remedy.
 */
int hook_check(const char *path);

/**
 * Check it, run it and wait until it has ended. What it leaves in the background goes on
 * where it ended in time, and what that prints is lost; else its process group is killed.
 * Errors: those of hook_check(), -ECHILD (its status was not 0, or a signal ended it),
 * -ETIMEDOUT, -ECANCELED (interrupt_fd), and those of starting a program. The sentence names
 * the hook and the phase.
 */
int hook_run(const struct hook_call *call);

#endif
