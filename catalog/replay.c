// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Each record is cut into extents, one for each chunk that it touches. Of a chunk the
 * newest extent is looked at first, and each takes the sectors that no newer one has: so
 * a payload that was overwritten is never read, and the base only where sectors are left.
 * Chunks are put together a batch at a time, whose payloads are read by segment: each
 * segment is opened once for a batch, each payload is decoded once for it.
 *
 * Memory is bounded. Tables are read once to count the extents in parts of the volume;
 * then the volume is gone through in passes of so many parts as fit. A part that alone has
 * too many is one of few sectors: what newer records cover is left out as it is gathered.
 */
#include "catalog/replay.h"

#include "catalog/blob_read.h"
#include "catalog/repo.h"
#include "catalog/segment_cache.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR_BYTES      512u
#define PAGE_BYTES        4096u
#define BATCH_BYTES       (16u << 20)
#define CHUNK_SECTORS_MAX (TMC_CHUNK_BYTES_MAX / SECTOR_BYTES)
#define PARTS             4096u /* of a volume, at least, if it has so many chunks */

enum extent_kind { EXTENT_DATA, EXTENT_ZERO, EXTENT_UNREADABLE };

/* What one record does to one chunk. */
struct extent {
	uint64_t chunk;
	uint32_t segment; /* counts in the span */
	uint32_t record;
	uint16_t first; /* sectors in the chunk */
	uint16_t nr;
	enum extent_kind kind;
};
static_assert(sizeof(struct extent) <= 32, "TMC_REPLAY_EXTENTS are of 64 MiB");
static_assert(CHUNK_SECTORS_MAX <= UINT16_MAX, "an extent counts them");

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

struct tmc_replay {
	struct tmc_repo *repo;
	const struct tmc_tree *tree;
	struct tmc_replay_span span;
	struct tmc_segment_cache *segments;
	uint64_t *changed;
	uint64_t changed_bytes;
	uint64_t part_chunks, nr_parts;
	uint32_t *counts; /* extents of each part; sticks at its maximum */

	/* of the pass */
	struct extent *extents;
	uint32_t nr_extents, capacity;
	uint64_t *covered; /* by sector of the pass; NULL: all extents fit */

	/* of the batch */
	uint8_t *data; /* the slots' */
	struct slot *slots;
	uint32_t nr_slots, nr_slots_max;
	struct piece *pieces;
	size_t nr_pieces;
	struct tmc_tree_cursor *cursor;
	struct tmc_blob_coder *coder;
	uint8_t *disk, *payload;
	uint64_t done_bytes;
};

uint32_t tmc_replay_extents = TMC_REPLAY_EXTENTS;

/* ------------------------------------------------------------------------ bits */

static bool bit_is_set(const uint64_t *bits, uint64_t n)
{
	return bits[n / 64] >> n % 64 & 1;
}

/* The first bit from n on that is set, or is not; end: none before it. */
static uint64_t find_bit(const uint64_t *bits, uint64_t n, uint64_t end, bool set)
{
	while (n < end) {
		uint64_t word = (set ? bits[n / 64] : ~bits[n / 64]) >> n % 64;

		if (word) {
			n += (uint64_t)__builtin_ctzll(word);
			break;
		}
		n += 64 - n % 64;
	}
	return n < end ? n : end;
}

static void set_bits(uint64_t *bits, uint64_t n, uint64_t end)
{
	for (; n < end; n++)
		bits[n / 64] |= 1ull << n % 64;
}

/* ---------------------------------------------------------------------- gather */

static uint32_t chunk_sectors(const struct tmc_replay *replay)
{
	return replay->tree->chunk_bytes / SECTOR_BYTES;
}

static int makes_no_sense(const struct tmc_record *record)
{
	return failure_set(-EBADMSG, "the journal is damaged: record %llu makes no sense",
			   (unsigned long long)record->seq);
}

/* Returns whether the record changes content. */
static int classify(const struct tmc_replay *replay, const struct tmc_record *record,
		    enum extent_kind *ret_kind)
{
	uint64_t volume_bytes = replay->tree->volume_bytes;

	if (record->type == TMC_RECORD_ZEROES)
		*ret_kind = EXTENT_ZERO;
	else if (record->type == TMC_RECORD_REREAD && !record->payload_bytes)
		*ret_kind = EXTENT_UNREADABLE;
	else if (record->type == TMC_RECORD_WRITE || record->type == TMC_RECORD_REREAD)
		*ret_kind = EXTENT_DATA;
	else
		return 0;
	if (record->offset % SECTOR_BYTES || record->bytes % SECTOR_BYTES ||
	    record->offset > volume_bytes || record->bytes > volume_bytes - record->offset)
		return makes_no_sense(record);
	if (*ret_kind == EXTENT_DATA && (record->payload_bytes != record->bytes ||
					 record->bytes > TMC_RECORD_BYTES_MAX))
		return makes_no_sense(record);
	return record->bytes != 0;
}

/* The part of a record that lies in a chunk. */
static struct extent cut_extent(const struct tmc_replay *replay, const struct tmc_record *record,
				uint64_t chunk)
{
	uint64_t begin = chunk * replay->tree->chunk_bytes, end = begin + replay->tree->chunk_bytes;
	uint64_t record_end = record->offset + record->bytes;
	uint64_t from = record->offset > begin ? record->offset : begin;
	uint64_t to = record_end < end ? record_end : end;

	return (struct extent){
		.chunk = chunk,
		.first = (uint16_t)((from - begin) / SECTOR_BYTES),
		.nr = (uint16_t)((to - from) / SECTOR_BYTES),
	};
}

struct walk {
	struct tmc_replay *replay;
	uint64_t first_chunk, end_chunk; /* of the pass */
	/* context: the segment and the record, by number */
	int (*visit)(struct walk *walk, const struct tmc_record *record, enum extent_kind kind,
		     uint32_t segment, uint32_t nth);
};

static int walk_segment(struct walk *walk, size_t nth)
{
	const struct tmc_replay_span *span = &walk->replay->span;
	struct tmc_segment_reader *reader;
	int ret = tmc_segment_cache_get(walk->replay->segments, nth, &reader);

	for (uint32_t i = ret ? 0 : tmc_segment_nr_records(reader); i-- && ret >= 0;) {
		enum extent_kind kind;
		struct tmc_record record;

		tmc_segment_record(reader, i, &record);
		if (record.seq <= span->base_seq || record.seq > span->last_seq)
			continue;
		ret = classify(walk->replay, &record, &kind);
		if (ret > 0)
			ret = walk->visit(walk, &record, kind, (uint32_t)nth, i);
	}
	return ret < 0 ? ret : 0;
}

/* From the newest record to the oldest. */
static int walk_records(struct walk *walk)
{
	int ret = 0;

	for (size_t nth = walk->replay->span.nr_segments; nth-- && !ret;)
		ret = walk_segment(walk, nth);
	return ret;
}

static int count_record(struct walk *walk, const struct tmc_record *record, enum extent_kind kind,
			uint32_t segment, uint32_t nth)
{
	struct tmc_replay *replay = walk->replay;
	uint64_t chunk = record->offset / replay->tree->chunk_bytes;
	uint64_t end = (record->offset + record->bytes - 1) / replay->tree->chunk_bytes + 1;

	for (; chunk < end; chunk++) {
		uint32_t *count = &replay->counts[chunk / replay->part_chunks];

		if (!bit_is_set(replay->changed, chunk))
			replay->changed_bytes += tmc_tree_chunk_bytes(replay->tree, chunk);
		set_bits(replay->changed, chunk, chunk + 1);
		*count += *count != UINT32_MAX;
	}
	return 0;
}

static int make_room(struct tmc_replay *replay)
{
	uint32_t capacity = replay->capacity ? 2 * replay->capacity : 1024;
	struct extent *grown;

	if (replay->nr_extents < replay->capacity)
		return 0;
	grown = reallocarray(replay->extents, capacity, sizeof(*grown));
	if (!grown)
		return failure_set(-ENOMEM, "out of memory");
	replay->extents = grown;
	replay->capacity = capacity;
	return 0;
}

/* Whether newer extents have left anything of it; from now on this one is such. */
static bool takes_part(const struct walk *walk, const struct extent *extent)
{
	uint64_t *covered = walk->replay->covered;
	uint64_t begin, end;

	if (!covered)
		return true;
	begin = (extent->chunk - walk->first_chunk) * chunk_sectors(walk->replay) + extent->first;
	end = begin + extent->nr;
	if (find_bit(covered, begin, end, false) == end)
		return false;
	set_bits(covered, begin, end);
	return true;
}

static int gather_record(struct walk *walk, const struct tmc_record *record,
			 enum extent_kind kind, uint32_t segment, uint32_t nth)
{
	struct tmc_replay *replay = walk->replay;
	uint64_t chunk = record->offset / replay->tree->chunk_bytes;
	uint64_t end = (record->offset + record->bytes - 1) / replay->tree->chunk_bytes + 1;

	chunk = chunk > walk->first_chunk ? chunk : walk->first_chunk;
	end = end < walk->end_chunk ? end : walk->end_chunk;
	for (; chunk < end; chunk++) {
		struct extent extent = cut_extent(replay, record, chunk);
		int ret;

		if (!takes_part(walk, &extent))
			continue;
		ret = make_room(replay);
		if (ret < 0)
			return ret;
		extent.kind = kind;
		extent.segment = segment;
		extent.record = nth;
		replay->extents[replay->nr_extents++] = extent;
	}
	return 0;
}

/* By chunk, and of a chunk the newest first. A record has one extent in a chunk. */
static int compare_extents(const void *a, const void *b)
{
	const struct extent *left = a, *right = b;

	if (left->chunk != right->chunk)
		return left->chunk < right->chunk ? -1 : 1;
	if (left->segment != right->segment)
		return left->segment > right->segment ? -1 : 1;
	return left->record > right->record ? -1 : 1;
}

/* ----------------------------------------------------------------------- slots */

static uint8_t *slot_data(const struct tmc_replay *replay, uint32_t slot)
{
	return replay->data + (size_t)slot * replay->tree->chunk_bytes;
}

static int read_base(struct tmc_replay *replay, const struct tmc_id *id, uint64_t chunk,
		     uint8_t *ret_raw)
{
	char text[TMC_STORE_TEXT];
	struct tmc_blob blob;
	int ret = tmc_blob_read(replay->repo, TMC_BLOB_CHUNK, id, replay->coder, replay->disk,
				ret_raw, &blob, text);

	if (!ret && blob.raw_bytes != tmc_tree_chunk_bytes(replay->tree, chunk))
		return failure_set(-EBADMSG, "%s is damaged: a chunk in it is of the wrong size", text);
	return ret;
}

/* What no record covers. The slot has zeros where the base has none. */
static int fill_from_base(struct tmc_replay *replay, struct slot *slot, uint8_t *data)
{
	struct tmc_id id;
	int ret = tmc_tree_cursor_get(replay->cursor, slot->chunk, &id);

	if (ret < 0)
		return ret;
	if (tmc_id_equal(&id, &tmc_id_unreadable))
		slot->state = SLOT_UNREADABLE;
	if (tmc_id_is_special(&id))
		return 0;
	slot->state = SLOT_DATA;
	return read_base(replay, &id, slot->chunk, data);
}

/* There is room: a batch has no more pieces than sectors. */
static void add_piece(struct tmc_replay *replay, const struct extent *extent, uint64_t first,
		      uint64_t end)
{
	replay->pieces[replay->nr_pieces++] = (struct piece){
		.segment = extent->segment,
		.record = extent->record,
		.slot = replay->nr_slots,
		.first = (uint16_t)first,
		.nr = (uint16_t)(end - first),
	};
}

/* A chunk's extents take what newer ones have left. */
static void take_sectors(struct tmc_replay *replay, struct slot *slot, const struct extent *extents,
			 size_t nr, uint64_t *covered)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t end = (uint64_t)extents[i].first + extents[i].nr, behind;

		for (uint64_t first = extents[i].first; ; first = behind) {
			first = find_bit(covered, first, end, false);
			behind = find_bit(covered, first, end, true);
			if (first == end)
				break;
			if (extents[i].kind == EXTENT_UNREADABLE)
				slot->state = SLOT_UNREADABLE;
			if (extents[i].kind == EXTENT_DATA)
				add_piece(replay, &extents[i], first, behind);
		}
		set_bits(covered, extents[i].first, end);
	}
}

/* Also where newer data belongs: payloads are copied later. */
static void clear_zeros(const struct tmc_replay *replay, const struct extent *extents, size_t nr,
			uint8_t *data)
{
	for (size_t i = 0; i < nr; i++)
		if (extents[i].kind == EXTENT_ZERO)
			memset(data + (size_t)extents[i].first * SECTOR_BYTES, 0,
			       (size_t)extents[i].nr * SECTOR_BYTES);
}

/* The next chunk of the batch but for its payloads, whose pieces are added. */
static int make_slot(struct tmc_replay *replay, const struct extent *extents, size_t nr)
{
	struct slot *slot = &replay->slots[replay->nr_slots];
	uint8_t *data = slot_data(replay, replay->nr_slots);
	uint64_t covered[CHUNK_SECTORS_MAX / 64] = { 0 };
	uint64_t bytes = tmc_tree_chunk_bytes(replay->tree, extents->chunk);
	uint64_t nr_sectors = (bytes + SECTOR_BYTES - 1) / SECTOR_BYTES;
	size_t nr_before = replay->nr_pieces;
	int ret = 0;

	*slot = (struct slot){ .chunk = extents->chunk, .state = SLOT_ZERO };
	memset(data, 0, replay->tree->chunk_bytes);
	take_sectors(replay, slot, extents, nr, covered);
	if (slot->state != SLOT_UNREADABLE &&
	    find_bit(covered, 0, nr_sectors, false) < nr_sectors)
		ret = fill_from_base(replay, slot, data);
	if (slot->state == SLOT_UNREADABLE)
		replay->nr_pieces = nr_before;
	else if (slot->state == SLOT_DATA)
		clear_zeros(replay, extents, nr, data);
	if (replay->nr_pieces > nr_before)
		slot->state = SLOT_DATA;
	replay->nr_slots++;
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

static int read_payload(struct tmc_replay *replay, const struct piece *piece,
			struct tmc_record *ret_record)
{
	struct tmc_segment_reader *reader;
	int ret = tmc_segment_cache_get(replay->segments, piece->segment, &reader);

	if (ret < 0)
		return ret;
	tmc_segment_record(reader, piece->record, ret_record);
	return tmc_segment_payload(reader, piece->record, replay->payload);
}

static void copy_piece(struct tmc_replay *replay, const struct piece *piece,
		       const struct tmc_record *record)
{
	uint64_t in_chunk = (uint64_t)piece->first * SECTOR_BYTES;
	uint64_t offset = replay->slots[piece->slot].chunk * replay->tree->chunk_bytes + in_chunk;

	memcpy(slot_data(replay, piece->slot) + in_chunk, replay->payload + (offset - record->offset),
	       (size_t)piece->nr * SECTOR_BYTES);
}

static int copy_payloads(struct tmc_replay *replay)
{
	struct tmc_record record;

	if (replay->nr_pieces)
		qsort(replay->pieces, replay->nr_pieces, sizeof(*replay->pieces), compare_pieces);
	for (size_t i = 0; i < replay->nr_pieces; i++) {
		const struct piece *piece = &replay->pieces[i];
		int ret = 0;

		if (!i || compare_pieces(piece - 1, piece))
			ret = read_payload(replay, piece, &record);
		if (ret < 0)
			return ret;
		copy_piece(replay, piece, &record);
	}
	return 0;
}

/* --------------------------------------------------------------------- deliver */

/* Slots from nth on that go to the sink in one call. */
static uint32_t run_length(const struct tmc_replay *replay, uint32_t nth)
{
	const struct slot *slot = &replay->slots[nth];
	uint32_t nr_max = TMC_BUFFER_BYTES / replay->tree->chunk_bytes, nr = 1;

	for (; nth + nr < replay->nr_slots && nr < nr_max; nr++)
		if (slot[nr].state != slot->state || slot[nr].chunk != slot->chunk + nr)
			break;
	return nr;
}

static int deliver_run(struct tmc_replay *replay, const struct tmc_sink *sink, uint32_t nth,
		       uint32_t nr)
{
	const struct slot *slot = &replay->slots[nth];
	uint64_t offset = slot->chunk * replay->tree->chunk_bytes;
	uint64_t bytes = tmc_tree_bytes(replay->tree, slot->chunk, nr);
	int ret = 0;

	if (slot->state == SLOT_DATA && sink->data)
		ret = sink->data(sink->context, offset, slot_data(replay, nth), (size_t)bytes);
	if (slot->state == SLOT_ZERO && sink->zero)
		ret = sink->zero(sink->context, offset, bytes);
	if (slot->state == SLOT_UNREADABLE && sink->unreadable)
		ret = sink->unreadable(sink->context, offset, bytes);
	replay->done_bytes += bytes;
	if (!ret && sink->progress)
		sink->progress(sink->context, replay->done_bytes, replay->tree->volume_bytes);
	return ret;
}

static int finish_batch(struct tmc_replay *replay, const struct tmc_sink *sink)
{
	int ret = copy_payloads(replay);
	uint32_t nr;

	for (uint32_t nth = 0; nth < replay->nr_slots && !ret; nth += nr) {
		nr = run_length(replay, nth);
		ret = deliver_run(replay, sink, nth, nr);
	}
	replay->nr_slots = 0;
	replay->nr_pieces = 0;
	return ret;
}

/* ---------------------------------------------------------------------- passes */

static int apply_extents(struct tmc_replay *replay, const struct tmc_sink *sink)
{
	const struct extent *extents = replay->extents;
	uint32_t nr = replay->nr_extents, end;
	int ret = 0;

	if (nr)
		qsort(replay->extents, nr, sizeof(*extents), compare_extents);
	for (uint32_t begin = 0; begin < nr && !ret; begin = end) {
		for (end = begin + 1; end < nr && extents[end].chunk == extents[begin].chunk; end++)
			;
		ret = make_slot(replay, extents + begin, end - begin);
		if (!ret && replay->nr_slots == replay->nr_slots_max)
			ret = finish_batch(replay, sink);
	}
	return ret ? ret : finish_batch(replay, sink);
}

static int run_pass(struct tmc_replay *replay, uint64_t first_part, uint64_t end_part, bool crowded,
		    const struct tmc_sink *sink)
{
	struct walk walk = {
		.replay = replay,
		.first_chunk = first_part * replay->part_chunks,
		.end_chunk = end_part * replay->part_chunks,
		.visit = gather_record,
	};
	uint64_t nr_sectors = (walk.end_chunk - walk.first_chunk) * chunk_sectors(replay);
	int ret;

	replay->nr_extents = 0;
	if (crowded) {
		replay->covered = calloc(nr_sectors / 64 + 1, sizeof(uint64_t));
		if (!replay->covered)
			return failure_set(-ENOMEM, "out of memory");
	}
	ret = walk_records(&walk);
	free(replay->covered);
	replay->covered = NULL;
	return ret ? ret : apply_extents(replay, sink);
}

int tmc_replay_run(struct tmc_replay *replay, const struct tmc_sink *sink)
{
	uint64_t end;
	int ret = 0;

	replay->done_bytes = replay->tree->volume_bytes - replay->changed_bytes;
	for (uint64_t first = 0; first < replay->nr_parts && !ret; first = end) {
		uint64_t nr = replay->counts[first];

		for (end = first + 1; end < replay->nr_parts &&
				      nr + replay->counts[end] <= tmc_replay_extents; end++)
			nr += replay->counts[end];
		if (nr)
			ret = run_pass(replay, first, end, nr > tmc_replay_extents, sink);
	}
	return ret;
}

/* ------------------------------------------------------------------- begin, end */

/* A part has no more sectors than extents are kept, or is one chunk. */
static void choose_parts(struct tmc_replay *replay)
{
	uint64_t nr_chunks = replay->tree->nr_chunks;
	uint64_t nr_max = tmc_replay_extents / chunk_sectors(replay);

	replay->part_chunks = nr_chunks / PARTS + 1;
	if (replay->part_chunks > nr_max)
		replay->part_chunks = nr_max ? nr_max : 1;
	replay->nr_parts = nr_chunks / replay->part_chunks + 1;
}

static int create_parts(struct tmc_replay *replay)
{
	struct tmc_repo *repo = replay->repo;
	uint32_t chunk_bytes = replay->tree->chunk_bytes;
	size_t batch_bytes;

	choose_parts(replay);
	replay->nr_slots_max = BATCH_BYTES / chunk_bytes;
	if (replay->nr_slots_max > replay->tree->nr_chunks)
		replay->nr_slots_max = (uint32_t)replay->tree->nr_chunks + 1;
	batch_bytes = (size_t)replay->nr_slots_max * chunk_bytes;
	replay->segments = tmc_segment_cache_create(repo, replay->span.segments,
						    replay->span.nr_segments);
	replay->changed = calloc(replay->tree->nr_chunks / 64 + 1, sizeof(uint64_t));
	replay->counts = calloc(replay->nr_parts, sizeof(*replay->counts));
	replay->data = aligned_alloc(PAGE_BYTES, batch_bytes);
	replay->slots = calloc(replay->nr_slots_max, sizeof(*replay->slots));
	replay->pieces = malloc(batch_bytes / SECTOR_BYTES * sizeof(*replay->pieces));
	replay->cursor = tmc_tree_cursor_create(repo, replay->tree);
	replay->coder = tmc_blob_coder_create(&repo->limits, repo->keys);
	replay->disk = malloc(tmc_limits_disk_bytes(&repo->limits));
	replay->payload = malloc(TMC_RECORD_BYTES_MAX);
	if (!replay->segments || !replay->changed || !replay->counts || !replay->data ||
	    !replay->slots || !replay->pieces || !replay->cursor || !replay->coder ||
	    !replay->disk || !replay->payload)
		return failure_set(-ENOMEM, "out of memory");
	return 0;
}

int tmc_replay_begin(struct tmc_repo *repo, const struct tmc_tree *base,
		     const struct tmc_replay_span *span, struct tmc_replay **ret_replay)
{
	struct tmc_replay *replay = calloc(1, sizeof(*replay));
	struct walk walk = { .replay = replay, .visit = count_record };
	int ret;

	if (!replay)
		return failure_set(-ENOMEM, "out of memory");
	replay->repo = repo;
	replay->tree = base;
	replay->span = *span;
	ret = create_parts(replay);
	if (!ret)
		ret = walk_records(&walk);
	if (ret < 0)
		tmc_replay_end(replay);
	else
		*ret_replay = replay;
	return ret;
}

void tmc_replay_end(struct tmc_replay *replay)
{
	if (!replay)
		return;
	tmc_segment_cache_destroy(replay->segments);
	tmc_tree_cursor_destroy(replay->cursor);
	tmc_blob_coder_destroy(replay->coder);
	free(replay->changed);
	free(replay->counts);
	free(replay->extents);
	free(replay->data);
	free(replay->slots);
	free(replay->pieces);
	free(replay->disk);
	free(replay->payload);
	free(replay);
}

const uint64_t *tmc_replay_changed(const struct tmc_replay *replay)
{
	return replay->changed;
}

uint64_t tmc_replay_changed_bytes(const struct tmc_replay *replay)
{
	return replay->changed_bytes;
}
