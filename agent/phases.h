/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The phases of a backup, as its hook is told of them: docs/schedule.md, "Hooks". Without a
 * hook nobody is told, and every call succeeds. The calls come from one thread, in the order
 * of their declarations; the two of the cut once for each attempt.
 */
#ifndef AGENT_PHASES_H
#define AGENT_PHASES_H

#include "agent/backup.h"

#include <pthread.h>
#include <stdbool.h>

struct interrupt;
struct progress;
struct volume_backup;

struct phases {
	const struct backup_request *request; /* constant, as are the next four */
	const struct interrupt *interrupt;
	struct progress *progress;
	const struct volume_backup *volumes;
	size_t nr_volumes;
	bool begun; /* before-backup was told */
	bool quiet; /* before-cut was told, and after-cut has to be */
	bool has_thread;
	pthread_t thread; /* which tells after-cut */
	bool failed; /* that thread's while it runs: a phase that fails nothing has failed */
};

/**
 * before-backup. Errors of this and of the next one: those of hook_run(); -ECANCELED also
 * where a signal came before: then nobody is told.
 */
int phases_begin(struct phases *phases);

/** before-cut. */
int phases_before_cut(struct phases *phases);

/**
 * after-cut, in a thread of its own: writes to the volume wait for whoever drains the ring, and
 * those of the application that goes on are among them. Nothing where before-cut was not told.
 */
void phases_after_cut(struct phases *phases);

/** Until after-cut is through; it must be before the next before-cut. */
void phases_wait(struct phases *phases);

/**
 * after-backup where error is 0, else on-failure, with failure_text() for a reason, which is
 * kept. Nothing where before-backup was not told.
 */
void phases_end(struct phases *phases, int error);

#endif
