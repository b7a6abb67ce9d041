/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A part of a volume, a mebibyte or 64 chunks, that is put together from chunks which
 * come in the order of the packs, by several threads, so that it can be written in one
 * go. Not more chunks, for the first one is looked up in whole before anything is read.
 */
#ifndef CATALOG_STRIPE_H
#define CATALOG_STRIPE_H

#include "tidemark.h"

#include <stdatomic.h>

#define TMC_STRIPE_CHUNKS_MAX 64u

struct tmc_tree;

struct tmc_stripe {
	uint8_t *data; /* page-aligned, room for tmc_stripe_chunks() */
	uint64_t first_chunk;
	uint64_t wanted; /* bit n: chunk first_chunk + n; constant once the first piece is read */
	atomic_uint nr_missing;
};

/** How many chunks of this size a stripe has; the first is a multiple of that. */
uint32_t tmc_stripe_chunks(uint32_t chunk_bytes);

struct tmc_stripe_pool;

struct tmc_stripe_pool *tmc_stripe_pool_create(size_t nr, uint32_t chunk_bytes);
void tmc_stripe_pool_destroy(struct tmc_stripe_pool *pool);

/** One that nobody has; waits. NULL: the pool was closed, which a failure does. */
struct tmc_stripe *tmc_stripe_get(struct tmc_stripe_pool *pool, uint64_t first_chunk);
void tmc_stripe_put(struct tmc_stripe_pool *pool, struct tmc_stripe *stripe);
void tmc_stripe_pool_close(struct tmc_stripe_pool *pool);

/** It shall have this chunk: by one thread, before any chunk of the stripe is there. */
void tmc_stripe_want(struct tmc_stripe *stripe, uint64_t chunk);

/** Where the chunk belongs. */
uint8_t *tmc_stripe_room(const struct tmc_stripe *stripe, const struct tmc_tree *tree,
			 uint64_t chunk);

/** A wanted chunk is in its room. True for exactly one caller: nothing is missing any more. */
bool tmc_stripe_have(struct tmc_stripe *stripe);

/** The next run of wanted chunks from the nth on; 0 after the last. */
uint32_t tmc_stripe_run(const struct tmc_stripe *stripe, uint32_t *nth);

#endif
