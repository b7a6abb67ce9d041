/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * SIGINT, SIGTERM and SIGHUP as a file descriptor: a backup that is told to stop
 * ends its cut and leaves no point, and it does so between two steps, not inside
 * one.
 */
#ifndef AGENT_INTERRUPT_H
#define AGENT_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

struct interrupt {
	int fd; /* readable once a signal is there; -1: not started */
	sigset_t saved_mask;
};

/** Call it before threads start: they inherit the mask. */
int interrupt_start(struct interrupt *ret_interrupt);

/** Signals that arrive from here on have their usual effect again. */
void interrupt_stop(struct interrupt *interrupt);

bool interrupt_is_pending(const struct interrupt *interrupt);

#endif
