// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The frozen set is walked completely, once, whatever its shape.
 */
#include "agent/frozen_cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct bitmap {
	uint64_t nr_chunks;
	uint64_t *words;
	uint64_t calls;
	uint64_t fail_at; /* call number; 0: never */
};

static int read_bitmap(void *context, uint64_t first_chunk, uint64_t nr_chunks, uint64_t *ret_words)
{
	struct bitmap *bitmap = context;

	assert_int_equal(first_chunk % 64, 0);
	assert_true(first_chunk + nr_chunks <= bitmap->nr_chunks);
	if (++bitmap->calls == bitmap->fail_at)
		return -ENODEV;
	memcpy(ret_words, bitmap->words + first_chunk / 64, (nr_chunks + 63) / 64 * 8);
	return 0;
}

static bool bit(const uint64_t *words, uint64_t at)
{
	return words[at / 64] >> at % 64 & 1;
}

static void walk(struct bitmap *bitmap, uint32_t run_max)
{
	struct frozen_cursor *cursor = malloc(sizeof(*cursor));
	uint64_t words = (bitmap->nr_chunks + 63) / 64;
	uint64_t *seen = calloc(words + 1, 8);
	uint64_t total = 0;
	struct frozen_run run;

	frozen_cursor_init(cursor, bitmap->nr_chunks, run_max, read_bitmap, bitmap);
	while (frozen_cursor_next(cursor, &run) > 0) {
		assert_true(run.nr_chunks >= 1 && run.nr_chunks <= run_max);
		for (uint64_t c = run.first_chunk; c < run.first_chunk + run.nr_chunks; c++) {
			assert_false(bit(seen, c));
			seen[c / 64] |= 1ull << c % 64;
		}
		total += run.nr_chunks;
	}
	assert_memory_equal(seen, bitmap->words, words * 8);
	assert_int_equal(cursor->seen_chunks, total);
	assert_int_equal(frozen_cursor_next(cursor, &run), 0);
	free(seen);
	free(cursor);
}

static struct bitmap make(uint64_t nr_chunks)
{
	return (struct bitmap){.nr_chunks = nr_chunks, .words = calloc(nr_chunks / 64 + 1, 8)};
}

static void set(struct bitmap *bitmap, uint64_t at)
{
	bitmap->words[at / 64] |= 1ull << at % 64;
}

static void every_shape_is_walked(void **state)
{
	static const uint64_t sizes[] = {1,
					 63,
					 64,
					 65,
					 FROZEN_WINDOW_CHUNKS,
					 FROZEN_WINDOW_CHUNKS + 1,
					 3 * FROZEN_WINDOW_CHUNKS - 5};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bitmap bitmap = make(sizes[i]);

		walk(&bitmap, 16); /* empty */
		set(&bitmap, 0);
		set(&bitmap, sizes[i] - 1);
		walk(&bitmap, 16); /* both ends */
		for (uint64_t c = 0; c < sizes[i]; c++)
			set(&bitmap, c);
		walk(&bitmap, 16);
		walk(&bitmap, 256); /* everything */
		free(bitmap.words);
	}
}

static void random_sets_are_walked(void **state)
{
	srandom(3);
	for (unsigned int round = 0; round < 30; round++) {
		struct bitmap bitmap = make(1 + (uint64_t)random() % 200000);

		for (uint64_t c = 0; c < bitmap.nr_chunks; c++)
			if (random() % (1 + round % 7) == 0)
				set(&bitmap, c);
		walk(&bitmap, 1 + round);
		free(bitmap.words);
	}
}

static void an_empty_volume_costs_one_call_per_window(void **state)
{
	struct bitmap bitmap = make(10 * FROZEN_WINDOW_CHUNKS);

	walk(&bitmap, 16);
	assert_int_equal(bitmap.calls, 10);
	free(bitmap.words);
}

static void an_error_is_passed_on(void **state)
{
	struct bitmap bitmap = make(3 * FROZEN_WINDOW_CHUNKS);
	struct frozen_cursor *cursor = malloc(sizeof(*cursor));
	struct frozen_run run;

	bitmap.fail_at = 2;
	frozen_cursor_init(cursor, bitmap.nr_chunks, 16, read_bitmap, &bitmap);
	assert_int_equal(frozen_cursor_next(cursor, &run), -ENODEV);
	free(cursor);
	free(bitmap.words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape_is_walked),
		cmocka_unit_test(random_sets_are_walked),
		cmocka_unit_test(an_empty_volume_costs_one_call_per_window),
		cmocka_unit_test(an_error_is_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
