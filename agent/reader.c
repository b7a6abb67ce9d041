// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A reader of the live device. It reads first and asks afterwards: the bits that
 * still stand when the run is released say what of it is the cut's content. Reads
 * are direct: the page cache of the node may hold newer content than the disk,
 * which the cut knows nothing of. A device that fails may be one that is gone: then
 * there is nothing to go on with.
 */
#include "agent/capture.h"
#include "agent/io_class.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define RUN_WORDS_MAX  (TMC_BUFFER_BYTES / TMC_CHUNK_BYTES_MIN / 64)

/* One run on its way; bit n stands for the run's chunk n. */
struct run {
	struct frozen_run chunks;
	uint8_t *buffer; /* NULL once the catalog has it */
	uint64_t unreadable[RUN_WORDS_MAX];
	uint64_t standing[RUN_WORDS_MAX];
};

static bool bit_is_set(const uint64_t *words, uint32_t bit)
{
	return words[bit / 64] >> bit % 64 & 1;
}

int capture_check_reads(const struct capture *capture)
{
	uint64_t last = capture->info->nr_chunks - 1;
	uint64_t places[] = {atomic_load(&capture->readable_chunk), 0, last / 2, last};
	CLEANUP_FREE uint8_t *buffer = aligned_alloc(4096, capture->info->chunk_bytes);

	if (!buffer)
		return failure_set(-ENOMEM, "backup: out of memory");
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (places[i] <= last && chunk_read(&capture->source, places[i], 1, buffer) == 0)
			return 0;
	return failure_set(-ENXIO, "device: is gone, or cannot be read anywhere any more");
}

/* After a failed read of the whole run: find out which chunks it was. */
static int read_one_by_one(struct capture *capture, struct run *run)
{
	for (uint32_t i = 0; i < run->chunks.nr_chunks; i++) {
		uint64_t chunk = run->chunks.first_chunk + i;
		int r = chunk_read(&capture->source, chunk, 1,
				   run->buffer + (size_t)i * capture->info->chunk_bytes);

		if (r < 0 && !chunk_read_is_medium_error(r))
			return chunk_read_failure(&capture->source, chunk, r);
		if (r < 0)
			run->unreadable[i / 64] |= 1ull << i % 64;
	}
	return 0;
}

static int read_run(struct capture *capture, struct run *run)
{
	uint64_t first_chunk = run->chunks.first_chunk;
	uint64_t bytes = chunk_read_bytes(&capture->source, first_chunk, run->chunks.nr_chunks);
	int r = chunk_read(&capture->source, first_chunk, run->chunks.nr_chunks, run->buffer);
	int gone;

	atomic_fetch_add(&capture->frozen_bytes, bytes);
	atomic_fetch_add(&capture->read_bytes, bytes);
	if (r == 0) {
		atomic_store(&capture->readable_chunk, first_chunk);
		return 0;
	}
	gone = channel_check_device(capture->request->channel);
	if (gone < 0)
		return gone;
	if (chunk_read_is_medium_error(r))
		return read_one_by_one(capture, run);
	return chunk_read_failure(&capture->source, first_chunk, r);
}

static int put_unreadable(struct capture *capture, const struct run *run)
{
	for (uint32_t i = 0; i < run->chunks.nr_chunks; i++) {
		int r;

		if (!bit_is_set(run->standing, i) || !bit_is_set(run->unreadable, i))
			continue;
		r = tmc_backup_put_unreadable(capture->request->backup,
					      run->chunks.first_chunk + i, 1);
		if (r < 0)
			return capture_catalog_failure(r);
		atomic_fetch_add(&capture->unreadable_chunks, 1);
	}
	return 0;
}

static int hand_over(struct capture *capture, struct run *run)
{
	uint64_t chosen[RUN_WORDS_MAX];
	uint64_t any = 0;
	uint32_t nr_standing = 0;
	int r;

	for (uint32_t w = 0; w < (run->chunks.nr_chunks + 63) / 64; w++) {
		nr_standing += (uint32_t)__builtin_popcountll(run->standing[w]);
		chosen[w] = run->standing[w] & ~run->unreadable[w];
		any |= chosen[w];
	}
	r = put_unreadable(capture, run);
	if (r == 0 && any) {
		void *buffer = run->buffer;

		run->buffer = NULL;
		r = tmc_backup_put(capture->request->backup, run->chunks.first_chunk,
				   run->chunks.nr_chunks, buffer, chosen);
		if (r < 0)
			return capture_catalog_failure(r);
	}
	if (r == 0)
		atomic_fetch_add(&capture->done_chunks, nr_standing);
	return r;
}

static int process_run(struct capture *capture, struct run *run)
{
	int r = read_run(capture, run);

	if (r == 0)
		r = channel_release(capture->request->channel, capture->request->cut.epoch,
				    run->chunks.first_chunk, run->chunks.nr_chunks, run->standing);
	return r == 0 ? hand_over(capture, run) : r;
}

static int keep_on(void *context)
{
	struct capture *capture = context;

	return atomic_load(&capture->stopping) ? -ECANCELED : 0;
}

/* 1: it may be read now, 0: there is no other, or none is wanted any more. */
static int next_run(struct capture *capture, struct frozen_run *ret_run)
{
	int r = frozen_cursor_next(&capture->cursor, ret_run);
	uint64_t bytes;

	if (r <= 0)
		return r;
	bytes = chunk_read_bytes(&capture->source, ret_run->first_chunk, ret_run->nr_chunks);
	return pace_wait(capture->request->pace, bytes, keep_on, capture) == 0;
}

static int read_all(struct capture *capture)
{
	struct frozen_run chunks;
	int r;

	while ((r = next_run(capture, &chunks)) > 0) {
		/* After the wait for its pace, in which the feeder may want one. */
		struct run run = {
			.chunks = chunks,
			.buffer = tmc_backup_buffer(capture->request->backup),
		};

		if (!run.buffer)
			return capture_catalog_failure(-EPIPE);
		r = process_run(capture, &run);
		if (run.buffer)
			tmc_backup_buffer_return(capture->request->backup, run.buffer);
		if (r < 0)
			return r;
	}
	return r;
}

void *capture_reader(void *argument)
{
	struct capture *capture = argument;
	int r = io_class_enter(capture->request->io_class);

	if (r == 0)
		r = read_all(capture);

	if (r < 0)
		capture_fail(capture, r);
	atomic_fetch_sub(&capture->readers_left, 1);
	capture_wake(capture);
	return NULL;
}
