// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/chunk_read.h"
#include "common/failure.h"
#include "common/io.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SECTOR_BYTES 512

uint64_t chunk_read_bytes(const struct chunk_source *source, uint64_t first_chunk,
			  uint64_t nr_chunks)
{
	const struct channel_info *info = source->info;
	uint64_t start = first_chunk * info->chunk_bytes;
	uint64_t end = (first_chunk + nr_chunks) * info->chunk_bytes;

	return (end < info->volume_bytes ? end : info->volume_bytes) - start;
}

static uint64_t device_offset(const struct chunk_source *source, uint64_t chunk)
{
	return source->info->start_sector * SECTOR_BYTES + chunk * source->info->chunk_bytes;
}

int chunk_read(const struct chunk_source *source, uint64_t first_chunk, uint64_t nr_chunks,
	       void *buffer)
{
	int r = io_read_full(source->fd, buffer, chunk_read_bytes(source, first_chunk, nr_chunks),
			     device_offset(source, first_chunk));

	return r == -ENODATA ? -EIO : r; /* a disk that ends early is one that cannot be read */
}

bool chunk_read_is_medium_error(int error)
{
	return error == -EIO || error == -ENODATA || error == -EILSEQ || error == -EREMOTEIO;
}

int chunk_read_failure(const struct chunk_source *source, uint64_t chunk, int error)
{
	uint64_t at = device_offset(source, chunk);

	if (error == -ENODEV || error == -ENXIO)
		return failure_set(-ENXIO, "device: is gone, noticed at byte %" PRIu64, at);
	return failure_set(error, "device: cannot be read at byte %" PRIu64 ": %s", at,
			   strerror(-error));
}
