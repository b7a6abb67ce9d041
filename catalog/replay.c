// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Each record is cut into extents, one for each chunk that it touches. They are gathered,
 * sorted by chunk, and put together by several threads, a batch at a time.
 *
 * Memory is bounded. Tables are read once to count the extents in parts of the volume;
 * then the volume is gone through in passes of so many parts as fit. A part that alone has
 * too many is one of few sectors: what newer records cover is left out as it is gathered.
 */
#include "catalog/replay.h"

#include "catalog/replay_batch.h"
#include "catalog/segment_cache.h"
#include "common/bit_run.h"
#include "common/failure.h"
#include "common/first_failure.h"
#include "common/lock_scope.h"
#include "common/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 8    /* each has a batch and some segments in memory */
#define PARTS       4096u /* of a volume, at least, if it has so many chunks */

static_assert(sizeof(struct tmc_extent) <= 32, "TMC_REPLAY_EXTENTS are of 64 MiB");

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
	struct tmc_extent *extents;
	uint32_t nr_extents, capacity;
	uint64_t *covered; /* by sector of the pass; NULL: all extents fit */

	/* of its workers */
	struct first_failure failure;
	const struct tmc_sink *sink;
	pthread_mutex_t lock; /* all below, calls of progress */
	uint32_t next;        /* extent that no worker has */
	uint64_t done_bytes;
};

uint32_t tmc_replay_extents = TMC_REPLAY_EXTENTS;

/* ---------------------------------------------------------------------- gather */

static uint32_t chunk_sectors(const struct tmc_replay *replay)
{
	return replay->tree->chunk_bytes / TMC_SECTOR_BYTES;
}

static int makes_no_sense(const struct tmc_record *record)
{
	return failure_set(-EBADMSG, "the journal is damaged: record %llu makes no sense",
			   (unsigned long long)record->seq);
}

/* Returns whether the record changes content. */
static int classify(const struct tmc_replay *replay, const struct tmc_record *record,
		    enum tmc_extent_kind *ret_kind)
{
	uint64_t volume_bytes = replay->tree->volume_bytes;

	if (record->type == TMC_RECORD_ZEROES)
		*ret_kind = TMC_EXTENT_ZERO;
	else if (record->type == TMC_RECORD_REREAD && !record->payload_bytes)
		*ret_kind = TMC_EXTENT_UNREADABLE;
	else if (record->type == TMC_RECORD_WRITE || record->type == TMC_RECORD_REREAD)
		*ret_kind = TMC_EXTENT_DATA;
	else
		return 0;
	if (record->offset % TMC_SECTOR_BYTES || record->bytes % TMC_SECTOR_BYTES ||
	    record->offset > volume_bytes || record->bytes > volume_bytes - record->offset)
		return makes_no_sense(record);
	if (*ret_kind == TMC_EXTENT_DATA && (record->payload_bytes != record->bytes ||
					 record->bytes > TMC_RECORD_BYTES_MAX))
		return makes_no_sense(record);
	return record->bytes != 0;
}

/* The part of a record that lies in a chunk. */
static struct tmc_extent cut_extent(const struct tmc_replay *replay, const struct tmc_record *record,
				uint64_t chunk)
{
	uint64_t begin = chunk * replay->tree->chunk_bytes, end = begin + replay->tree->chunk_bytes;
	uint64_t record_end = record->offset + record->bytes;
	uint64_t from = record->offset > begin ? record->offset : begin;
	uint64_t to = record_end < end ? record_end : end;

	return (struct tmc_extent){
		.chunk = chunk,
		.first = (uint16_t)((from - begin) / TMC_SECTOR_BYTES),
		.nr = (uint16_t)((to - from) / TMC_SECTOR_BYTES),
	};
}

struct walk {
	struct tmc_replay *replay;
	uint64_t first_chunk, end_chunk; /* of the pass */
	/* context: the segment and the record, by number */
	int (*visit)(struct walk *walk, const struct tmc_record *record, enum tmc_extent_kind kind,
		     uint32_t segment, uint32_t nth);
};

static int walk_segment(struct walk *walk, size_t nth)
{
	const struct tmc_replay_span *span = &walk->replay->span;
	struct tmc_segment_reader *reader;
	int ret = tmc_segment_cache_get(walk->replay->segments, nth, &reader);

	for (uint32_t i = ret ? 0 : tmc_segment_nr_records(reader); i-- && ret >= 0;) {
		enum tmc_extent_kind kind;
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

static int count_record(struct walk *walk, const struct tmc_record *record,
			enum tmc_extent_kind kind, uint32_t segment, uint32_t nth)
{
	struct tmc_replay *replay = walk->replay;
	uint64_t chunk = record->offset / replay->tree->chunk_bytes;
	uint64_t end = (record->offset + record->bytes - 1) / replay->tree->chunk_bytes + 1;

	for (; chunk < end; chunk++) {
		uint32_t *count = &replay->counts[chunk / replay->part_chunks];

		if (!bit_is_set(replay->changed, chunk))
			replay->changed_bytes += tmc_tree_chunk_bytes(replay->tree, chunk);
		bit_set(replay->changed, chunk, chunk + 1);
		*count += *count != UINT32_MAX;
	}
	return 0;
}

static int make_room(struct tmc_replay *replay)
{
	uint32_t capacity = replay->capacity ? 2 * replay->capacity : 1024;
	struct tmc_extent *grown;

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
static bool takes_part(const struct walk *walk, const struct tmc_extent *extent)
{
	uint64_t *covered = walk->replay->covered;
	uint64_t begin, end;

	if (!covered)
		return true;
	begin = (extent->chunk - walk->first_chunk) * chunk_sectors(walk->replay) + extent->first;
	end = begin + extent->nr;
	if (bit_find(covered, begin, end, false) == end)
		return false;
	bit_set(covered, begin, end);
	return true;
}

static int gather_record(struct walk *walk, const struct tmc_record *record,
			 enum tmc_extent_kind kind, uint32_t segment, uint32_t nth)
{
	struct tmc_replay *replay = walk->replay;
	uint64_t chunk = record->offset / replay->tree->chunk_bytes;
	uint64_t end = (record->offset + record->bytes - 1) / replay->tree->chunk_bytes + 1;

	chunk = chunk > walk->first_chunk ? chunk : walk->first_chunk;
	end = end < walk->end_chunk ? end : walk->end_chunk;
	for (; chunk < end; chunk++) {
		struct tmc_extent extent = cut_extent(replay, record, chunk);
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
	const struct tmc_extent *left = a, *right = b;

	if (left->chunk != right->chunk)
		return left->chunk < right->chunk ? -1 : 1;
	if (left->segment != right->segment)
		return left->segment > right->segment ? -1 : 1;
	return left->record > right->record ? -1 : 1;
}

/* --------------------------------------------------------------------- workers */

static void add_progress(void *context, uint64_t bytes)
{
	struct tmc_replay *replay = context;

	LOCK_SCOPE(&replay->lock);
	replay->done_bytes += bytes;
	if (replay->sink->progress)
		replay->sink->progress(replay->sink->context, replay->done_bytes,
				       replay->tree->volume_bytes);
}

/* The extents of the next few chunks. */
static uint32_t take_extents(struct tmc_replay *replay, const struct tmc_extent **ret_extents)
{
	const struct tmc_extent *extents = replay->extents;
	uint32_t nr_chunks = 0, nr_max = tmc_replay_batch_chunks(replay->tree);
	uint32_t begin, end;

	LOCK_SCOPE(&replay->lock);
	begin = replay->next;
	for (end = begin; end < replay->nr_extents; end++) {
		nr_chunks += end == begin || extents[end].chunk != extents[end - 1].chunk;
		if (nr_chunks > nr_max)
			break;
	}
	replay->next = end;
	*ret_extents = extents + begin;
	return end - begin;
}

static void *worker_thread(void *context)
{
	struct tmc_replay *replay = context;
	struct tmc_replay_batch *batch =
		tmc_replay_batch_create(replay->repo, replay->tree, replay->span.segments,
					replay->span.nr_segments);
	const struct tmc_extent *extents;
	uint32_t nr;
	int ret = batch ? 0 : failure_set(-ENOMEM, "out of memory");

	while (!ret && !first_failure_get(&replay->failure) && (nr = take_extents(replay, &extents)))
		ret = tmc_replay_batch_run(batch, extents, nr, replay->sink, add_progress, replay);
	if (ret < 0)
		first_failure_note(&replay->failure, ret);
	tmc_replay_batch_destroy(batch);
	return NULL;
}

/* No more threads than batches. */
static int apply_extents(struct tmc_replay *replay, uint64_t nr_chunks, unsigned int nr_workers)
{
	uint64_t nr_batches = nr_chunks / tmc_replay_batch_chunks(replay->tree) + 1;
	unsigned int nr_max = nr_batches < WORKERS_MAX ? (unsigned int)nr_batches : WORKERS_MAX;
	struct threads *threads;
	int ret;

	if (replay->nr_extents)
		qsort(replay->extents, replay->nr_extents, sizeof(*replay->extents),
		      compare_extents);
	replay->next = 0;
	ret = threads_start(nr_workers, nr_max, worker_thread, replay, &threads);
	if (ret < 0)
		return failure_set(ret, "cannot start to read: %s", strerror(-ret));
	threads_join(threads);
	return first_failure_get(&replay->failure);
}

/* ---------------------------------------------------------------------- passes */

static int run_pass(struct tmc_replay *replay, uint64_t first_part, uint64_t end_part, bool crowded,
		    unsigned int nr_workers)
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
	return ret ? ret : apply_extents(replay, walk.end_chunk - walk.first_chunk, nr_workers);
}

int tmc_replay_run(struct tmc_replay *replay, unsigned int nr_workers, const struct tmc_sink *sink)
{
	uint64_t end;
	int ret = 0;

	first_failure_init(&replay->failure);
	replay->sink = sink;
	replay->done_bytes = replay->tree->volume_bytes - replay->changed_bytes;
	for (uint64_t first = 0; first < replay->nr_parts && !ret; first = end) {
		uint64_t nr = replay->counts[first];

		for (end = first + 1; end < replay->nr_parts &&
				      nr + replay->counts[end] <= tmc_replay_extents; end++)
			nr += replay->counts[end];
		if (nr)
			ret = run_pass(replay, first, end, nr > tmc_replay_extents, nr_workers);
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
	choose_parts(replay);
	replay->segments = tmc_segment_cache_create(replay->repo, replay->span.segments,
						    replay->span.nr_segments);
	replay->changed = calloc(replay->tree->nr_chunks / 64 + 1, sizeof(uint64_t));
	replay->counts = calloc(replay->nr_parts, sizeof(*replay->counts));
	return replay->segments && replay->changed && replay->counts ?
		       0 : failure_set(-ENOMEM, "out of memory");
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
	pthread_mutex_init(&replay->lock, NULL);
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
	pthread_mutex_destroy(&replay->lock);
	free(replay->changed);
	free(replay->counts);
	free(replay->extents);
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
