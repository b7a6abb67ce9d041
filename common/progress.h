/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One line on a terminal that tells how far a long job is: done, total, rate,
 * time remaining. Nothing at all when standard error is no terminal.
 */
#ifndef COMMON_PROGRESS_H
#define COMMON_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	pthread_mutex_t lock; /* all below */
	const char *verb;
	uint64_t start_ns;
	uint64_t shown_ns;
	uint64_t done_bytes; /* of progress_add() */
	uint64_t total_bytes;
	bool enabled;
	bool on_screen;
};

/** verb: "backing up"; a string that outlives the progress. */
void progress_start(struct progress *progress, const char *verb, bool enabled);

/** From any thread, as often as one likes; drawn five times a second. */
void progress_update(struct progress *progress, uint64_t done_bytes, uint64_t total_bytes);

/** When it is known only after the start: the rate counts from here. */
void progress_set_total(struct progress *progress, uint64_t total_bytes);

/**
 * For a job of several threads that each know what they have added. total_bytes is
 * set after progress_start(), before they start, or by progress_set_total().
 */
void progress_add(struct progress *progress, uint64_t bytes);

/** Take the line off the screen, before anything else is printed; the next update draws it. */
void progress_clear(struct progress *progress);

/** The same, for good. */
void progress_stop(struct progress *progress);

#endif
