// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The queue of preserved chunks: bounded memory, then a file, nothing lost.
 */
#include "agent/preserved.h"
#include "common/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES  4096u
#define BUFFER_BYTES (16 * CHUNK_BYTES)

static uint8_t payload[CHUNK_BYTES];

static struct preserved *make(size_t memory_chunks)
{
	struct preserved *preserved;

	assert_int_equal(preserved_create("/tmp", CHUNK_BYTES, memory_chunks * CHUNK_BYTES,
					  &preserved), 0);
	return preserved;
}

static void push(struct preserved *preserved, uint64_t chunk)
{
	memset(payload, (int)(chunk % 251), sizeof(payload));
	assert_int_equal(preserved_push(preserved, PRESERVED_CONTENT, chunk, payload, CHUNK_BYTES),
			 0);
}

/* Takes everything that is there and ticks each chunk off once. */
static void take_all(struct preserved *preserved, uint8_t *ticks, size_t nr_ticks)
{
	uint8_t *buffer = malloc(BUFFER_BYTES);

	while (preserved_wait(preserved)) {
		struct preserved_batch batch;

		assert_int_equal(preserved_take(preserved, buffer, BUFFER_BYTES, &batch), 0);
		assert_true(batch.nr_chunks >= 1 && batch.nr_chunks <= 16);
		for (uint32_t i = 0; i < batch.nr_chunks; i++) {
			assert_true(batch.first_chunk + i < nr_ticks);
			assert_int_equal(ticks[batch.first_chunk + i]++, 0);
			for (size_t b = 0; batch.kind == PRESERVED_CONTENT && b < CHUNK_BYTES; b++)
				assert_int_equal(buffer[i * CHUNK_BYTES + b],
						 (batch.first_chunk + i) % 251);
		}
	}
	free(buffer);
}

static void what_fits_stays_in_memory(void **state)
{
	struct preserved *preserved = make(8);
	uint8_t ticks[8] = {0};

	for (uint64_t i = 0; i < 8; i++)
		push(preserved, i);
	preserved_close(preserved);
	take_all(preserved, ticks, 8);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(ticks[i], 1);
	assert_int_equal(preserved_spilled_bytes(preserved), 0);
	preserved_destroy(preserved);
}

static void the_rest_goes_to_a_file_and_comes_back(void **state)
{
	struct preserved *preserved = make(4);
	uint8_t ticks[200] = {0};

	for (uint64_t i = 0; i < 200; i++)
		push(preserved, (i * 37) % 200);
	assert_int_equal(preserved_spilled_bytes(preserved), 196 * CHUNK_BYTES);
	preserved_close(preserved);
	take_all(preserved, ticks, 200);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(ticks[i], 1);
	preserved_destroy(preserved);
}

static void neighbours_come_in_one_batch(void **state)
{
	struct preserved *preserved = make(40);
	uint8_t *buffer = malloc(BUFFER_BYTES);
	struct preserved_batch batch;

	for (uint64_t i = 100; i < 120; i++)
		push(preserved, i);
	push(preserved, 7);
	assert_int_equal(preserved_wait(preserved), 1);
	assert_int_equal(preserved_take(preserved, buffer, BUFFER_BYTES, &batch), 0);
	assert_int_equal(batch.first_chunk, 100);
	assert_int_equal(batch.nr_chunks, 16);
	assert_int_equal(preserved_take(preserved, buffer, BUFFER_BYTES, &batch), 0);
	assert_int_equal(batch.first_chunk, 116);
	assert_int_equal(batch.nr_chunks, 4);
	assert_int_equal(preserved_take(preserved, buffer, BUFFER_BYTES, &batch), 0);
	assert_int_equal(batch.first_chunk, 7);
	assert_int_equal(batch.nr_chunks, 1);
	free(buffer);
	preserved_destroy(preserved);
}

static void kinds_are_not_mixed_and_a_short_chunk_ends_a_batch(void **state)
{
	struct preserved *preserved = make(8);
	uint8_t *buffer = malloc(BUFFER_BYTES);
	struct preserved_batch batch;

	push(preserved, 1);
	assert_int_equal(preserved_push(preserved, PRESERVED_UNREADABLE, 2, NULL, 0), 0);
	assert_int_equal(preserved_push(preserved, PRESERVED_CONTENT, 3, payload, 512), 0);
	push(preserved, 4);
	for (uint64_t chunk = 1; chunk <= 4; chunk++) {
		assert_int_equal(preserved_take(preserved, buffer, BUFFER_BYTES, &batch), 0);
		assert_int_equal(batch.first_chunk, chunk);
		assert_int_equal(batch.nr_chunks, 1);
		assert_int_equal(batch.kind,
				 chunk == 2 ? PRESERVED_UNREADABLE : PRESERVED_CONTENT);
	}
	free(buffer);
	preserved_destroy(preserved);
}

static void a_payload_larger_than_a_chunk_is_refused(void **state)
{
	struct preserved *preserved = make(1);

	assert_int_equal(preserved_push(preserved, PRESERVED_CONTENT, 0, payload, CHUNK_BYTES + 1),
			 -EPROTO);
	preserved_destroy(preserved);
}

static void a_cancelled_queue_gives_nothing_more(void **state)
{
	struct preserved *preserved = make(4);

	push(preserved, 1);
	preserved_cancel(preserved);
	assert_int_equal(preserved_wait(preserved), 0);
	preserved_destroy(preserved);
}

static void no_place_to_spill_is_an_error(void **state)
{
	struct preserved *preserved;

	assert_int_equal(preserved_create("/nonexistent/dir", CHUNK_BYTES, CHUNK_BYTES, &preserved),
			 -ENOENT);
}

static ssize_t flip_a_bit(int fd, void *data, size_t bytes, off_t offset)
{
	ssize_t got = io_ops_system.pread(fd, data, bytes, offset);

	if (got == CHUNK_BYTES)
		((uint8_t *)data)[17] ^= 4;
	return got;
}

static void a_spilled_chunk_that_changed_on_disk_is_refused(void **state)
{
	struct preserved *preserved = make(0);
	struct io_ops evil = io_ops_system;
	uint8_t *buffer = malloc(BUFFER_BYTES);
	struct preserved_batch batch;

	push(preserved, 1);
	evil.pread = flip_a_bit;
	io_ops = &evil;
	assert_int_equal(preserved_take(preserved, buffer, BUFFER_BYTES, &batch), -EBADMSG);
	io_ops = &io_ops_system;
	free(buffer);
	preserved_destroy(preserved);
}

static ssize_t disk_full(int fd, const void *data, size_t bytes, off_t offset)
{
	errno = ENOSPC;
	return -1;
}

static void a_full_disk_is_reported(void **state)
{
	struct preserved *preserved = make(0);
	struct io_ops evil = io_ops_system;

	evil.pwrite = disk_full;
	io_ops = &evil;
	assert_int_equal(preserved_push(preserved, PRESERVED_CONTENT, 1, payload, CHUNK_BYTES),
			 -ENOSPC);
	io_ops = &io_ops_system;
	preserved_destroy(preserved);
}

#define MANY 5000u

static void *produce_many(void *argument)
{
	for (uint64_t i = 0; i < MANY; i++)
		push(argument, (i * 3) % MANY);
	preserved_close(argument);
	return NULL;
}

static void producer_and_consumer_run_at_once(void **state)
{
	struct preserved *preserved = make(3);
	uint8_t *ticks = calloc(MANY, 1);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, produce_many, preserved), 0);
	take_all(preserved, ticks, MANY);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(ticks[i], 1);
	free(ticks);
	preserved_destroy(preserved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_stays_in_memory),
		cmocka_unit_test(the_rest_goes_to_a_file_and_comes_back),
		cmocka_unit_test(neighbours_come_in_one_batch),
		cmocka_unit_test(kinds_are_not_mixed_and_a_short_chunk_ends_a_batch),
		cmocka_unit_test(a_payload_larger_than_a_chunk_is_refused),
		cmocka_unit_test(a_cancelled_queue_gives_nothing_more),
		cmocka_unit_test(no_place_to_spill_is_an_error),
		cmocka_unit_test(a_spilled_chunk_that_changed_on_disk_is_refused),
		cmocka_unit_test(a_full_disk_is_reported),
		cmocka_unit_test(producer_and_consumer_run_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
