// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The thread that hands preserved chunks to the catalog, so that the one which
 * drains the ring need not wait for a buffer.
 */
#include "agent/capture.h"
#include "agent/preserved.h"
#include "common/failure.h"

#include <errno.h>

static int put_batch(struct capture *capture, const struct preserved_batch *batch, void *buffer)
{
	struct tmc_backup *backup = capture->request->backup;
	int r;

	if (batch->kind == PRESERVED_CONTENT) {
		r = tmc_backup_put(backup, batch->first_chunk, batch->nr_chunks, buffer, NULL);
	} else {
		tmc_backup_buffer_return(backup, buffer);
		r = tmc_backup_put_unreadable(backup, batch->first_chunk, batch->nr_chunks);
		atomic_fetch_add(&capture->unreadable_chunks, batch->nr_chunks);
	}
	return r < 0 ? capture_catalog_failure(r) : 0;
}

static int feed_all(struct capture *capture)
{
	struct tmc_backup *backup = capture->request->backup;

	while (preserved_wait(capture->preserved)) {
		struct preserved_batch batch;
		void *buffer = tmc_backup_buffer(backup);
		int r;

		if (!buffer)
			return capture_catalog_failure(-EPIPE);
		r = preserved_take(capture->preserved, buffer, TMC_BUFFER_BYTES, &batch);
		if (r < 0) {
			tmc_backup_buffer_return(backup, buffer);
			return r;
		}
		r = put_batch(capture, &batch, buffer);
		if (r < 0)
			return r;
	}
	return 0;
}

void *capture_feeder(void *argument)
{
	struct capture *capture = argument;
	int r = feed_all(capture);

	if (r < 0)
		capture_fail(capture, r);
	atomic_store(&capture->feeder_left, false);
	capture_wake(capture);
	return NULL;
}
