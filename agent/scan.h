/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Reads the frozen set of a fuzzy cut, and what an earlier scan has left unread, into a draft,
 * while the volume is written to: docs/journal.md says what makes it whole.
 */
#ifndef AGENT_SCAN_H
#define AGENT_SCAN_H

#include "agent/chunk_read.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <tidemark.h>

struct scan_request {
	struct channel *channel;
	struct chunk_source source;
	struct tmc_backup *backup;
	const uint64_t *also; /* by chunk: bits of those to be read as well; NULL: none */
	uint64_t bytes_per_second; /* 0: as fast as it goes */
	int (*keep_on)(void *context); /* asked ten times a second; below 0, with a sentence: stop */
	void *context;
};

/* Counts while the scan runs; from any thread. */
struct scan_progress {
	atomic_uint_least64_t read_bytes;
	atomic_uint_least64_t unreadable_chunks;
};

/** How many chunks there are to be read. Errors: of the channel. */
int scan_count(const struct scan_request *request, uint64_t *ret_chunks);

/**
 * In the calling thread, whose I/O gives way to everybody's. ret_is_part: keep_on has stopped
 * it, and what is left is in the draft as unreadable. Errors: what keep_on said,
 * -EPIPE (the catalog: its commit says why), -ENODEV, -ENXIO, -EIO and others of reading.
 */
int scan_run(const struct scan_request *request, struct scan_progress *progress,
	     bool *ret_is_part);

#endif
