// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The rate is the mean since the start: it is steady, and the total is known.
 */
#include "common/progress.h"
#include "common/clock_ns.h"
#include "common/size_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define SHOW_EVERY_NS 200000000u

void progress_start(struct progress *progress, const char *verb, bool enabled)
{
	*progress = (struct progress){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.verb = verb,
		.start_ns = clock_ns(CLOCK_MONOTONIC),
		.enabled = enabled && isatty(STDERR_FILENO),
	};
}

static void draw_locked(struct progress *progress, uint64_t done, uint64_t total, uint64_t now)
{
	uint64_t elapsed_ms = (now - progress->start_ns) / 1000000u;
	uint64_t rate = elapsed_ms ? (uint64_t)((double)done * 1000.0 / (double)elapsed_ms) : 0;
	uint64_t left = rate && total > done ? (total - done) / rate : 0;
	char done_text[SIZE_TEXT_BYTES];
	char total_text[SIZE_TEXT_BYTES];
	char rate_text[SIZE_TEXT_BYTES];

	fprintf(stderr,
		"\r\033[K%s %s of %s, %u%%, %s/s, %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left",
		progress->verb, size_text_format(done, done_text),
		size_text_format(total, total_text),
		total ? (unsigned int)((double)done * 100.0 / (double)total) : 100,
		size_text_format(rate, rate_text), left / 3600, left / 60 % 60, left % 60);
	fflush(stderr);
	progress->on_screen = true;
}

void progress_update(struct progress *progress, uint64_t done_bytes, uint64_t total_bytes)
{
	uint64_t now;

	if (!progress->enabled)
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	/* A thread that finds another one drawing has nothing newer to say. */
	if (pthread_mutex_trylock(&progress->lock) != 0)
		return;
	if (progress->enabled && now - progress->shown_ns >= SHOW_EVERY_NS) {
		draw_locked(progress, done_bytes, total_bytes, now);
		progress->shown_ns = now;
	}
	pthread_mutex_unlock(&progress->lock);
}

void progress_set_total(struct progress *progress, uint64_t total_bytes)
{
	pthread_mutex_lock(&progress->lock);
	progress->start_ns = clock_ns(CLOCK_MONOTONIC);
	progress->total_bytes = total_bytes;
	pthread_mutex_unlock(&progress->lock);
}

void progress_add(struct progress *progress, uint64_t bytes)
{
	uint64_t done = __atomic_add_fetch(&progress->done_bytes, bytes, __ATOMIC_RELAXED);

	progress_update(progress, done, progress->total_bytes);
}

static void clear_locked(struct progress *progress)
{
	if (progress->on_screen)
		fputs("\r\033[K", stderr);
	progress->on_screen = false;
}

void progress_clear(struct progress *progress)
{
	pthread_mutex_lock(&progress->lock);
	clear_locked(progress);
	pthread_mutex_unlock(&progress->lock);
}

void progress_stop(struct progress *progress)
{
	pthread_mutex_lock(&progress->lock);
	clear_locked(progress);
	progress->enabled = false;
	pthread_mutex_unlock(&progress->lock);
}
