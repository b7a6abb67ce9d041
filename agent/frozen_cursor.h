/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Walks the frozen set once, in runs of neighbouring chunks, and holds one
 * window of its bitmap at a time. Threads share it: each run goes to one.
 */
#ifndef AGENT_FROZEN_CURSOR_H
#define AGENT_FROZEN_CURSOR_H

#include <pthread.h>
#include <stdint.h>

#define FROZEN_WINDOW_CHUNKS 65536u

/** Fills words with the bits of chunks; first_chunk is a multiple of 64. */
typedef int frozen_read_fn(void *context, uint64_t first_chunk, uint64_t nr_chunks,
			   uint64_t *ret_words);

struct frozen_run {
	uint64_t first_chunk;
	uint32_t nr_chunks;
};

struct frozen_cursor {
	pthread_mutex_t lock; /* all below but the constants */
	frozen_read_fn *read; /* constant, as are the next three */
	void *context;
	uint64_t nr_chunks;
	uint32_t run_chunks_max;
	uint64_t next_chunk;
	uint64_t window_start;
	uint64_t window_chunks;
	uint64_t seen_chunks; /* set bits so far */
	uint64_t words[FROZEN_WINDOW_CHUNKS / 64];
};

void frozen_cursor_init(struct frozen_cursor *cursor, uint64_t nr_chunks, uint32_t run_chunks_max,
			frozen_read_fn *read, void *context);

/** 1: a run, 0: the end, or what the read function returned. */
int frozen_cursor_next(struct frozen_cursor *cursor, struct frozen_run *ret_run);

#endif
