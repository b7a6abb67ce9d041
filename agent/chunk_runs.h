/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A set of chunks as runs, ascending and apart from each other, in bounded memory: where
 * there would be too many runs, the small gaps between them are filled. It then has chunks
 * that nobody added, which is what a set of dirty chunks may have.
 */
#ifndef AGENT_CHUNK_RUNS_H
#define AGENT_CHUNK_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_RUNS_MAX      (1u << 20) /* 16 MiB */
#define CHUNK_WINDOW_CHUNKS 65536u

struct chunk_run {
	uint64_t first_chunk;
	uint64_t nr_chunks;
};

/** Starts as {0}. */
struct chunk_runs {
	struct chunk_run *runs;
	size_t nr;
	size_t capacity;
	uint64_t gap_chunks; /* gaps of up to so many are filled */
};

/** A part of the set as bits; first_chunk is a multiple of 64. */
struct chunk_window {
	uint64_t first_chunk;
	uint64_t nr_chunks;
	uint64_t words[CHUNK_WINDOW_CHUNKS / 64];
};

void chunk_runs_clear(struct chunk_runs *set);

/** Behind or next to what was added before; nr_chunks is not 0. Errors: -ENOMEM. */
int chunk_runs_add(struct chunk_runs *set, uint64_t first_chunk, uint64_t nr_chunks);

/** Those whose bit is set; windows come in ascending order. Errors: -ENOMEM. */
int chunk_runs_add_window(struct chunk_runs *set, const struct chunk_window *window);

/**
 * The next window from from_chunk on that has any chunk of the set, cut off at nr_chunks, the
 * end of the volume, which no run exceeds; false: there is none.
 */
bool chunk_runs_window(const struct chunk_runs *set, uint64_t from_chunk, uint64_t nr_chunks,
		       struct chunk_window *ret_window);

uint64_t chunk_runs_count(const struct chunk_runs *set);

#endif
