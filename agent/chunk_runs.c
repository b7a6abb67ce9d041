// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/chunk_runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void chunk_runs_clear(struct chunk_runs *set)
{
	free(set->runs);
	*set = (struct chunk_runs){0};
}

static uint64_t end_of(const struct chunk_run *run)
{
	return run->first_chunk + run->nr_chunks;
}

/* ------------------------------------------------------------------------- adding */

static void merge(struct chunk_runs *set)
{
	size_t nr = 0;

	for (size_t i = 1; i < set->nr; i++) {
		struct chunk_run *last = &set->runs[nr];
		const struct chunk_run *run = &set->runs[i];

		if (run->first_chunk - end_of(last) <= set->gap_chunks)
			last->nr_chunks = end_of(run) - last->first_chunk;
		else
			set->runs[++nr] = *run;
	}
	set->nr = nr + 1;
}

/* To half of what fits: the next time is far. */
static void fill_gaps(struct chunk_runs *set)
{
	while (set->nr > CHUNK_RUNS_MAX / 2) {
		set->gap_chunks = set->gap_chunks ? 2 * set->gap_chunks : 1;
		merge(set);
	}
}

static int make_room(struct chunk_runs *set)
{
	size_t capacity = set->capacity ? 2 * set->capacity : 64;
	struct chunk_run *runs;

	if (set->nr == CHUNK_RUNS_MAX)
		fill_gaps(set);
	if (set->nr < set->capacity)
		return 0;
	runs = reallocarray(set->runs, capacity, sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	set->runs = runs;
	set->capacity = capacity;
	return 0;
}

int chunk_runs_add(struct chunk_runs *set, uint64_t first_chunk, uint64_t nr_chunks)
{
	struct chunk_run *last;
	int r = make_room(set);

	if (r < 0)
		return r;
	last = set->nr ? &set->runs[set->nr - 1] : NULL;
	if (last && first_chunk - end_of(last) <= set->gap_chunks)
		last->nr_chunks = first_chunk + nr_chunks - last->first_chunk;
	else
		set->runs[set->nr++] = (struct chunk_run){first_chunk, nr_chunks};
	return 0;
}

static bool has(const struct chunk_window *window, uint64_t bit)
{
	return window->words[bit / 64] >> bit % 64 & 1;
}

int chunk_runs_add_window(struct chunk_runs *set, const struct chunk_window *window)
{
	int r = 0;

	for (uint64_t i = 0, end; r == 0 && i < window->nr_chunks; i = end) {
		end = i + 1;
		if (i % 64 == 0 && !window->words[i / 64]) {
			end = i + 64;
			continue;
		}
		if (!has(window, i))
			continue;
		while (end < window->nr_chunks && has(window, end))
			end++;
		r = chunk_runs_add(set, window->first_chunk + i, end - i);
	}
	return r;
}

/* ------------------------------------------------------------------------ reading */

/* The first run that ends behind a chunk. */
static size_t find_run(const struct chunk_runs *set, uint64_t chunk)
{
	size_t low = 0;
	size_t high = set->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (end_of(&set->runs[middle]) <= chunk)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void set_bits(struct chunk_window *window, const struct chunk_run *run)
{
	uint64_t window_end = window->first_chunk + window->nr_chunks;
	uint64_t first = run->first_chunk > window->first_chunk ? run->first_chunk :
								   window->first_chunk;
	uint64_t end = end_of(run) < window_end ? end_of(run) : window_end;

	for (uint64_t bit = first - window->first_chunk; bit < end - window->first_chunk; bit++)
		window->words[bit / 64] |= 1ull << bit % 64;
}

bool chunk_runs_window(const struct chunk_runs *set, uint64_t from_chunk, uint64_t nr_chunks,
		       struct chunk_window *ret_window)
{
	size_t i = find_run(set, from_chunk);
	uint64_t first, left;

	if (i == set->nr)
		return false;
	first = set->runs[i].first_chunk > from_chunk ? set->runs[i].first_chunk : from_chunk;
	first -= first % CHUNK_WINDOW_CHUNKS;
	left = nr_chunks - first;
	ret_window->first_chunk = first;
	ret_window->nr_chunks = left < CHUNK_WINDOW_CHUNKS ? left : CHUNK_WINDOW_CHUNKS;
	memset(ret_window->words, 0, sizeof(ret_window->words));
	for (i = find_run(set, first); i < set->nr; i++) {
		if (set->runs[i].first_chunk >= first + ret_window->nr_chunks)
			break;
		set_bits(ret_window, &set->runs[i]);
	}
	return true;
}

uint64_t chunk_runs_count(const struct chunk_runs *set)
{
	uint64_t nr = 0;

	for (size_t i = 0; i < set->nr; i++)
		nr += set->runs[i].nr_chunks;
	return nr;
}
