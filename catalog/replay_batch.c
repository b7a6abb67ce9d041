// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Of a chunk the newest extent is looked at first, and each takes the sectors that no newer
 * one has: so a payload that was overwritten is never read, and the base only where sectors
 * are left. Payloads are read by segment: each segment is opened once for a batch, each
 * payload is decoded once for it.
 */
#include "catalog/replay_batch.h"

#include "catalog/blob_read.h"
#include "catalog/repo.h"
#include "catalog/segment_cache.h"
#include "common/bit_run.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES        4096u
#define CHUNK_SECTORS_MAX (TMC_CHUNK_BYTES_MAX / TMC_SECTOR_BYTES)

/* Sectors of a slot that a payload is copied to. */
struct piece {
	uint32_t segment;
	uint32_t record;
	uint32_t slot;
	uint16_t first, nr; /* sectors in the chunk */
};

enum slot_state { SLOT_DATA, SLOT_ZERO, SLOT_UNREADABLE };

/* A chunk in the making. */
struct slot {
	uint64_t chunk;
	enum slot_state state;
};

struct tmc_replay_batch {
	struct tmc_repo *repo;
	const struct tmc_tree *base;
	struct tmc_segment_cache *segments;
	struct tmc_tree_cursor *cursor;
	struct tmc_blob_coder *coder;
	uint8_t *disk, *payload;
	uint8_t *data; /* the slots' */
	struct slot *slots;
	uint32_t nr_slots;
	struct piece *pieces; /* room for one of each sector */
	size_t nr_pieces;
	void (*done)(void *context, uint64_t bytes);
	void *context;
};

uint32_t tmc_batch_bytes = TMC_BATCH_BYTES;

/* ----------------------------------------------------------------------- slots */

static uint8_t *slot_data(const struct tmc_replay_batch *batch, uint32_t slot)
{
	return batch->data + (size_t)slot * batch->base->chunk_bytes;
}

static int read_base(struct tmc_replay_batch *batch, const struct tmc_id *id, uint64_t chunk,
		     uint8_t *ret_raw)
{
	char text[TMC_STORE_TEXT];
	struct tmc_blob blob;
	int ret = tmc_blob_read(batch->repo, TMC_BLOB_CHUNK, id, batch->coder, batch->disk,
				ret_raw, &blob, text);

	if (!ret && blob.raw_bytes != tmc_tree_chunk_bytes(batch->base, chunk))
		return failure_set(-EBADMSG, "%s is damaged: a chunk in it is of the wrong size",
				   text);
	return ret;
}

/* What no record covers. The slot has zeros where the base has none. */
static int fill_from_base(struct tmc_replay_batch *batch, struct slot *slot, uint8_t *data)
{
	struct tmc_id id;
	int ret = tmc_tree_cursor_get(batch->cursor, slot->chunk, &id);

	if (ret < 0)
		return ret;
	if (tmc_id_equal(&id, &tmc_id_unreadable))
		slot->state = SLOT_UNREADABLE;
	if (tmc_id_is_special(&id))
		return 0;
	slot->state = SLOT_DATA;
	return read_base(batch, &id, slot->chunk, data);
}

/* There is room: a batch has no more pieces than sectors. */
static void add_piece(struct tmc_replay_batch *batch, const struct tmc_extent *extent,
		      uint64_t first, uint64_t end)
{
	batch->pieces[batch->nr_pieces++] = (struct piece){
		.segment = extent->segment,
		.record = extent->record,
		.slot = batch->nr_slots,
		.first = (uint16_t)first,
		.nr = (uint16_t)(end - first),
	};
}

/* A chunk's extents take what newer ones have left. */
static void take_sectors(struct tmc_replay_batch *batch, struct slot *slot,
			 const struct tmc_extent *extents, size_t nr, uint64_t *covered)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t end = (uint64_t)extents[i].first + extents[i].nr, behind;

		for (uint64_t first = extents[i].first; ; first = behind) {
			first = bit_find(covered, first, end, false);
			behind = bit_find(covered, first, end, true);
			if (first == end)
				break;
			if (extents[i].kind == TMC_EXTENT_UNREADABLE)
				slot->state = SLOT_UNREADABLE;
			if (extents[i].kind == TMC_EXTENT_DATA)
				add_piece(batch, &extents[i], first, behind);
		}
		bit_set(covered, extents[i].first, end);
	}
}

/* Also where newer data belongs: payloads are copied later. */
static void clear_zeros(const struct tmc_extent *extents, size_t nr, uint8_t *data)
{
	for (size_t i = 0; i < nr; i++)
		if (extents[i].kind == TMC_EXTENT_ZERO)
			memset(data + (size_t)extents[i].first * TMC_SECTOR_BYTES, 0,
			       (size_t)extents[i].nr * TMC_SECTOR_BYTES);
}

/* The next chunk of the batch but for its payloads, whose pieces are added. */
static int make_slot(struct tmc_replay_batch *batch, const struct tmc_extent *extents, size_t nr)
{
	struct slot *slot = &batch->slots[batch->nr_slots];
	uint8_t *data = slot_data(batch, batch->nr_slots);
	uint64_t covered[CHUNK_SECTORS_MAX / 64] = { 0 };
	uint64_t bytes = tmc_tree_chunk_bytes(batch->base, extents->chunk);
	uint64_t nr_sectors = (bytes + TMC_SECTOR_BYTES - 1) / TMC_SECTOR_BYTES;
	size_t nr_before = batch->nr_pieces;
	int ret = 0;

	*slot = (struct slot){ .chunk = extents->chunk, .state = SLOT_ZERO };
	memset(data, 0, batch->base->chunk_bytes);
	take_sectors(batch, slot, extents, nr, covered);
	if (slot->state != SLOT_UNREADABLE &&
	    bit_find(covered, 0, nr_sectors, false) < nr_sectors)
		ret = fill_from_base(batch, slot, data);
	if (slot->state == SLOT_UNREADABLE)
		batch->nr_pieces = nr_before;
	else if (slot->state == SLOT_DATA)
		clear_zeros(extents, nr, data);
	if (batch->nr_pieces > nr_before)
		slot->state = SLOT_DATA;
	batch->nr_slots++;
	return ret;
}

/* -------------------------------------------------------------------- payloads */

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *left = a, *right = b;

	if (left->segment != right->segment)
		return left->segment < right->segment ? -1 : 1;
	return (left->record > right->record) - (left->record < right->record);
}

static int read_payload(struct tmc_replay_batch *batch, const struct piece *piece,
			struct tmc_record *ret_record)
{
	struct tmc_segment_reader *reader;
	int ret = tmc_segment_cache_get(batch->segments, piece->segment, &reader);

	if (ret < 0)
		return ret;
	tmc_segment_record(reader, piece->record, ret_record);
	return tmc_segment_payload(reader, piece->record, batch->payload);
}

static void copy_piece(struct tmc_replay_batch *batch, const struct piece *piece,
		       const struct tmc_record *record)
{
	uint64_t in_chunk = (uint64_t)piece->first * TMC_SECTOR_BYTES;
	uint64_t offset = batch->slots[piece->slot].chunk * batch->base->chunk_bytes + in_chunk;

	memcpy(slot_data(batch, piece->slot) + in_chunk, batch->payload + (offset - record->offset),
	       (size_t)piece->nr * TMC_SECTOR_BYTES);
}

static int copy_payloads(struct tmc_replay_batch *batch)
{
	struct tmc_record record;

	if (batch->nr_pieces)
		qsort(batch->pieces, batch->nr_pieces, sizeof(*batch->pieces), compare_pieces);
	for (size_t i = 0; i < batch->nr_pieces; i++) {
		const struct piece *piece = &batch->pieces[i];
		int ret = 0;

		if (!i || compare_pieces(piece - 1, piece))
			ret = read_payload(batch, piece, &record);
		if (ret < 0)
			return ret;
		copy_piece(batch, piece, &record);
	}
	return 0;
}

/* --------------------------------------------------------------------- deliver */

/* Slots from nth on that go to the sink in one call. */
static uint32_t run_length(const struct tmc_replay_batch *batch, uint32_t nth)
{
	const struct slot *slot = &batch->slots[nth];
	uint32_t nr_max = TMC_BUFFER_BYTES / batch->base->chunk_bytes, nr = 1;

	for (; nth + nr < batch->nr_slots && nr < nr_max; nr++)
		if (slot[nr].state != slot->state || slot[nr].chunk != slot->chunk + nr)
			break;
	return nr;
}

static int deliver_run(struct tmc_replay_batch *batch, const struct tmc_sink *sink, uint32_t nth,
		       uint32_t nr)
{
	const struct slot *slot = &batch->slots[nth];
	uint64_t offset = slot->chunk * batch->base->chunk_bytes;
	uint64_t bytes = tmc_tree_bytes(batch->base, slot->chunk, nr);
	int ret = 0;

	if (slot->state == SLOT_DATA && sink->data)
		ret = sink->data(sink->context, offset, slot_data(batch, nth), (size_t)bytes);
	if (slot->state == SLOT_ZERO && sink->zero)
		ret = sink->zero(sink->context, offset, bytes);
	if (slot->state == SLOT_UNREADABLE && sink->unreadable)
		ret = sink->unreadable(sink->context, offset, bytes);
	if (!ret)
		batch->done(batch->context, bytes);
	return ret;
}

int tmc_replay_batch_run(struct tmc_replay_batch *batch, const struct tmc_extent *extents, size_t nr,
			 const struct tmc_sink *sink, void (*done)(void *context, uint64_t bytes),
			 void *context)
{
	size_t end;
	uint32_t nr_run;
	int ret = 0;

	batch->done = done;
	batch->context = context;
	batch->nr_slots = 0;
	batch->nr_pieces = 0;
	for (size_t begin = 0; begin < nr && !ret; begin = end) {
		for (end = begin + 1; end < nr && extents[end].chunk == extents[begin].chunk; end++)
			;
		ret = make_slot(batch, extents + begin, end - begin);
	}
	if (!ret)
		ret = copy_payloads(batch);
	for (uint32_t nth = 0; nth < batch->nr_slots && !ret; nth += nr_run) {
		nr_run = run_length(batch, nth);
		ret = deliver_run(batch, sink, nth, nr_run);
	}
	return ret;
}

/* ------------------------------------------------------------------------ create */

uint32_t tmc_replay_batch_chunks(const struct tmc_tree *base)
{
	uint32_t nr = tmc_batch_bytes / base->chunk_bytes;

	if (nr > base->nr_chunks)
		nr = (uint32_t)base->nr_chunks;
	return nr ? nr : 1;
}

struct tmc_replay_batch *tmc_replay_batch_create(struct tmc_repo *repo, const struct tmc_tree *base,
						 const struct tmc_segment *segments, size_t nr)
{
	struct tmc_replay_batch *batch = calloc(1, sizeof(*batch));
	uint32_t nr_slots = tmc_replay_batch_chunks(base);
	size_t bytes = (size_t)nr_slots * base->chunk_bytes;

	if (!batch)
		return NULL;
	batch->repo = repo;
	batch->base = base;
	batch->segments = tmc_segment_cache_create(repo, segments, nr);
	batch->cursor = tmc_tree_cursor_create(repo, base);
	batch->coder = tmc_blob_coder_create(&repo->limits, repo->keys);
	batch->disk = malloc(tmc_limits_disk_bytes(&repo->limits));
	batch->payload = malloc(TMC_RECORD_BYTES_MAX);
	batch->data = aligned_alloc(PAGE_BYTES, bytes);
	batch->slots = calloc(nr_slots, sizeof(*batch->slots));
	batch->pieces = malloc(bytes / TMC_SECTOR_BYTES * sizeof(*batch->pieces));
	if (batch->segments && batch->cursor && batch->coder && batch->disk && batch->payload &&
	    batch->data && batch->slots && batch->pieces)
		return batch;
	tmc_replay_batch_destroy(batch);
	return NULL;
}

void tmc_replay_batch_destroy(struct tmc_replay_batch *batch)
{
	if (!batch)
		return;
	tmc_segment_cache_destroy(batch->segments);
	tmc_tree_cursor_destroy(batch->cursor);
	tmc_blob_coder_destroy(batch->coder);
	free(batch->disk);
	free(batch->payload);
	free(batch->data);
	free(batch->slots);
	free(batch->pieces);
	free(batch);
}
