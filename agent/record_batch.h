/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Records of the stream on their way from the ring to the journal: copies, so that the
 * ring has its room back at once.
 */
#ifndef AGENT_RECORD_BATCH_H
#define AGENT_RECORD_BATCH_H

#include "agent/ring.h"

#include <stddef.h>

#define RECORD_BATCH_BYTES (1280u << 10) /* the largest record fits, and many small ones */

struct record_batch {
	size_t bytes;
	uint64_t last_seq; /* the module's, of all that was consumed by the end of this one */
	uint64_t position; /* in the ring, behind it */
	bool seal;         /* store what there is, behind these records */
	bool ends;         /* the stream has ended behind these records */
	uint8_t data[RECORD_BATCH_BYTES] __attribute__((aligned(8)));
};

void record_batch_clear(struct record_batch *batch);

/** Copy a record and its payload. False: it does not fit any more. */
bool record_batch_add(struct record_batch *batch, const struct ring_record *record);

/** The record at *at, which goes on to the next; false at the end. at: first 0. */
bool record_batch_next(const struct record_batch *batch, size_t *at, struct ring_record *ret_record);

#endif
