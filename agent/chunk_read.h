/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Direct reads of chunks of an attached volume from its live device.
 */
#ifndef AGENT_CHUNK_READ_H
#define AGENT_CHUNK_READ_H

#include "agent/channel.h"

#include <stdbool.h>
#include <stdint.h>

struct chunk_source {
	int fd; /* of the live device, O_DIRECT */
	const struct channel_info *info;
};

/** Of so many chunks; the volume's last one may be shorter than the others. */
uint64_t chunk_read_bytes(const struct chunk_source *source, uint64_t first_chunk,
			  uint64_t nr_chunks);

/** buffer: page-aligned. Errors: those of pread, without a sentence. */
int chunk_read(const struct chunk_source *source, uint64_t first_chunk, uint64_t nr_chunks,
	       void *buffer);

/** Does a disk answer this for sectors that it cannot read, as opposed to a lost disk? */
bool chunk_read_is_medium_error(int error);

/** The sentence for an error that is none of the medium. */
int chunk_read_failure(const struct chunk_source *source, uint64_t chunk, int error);

#endif
