// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/scan.h"
#include "agent/catalog_failure.h"
#include "agent/frozen_cursor.h"
#include "agent/io_class.h"
#include "agent/pace.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct scan {
	const struct scan_request *request;
	struct scan_progress *progress;
	struct frozen_cursor cursor;
	struct pace pace;
	bool is_stopped; /* by keep_on, behind a whole run */
};

static int put_one_by_one(struct scan *scan, const struct frozen_run *run, uint8_t *buffer)
{
	const struct scan_request *request = scan->request;
	uint64_t chosen[TMC_BUFFER_BYTES / TMC_CHUNK_BYTES_MIN / 64] = {0};
	bool any = false;
	int r = 0;

	for (uint32_t i = 0; i < run->nr_chunks && r == 0; i++) {
		uint64_t chunk = run->first_chunk + i;
		int error = chunk_read(&request->source, chunk, 1,
				       buffer + (size_t)i * request->source.info->chunk_bytes);

		if (error == 0) {
			chosen[i / 64] |= 1ull << i % 64;
			any = true;
		} else if (chunk_read_is_medium_error(error)) {
			r = tmc_backup_put_unreadable(request->backup, chunk, 1);
			r = r < 0 ? catalog_failure(r) : 0;
			atomic_fetch_add(&scan->progress->unreadable_chunks, 1);
		} else {
			r = chunk_read_failure(&request->source, chunk, error);
		}
	}
	if (r < 0 || !any) {
		tmc_backup_buffer_return(request->backup, buffer);
		return r;
	}
	r = tmc_backup_put(request->backup, run->first_chunk, run->nr_chunks, buffer, chosen);
	return r < 0 ? catalog_failure(r) : 0;
}

static int put_run(struct scan *scan, const struct frozen_run *run, uint8_t *buffer)
{
	const struct scan_request *request = scan->request;
	int r = chunk_read(&request->source, run->first_chunk, run->nr_chunks, buffer);

	if (r < 0 && channel_check_device(request->channel) < 0) {
		tmc_backup_buffer_return(request->backup, buffer);
		return -ENXIO;
	}
	if (r < 0)
		return put_one_by_one(scan, run, buffer);
	r = tmc_backup_put(request->backup, run->first_chunk, run->nr_chunks, buffer, NULL);
	return r < 0 ? catalog_failure(r) : 0;
}

/* 1: go on, 0: the frozen set has been read. */
static int scan_one(struct scan *scan)
{
	struct tmc_backup *backup = scan->request->backup;
	void *buffer = tmc_backup_buffer(backup);
	struct frozen_run run;
	uint64_t bytes;
	int r;

	if (!buffer)
		return catalog_failure(-EPIPE);
	r = frozen_cursor_next(&scan->cursor, &run);
	if (r <= 0) {
		tmc_backup_buffer_return(backup, buffer);
		return r;
	}
	bytes = chunk_read_bytes(&scan->request->source, run.first_chunk, run.nr_chunks);
	r = put_run(scan, &run, buffer);
	atomic_fetch_add(&scan->progress->read_bytes, bytes);
	if (r < 0)
		return r;
	r = pace_wait(&scan->pace, bytes, scan->request->keep_on, scan->request->context);
	scan->is_stopped = r < 0;
	return r < 0 ? r : 1;
}

static int read_words(void *context, uint64_t first_chunk, uint64_t nr_chunks,
		      uint64_t *ret_words)
{
	const struct scan_request *request = context;
	int r = channel_read_frozen(request->channel, first_chunk, nr_chunks, ret_words);

	for (uint64_t i = 0; r == 0 && request->also && i < (nr_chunks + 63) / 64; i++)
		ret_words[i] |= request->also[first_chunk / 64 + i];
	return r;
}

static void begin(const struct scan_request *request, struct frozen_cursor *cursor)
{
	const struct channel_info *info = request->source.info;

	frozen_cursor_init(cursor, info->nr_chunks,
			   pace_run_chunks(request->bytes_per_second, info->chunk_bytes), read_words,
			   (void *)request);
}

int scan_count(const struct scan_request *request, uint64_t *ret_chunks)
{
	CLEANUP_FREE struct frozen_cursor *cursor = calloc(1, sizeof(*cursor));
	struct frozen_run run;
	int r = 1;

	if (!cursor)
		return failure_set(-ENOMEM, "out of memory");
	begin(request, cursor);
	while (r > 0)
		r = frozen_cursor_next(cursor, &run);
	*ret_chunks = cursor->seen_chunks;
	return r;
}

/* Keeps the sentence of what stopped it. */
static bool put_rest(struct scan *scan)
{
	struct frozen_run run;
	char reason[512];
	int r;

	snprintf(reason, sizeof(reason), "%s", failure_text());
	while ((r = frozen_cursor_next(&scan->cursor, &run)) > 0)
		if (tmc_backup_put_unreadable(scan->request->backup, run.first_chunk,
					      run.nr_chunks) < 0)
			return false;
	failure_set(-ECANCELED, "%s", reason);
	return r == 0;
}

int scan_run(const struct scan_request *request, struct scan_progress *progress,
	     bool *ret_is_part)
{
	CLEANUP_FREE struct scan *scan = calloc(1, sizeof(*scan));
	int r = 1;

	*ret_is_part = false;
	if (!scan)
		return failure_set(-ENOMEM, "out of memory");
	scan->request = request;
	scan->progress = progress;
	pace_init(&scan->pace, request->bytes_per_second, 0);
	begin(request, &scan->cursor);
	/* Where the scheduler knows of it, and only for this thread. */
	io_class_enter(IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
	while (r > 0)
		r = scan_one(scan);
	io_class_leave();
	*ret_is_part = scan->is_stopped && put_rest(scan);
	return r;
}
