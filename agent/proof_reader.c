// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/proof_reader.h"
#include "common/failure.h"
#include "common/io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

int proof_reader_open(const struct proof_source *source, struct proof_reader *ret_reader)
{
	void *buffer = NULL;

	if (posix_memalign(&buffer, IO_DIRECT_BYTES, PROOF_READER_BYTES_MAX + 2 * IO_DIRECT_BYTES))
		return failure_set(-ENOMEM, "looking for a proof: out of memory");
	*ret_reader = (struct proof_reader){.source = source, .buffer = buffer};
	return 0;
}

void proof_reader_close(struct proof_reader *reader)
{
	free(reader->buffer);
	reader->buffer = NULL;
}

/* The alignment is the device's, not the volume's, which may start at any sector. */
int proof_reader_read(struct proof_reader *reader, uint64_t offset, size_t bytes,
		      const uint8_t **ret_data)
{
	const struct proof_source *source = reader->source;
	uint64_t from;
	size_t before, span;
	int r;

	if (bytes > PROOF_READER_BYTES_MAX || offset > source->volume_bytes ||
	    bytes > source->volume_bytes - offset)
		return failure_set(-ENODATA, "its file system points beyond its end");
	from = source->start_bytes + offset;
	before = (size_t)(from % IO_DIRECT_BYTES);
	span = (before + bytes + IO_DIRECT_BYTES - 1) / IO_DIRECT_BYTES * IO_DIRECT_BYTES;
	r = io_read_direct(source->fd, reader->buffer, span, before + bytes, from - before);
	if (r < 0)
		return failure_set(r == -ENODATA ? -EIO : r, "cannot read it at byte %" PRIu64 ": %s",
				   from, strerror(-r));
	*ret_data = reader->buffer + before;
	return 0;
}
