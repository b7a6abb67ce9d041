// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A set of chunks goes in and out as bits, exactly where it fits, and with chunks added where
 * it does not.
 */
#include "agent/chunk_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void put_in(struct chunk_runs *set, const uint8_t *chunks, uint64_t nr)
{
	struct chunk_window *window = malloc(sizeof(*window));

	for (uint64_t first = 0; first < nr; first += CHUNK_WINDOW_CHUNKS) {
		window->first_chunk = first;
		window->nr_chunks = nr - first < CHUNK_WINDOW_CHUNKS ? nr - first :
								       CHUNK_WINDOW_CHUNKS;
		memset(window->words, 0, sizeof(window->words));
		for (uint64_t i = 0; i < window->nr_chunks; i++)
			window->words[i / 64] |= (uint64_t)chunks[first + i] << i % 64;
		assert_int_equal(chunk_runs_add_window(set, window), 0);
	}
	free(window);
}

static void take_out(const struct chunk_runs *set, uint8_t *ret_chunks, uint64_t nr)
{
	struct chunk_window *window = malloc(sizeof(*window));
	uint64_t from = 0;

	memset(ret_chunks, 0, nr);
	while (chunk_runs_window(set, from, nr, window)) {
		assert_true(window->first_chunk >= from && window->first_chunk % 64 == 0);
		assert_true(window->first_chunk + window->nr_chunks <= nr);
		for (uint64_t i = 0; i < window->nr_chunks; i++)
			ret_chunks[window->first_chunk + i] = window->words[i / 64] >> i % 64 & 1;
		from = window->first_chunk + window->nr_chunks;
	}
	free(window);
}

static uint64_t count(const uint8_t *chunks, uint64_t nr)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < nr; i++)
		sum += chunks[i];
	return sum;
}

/* one_in: how often a stretch begins or ends. */
static void round_trip(uint64_t nr, unsigned int one_in, unsigned int seed)
{
	uint8_t *chunks = calloc(nr, 1), *out = calloc(nr, 1);
	struct chunk_runs set = {0};
	uint8_t now = 0;

	for (uint64_t i = 0; i < nr; i++) {
		now ^= (unsigned int)rand_r(&seed) % one_in == 0;
		chunks[i] = now;
	}
	put_in(&set, chunks, nr);
	take_out(&set, out, nr);
	assert_memory_equal(chunks, out, nr);
	assert_int_equal(chunk_runs_count(&set), count(chunks, nr));
	chunk_runs_clear(&set);
	free(chunks);
	free(out);
}

static void a_set_comes_out_as_it_went_in(void **state)
{
	static const uint64_t sizes[] = { 1, 63, 64, 65, 1000, 65535, 65536, 65537, 200000 };
	static const unsigned int rates[] = { 1, 2, 5, 100, 10000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t j = 0; j < sizeof(rates) / sizeof(rates[0]); j++)
			round_trip(sizes[i], rates[j], (unsigned int)(i * 10 + j));
}

static void an_empty_set_has_no_window(void **state)
{
	struct chunk_window *window = malloc(sizeof(*window));
	struct chunk_runs set = {0};

	assert_false(chunk_runs_window(&set, 0, 1000, window));
	assert_int_equal(chunk_runs_count(&set), 0);
	free(window);
}

/* Every other chunk, and then every tenth, of far more than there may be runs. */
static void too_many_runs_become_fewer_and_lose_no_chunk(void **state)
{
	const uint64_t nr = 6ull * CHUNK_RUNS_MAX;
	uint8_t *chunks = calloc(nr, 1), *out = calloc(nr, 1);
	struct chunk_runs set = {0};

	for (uint64_t i = 0; i < nr; i += i < nr / 2 ? 2 : 10)
		chunks[i] = 1;
	put_in(&set, chunks, nr);
	assert_true(set.nr <= CHUNK_RUNS_MAX);
	for (size_t i = 1; i < set.nr; i++)
		assert_true(set.runs[i].first_chunk >
			    set.runs[i - 1].first_chunk + set.runs[i - 1].nr_chunks);
	take_out(&set, out, nr);
	for (uint64_t i = 0; i < nr; i++)
		assert_true(out[i] >= chunks[i]);
	assert_int_equal(chunk_runs_count(&set), count(out, nr));
	chunk_runs_clear(&set);
	free(chunks);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_set_comes_out_as_it_went_in),
		cmocka_unit_test(an_empty_set_has_no_window),
		cmocka_unit_test(too_many_runs_become_fewer_and_lose_no_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
