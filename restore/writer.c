// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A piece is a run of bytes that is content or zeros (data NULL). Where something is
 * compared, pieces are taken apart into chunks, each of which is left or written as a whole.
 */
#include "restore/writer.h"
#include "agent/chunk_read.h"
#include "common/bit_run.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/zero.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct piece {
	uint64_t offset, bytes;
	const uint8_t *data;
};

void writer_start(struct writer *writer, struct target *target, struct tally *tally,
		  enum writer_mode mode)
{
	*writer = (struct writer){.target = target, .tally = tally, .mode = mode};
	first_failure_init(&writer->failure);
}

static int keep_failure(struct writer *writer, int error)
{
	return error < 0 ? first_failure_note(&writer->failure, error) : 0;
}

static int write_piece(struct writer *writer, const struct piece *piece)
{
	int r = 0;

	if (!writer->only_looks)
		r = piece->data ? target_write(writer->target, piece->offset, piece->data,
					       (size_t)piece->bytes) :
				  target_zero(writer->target, piece->offset, piece->bytes);
	if (r == 0)
		tally_note(writer->tally, piece->data ? TALLY_WRITTEN : TALLY_ZEROED, piece->offset,
			   piece->bytes);
	return r;
}

/* ---------------------------------------------------------------------- compare */

/* Returns 1, 0, or a negative errno. buffer: one chunk. A read has to begin at a block. */
static int holds(struct writer *writer, const struct piece *piece, uint8_t *buffer)
{
	size_t slack = (size_t)(piece->offset % IO_DIRECT_BYTES);
	int r = target_read(writer->target, piece->offset - slack, buffer,
			    (size_t)piece->bytes + slack);

	if (chunk_read_is_medium_error(r))
		return 0;
	if (r < 0)
		return failure_set(r, "%s: cannot be read: %s", writer->target->path, strerror(-r));
	writer->nr_compared++;
	return piece->data ? memcmp(buffer + slack, piece->data, (size_t)piece->bytes) == 0 :
			     is_zero(buffer + slack, (size_t)piece->bytes);
}

/* Of the last restore, not of this one. */
static bool was_written(const struct writer *writer, uint64_t chunk)
{
	const struct tally *tally = writer->tally;

	return bit_is_set(tally->bits[TALLY_WRITTEN], chunk) ||
	       bit_is_set(tally->bits[TALLY_ZEROED], chunk);
}

static int verify_chunk(struct writer *writer, const struct piece *piece, uint8_t *buffer)
{
	int same;

	if (!was_written(writer, piece->offset / writer->tally->chunk_bytes))
		return 0;
	same = holds(writer, piece, buffer);
	if (same)
		return same < 0 ? same : 0;
	return failure_set(-EIO, "%s: does not hold at byte %" PRIu64 " what was written there",
			   writer->target->path, piece->offset);
}

static int do_chunk(struct writer *writer, const struct piece *piece, uint8_t *buffer)
{
	int same;

	if (writer->mode == WRITER_VERIFY)
		return verify_chunk(writer, piece, buffer);
	same = holds(writer, piece, buffer);
	if (same <= 0)
		return same < 0 ? same : write_piece(writer, piece);
	tally_note(writer->tally, TALLY_SAME, piece->offset, piece->bytes);
	return 0;
}

static int do_chunks(struct writer *writer, const struct piece *piece)
{
	uint32_t chunk_bytes = writer->tally->chunk_bytes;
	CLEANUP_FREE uint8_t *buffer = aligned_alloc(IO_DIRECT_BYTES,
						     chunk_bytes + IO_DIRECT_BYTES);
	struct piece left = *piece;
	int r = 0;

	if (!buffer)
		return failure_set(-ENOMEM, "restore: out of memory");
	while (r == 0 && left.bytes) {
		uint64_t room = chunk_bytes - left.offset % chunk_bytes;
		struct piece chunk = left;

		chunk.bytes = left.bytes < room ? left.bytes : room;
		r = do_chunk(writer, &chunk, buffer);
		left.offset += chunk.bytes;
		left.bytes -= chunk.bytes;
		if (left.data)
			left.data += chunk.bytes;
	}
	return r;
}

/* ------------------------------------------------------------------------- sink */

static int do_piece(struct writer *writer, struct piece piece)
{
	const struct tally *tally = writer->tally;
	uint64_t end = piece.offset + piece.bytes;
	uint64_t begin = piece.offset > tally->begin ? piece.offset : tally->begin;
	int r;

	if (end > tally->end)
		end = tally->end;
	if (begin >= end)
		return 0;
	if (piece.data)
		piece.data += begin - piece.offset;
	piece.offset = begin;
	piece.bytes = end - begin;
	if (writer->mode == WRITER_WRITE)
		r = write_piece(writer, &piece);
	else
		r = do_chunks(writer, &piece);
	progress_add(&writer->progress, piece.bytes);
	return keep_failure(writer, r);
}

static int on_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	return do_piece(context, (struct piece){offset, bytes, data});
}

static int on_zero(void *context, uint64_t offset, uint64_t bytes)
{
	return do_piece(context, (struct piece){offset, bytes, NULL});
}

static int on_unreadable(void *context, uint64_t offset, uint64_t bytes)
{
	struct writer *writer = context;

	tally_note(writer->tally, TALLY_UNREADABLE, offset, bytes);
	return on_zero(context, offset, bytes);
}

struct tmc_sink writer_sink(struct writer *writer)
{
	return (struct tmc_sink){
		.data = on_data,
		.zero = on_zero,
		.unreadable = on_unreadable,
		.context = writer,
	};
}

int writer_failure(struct writer *writer)
{
	return first_failure_get(&writer->failure);
}
