/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Some chunks of a volume, put together from what records did to them.
 */
#ifndef CATALOG_REPLAY_BATCH_H
#define CATALOG_REPLAY_BATCH_H

#include "catalog/tree.h"
#include "tidemark.h"

#define TMC_SECTOR_BYTES 512u

enum tmc_extent_kind { TMC_EXTENT_DATA, TMC_EXTENT_ZERO, TMC_EXTENT_UNREADABLE };

/** What one record does to one chunk. */
struct tmc_extent {
	uint64_t chunk;
	uint32_t segment; /**< counts in the batch's */
	uint32_t record;
	uint16_t first; /**< sectors in the chunk */
	uint16_t nr;
	enum tmc_extent_kind kind;
};
static_assert(TMC_CHUNK_BYTES_MAX / TMC_SECTOR_BYTES <= UINT16_MAX, "an extent counts them");

struct tmc_replay_batch; /**< used by one thread at a time */

/** Bytes of a batch; there is a variable for tests. */
#define TMC_BATCH_BYTES (8u << 20)
extern uint32_t tmc_batch_bytes;

/** base: what no record covers; it and the segments outlive the batch. NULL: out of memory. */
struct tmc_replay_batch *tmc_replay_batch_create(struct tmc_repo *repo, const struct tmc_tree *base,
						 const struct tmc_segment *segments, size_t nr);
void tmc_replay_batch_destroy(struct tmc_replay_batch *batch);

/** Chunks that go into one. */
uint32_t tmc_replay_batch_chunks(const struct tmc_tree *base);

/**
 * Put the chunks of these extents together and deliver them, in ascending order, but for
 * progress: that is done()'s. extents: by chunk, those of a chunk together, the newest first.
 */
int tmc_replay_batch_run(struct tmc_replay_batch *batch, const struct tmc_extent *extents, size_t nr,
			 const struct tmc_sink *sink, void (*done)(void *context, uint64_t bytes),
			 void *context);

#endif
