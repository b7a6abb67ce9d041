/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What is remembered of a job from one tidemarkd to the next, as a JSON text in a file of its
 * own. It says what is due, nothing else depends on it: one that is lost costs a run too many.
 */
#ifndef DAEMON_JOB_STATE_H
#define DAEMON_JOB_STATE_H

#include "daemon/job_run.h"
#include "daemon/schedule.h"

#include <stdbool.h>

struct job_state {
	struct schedule_past past;
	bool paused;
	int64_t succeeded_s; /* end of the last run that did; 0: none */
	char points[JOB_POINTS_BYTES]; /* of it, separated by blanks, cut off where there are many */
	char reason[512];    /* of the latest failure; empty: none since a success */
};

/**
 * What the file says; without one, or where it makes no sense, nothing has been yet.
 * Errors, with a sentence, and *ret_state is as for a new job: -EBADMSG, those of reading.
 */
int job_state_read(const char *path, struct job_state *ret_state);

/** Replaces the file as a whole; makes the directories. Errors, with a sentence: those of the system. */
int job_state_write(const char *path, const struct job_state *state);

#endif
