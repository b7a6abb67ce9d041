// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Who brings the last missing chunk delivers the stripe: the count goes down with
 * release and acquire, so that the others' chunks are seen by then.
 */
#include "catalog/stripe.h"

#include "catalog/tree.h"
#include "common/queue.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES (2u << 20)

struct tmc_stripe_pool {
	struct queue *free;
	uint8_t *data; /* all stripes' */
	struct tmc_stripe stripes[];
};

uint32_t tmc_stripe_chunks(uint32_t chunk_bytes)
{
	uint32_t nr = TMC_BUFFER_BYTES / chunk_bytes;

	return nr < TMC_STRIPE_CHUNKS_MAX ? nr : TMC_STRIPE_CHUNKS_MAX;
}

struct tmc_stripe_pool *tmc_stripe_pool_create(size_t nr, uint32_t chunk_bytes)
{
	size_t stripe_bytes = (size_t)tmc_stripe_chunks(chunk_bytes) * chunk_bytes;
	struct tmc_stripe_pool *pool = calloc(1, sizeof(*pool) + nr * sizeof(*pool->stripes));
	size_t bytes = nr * stripe_bytes;

	bytes += (HUGE_PAGE_BYTES - bytes % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
	if (!pool)
		return NULL;
	pool->free = queue_create(nr);
	pool->data = aligned_alloc(HUGE_PAGE_BYTES, bytes);
	if (!pool->free || !pool->data) {
		tmc_stripe_pool_destroy(pool);
		return NULL;
	}
	madvise(pool->data, bytes, MADV_HUGEPAGE);
	for (size_t i = 0; i < nr; i++) {
		pool->stripes[i].data = pool->data + i * stripe_bytes;
		queue_push(pool->free, &pool->stripes[i]);
	}
	return pool;
}

void tmc_stripe_pool_destroy(struct tmc_stripe_pool *pool)
{
	if (!pool)
		return;
	free(pool->data);
	queue_destroy(pool->free);
	free(pool);
}

struct tmc_stripe *tmc_stripe_get(struct tmc_stripe_pool *pool, uint64_t first_chunk)
{
	struct tmc_stripe *stripe = queue_pop(pool->free);

	if (!stripe)
		return NULL;
	stripe->first_chunk = first_chunk;
	stripe->wanted = 0;
	atomic_store(&stripe->nr_missing, 0);
	return stripe;
}

void tmc_stripe_put(struct tmc_stripe_pool *pool, struct tmc_stripe *stripe)
{
	queue_push(pool->free, stripe);
}

void tmc_stripe_pool_close(struct tmc_stripe_pool *pool)
{
	queue_close(pool->free);
}

void tmc_stripe_want(struct tmc_stripe *stripe, uint64_t chunk)
{
	stripe->wanted |= 1ull << (chunk - stripe->first_chunk);
	atomic_fetch_add(&stripe->nr_missing, 1);
}

uint8_t *tmc_stripe_room(const struct tmc_stripe *stripe, const struct tmc_tree *tree,
			 uint64_t chunk)
{
	return stripe->data + (chunk - stripe->first_chunk) * tree->chunk_bytes;
}

bool tmc_stripe_have(struct tmc_stripe *stripe)
{
	return atomic_fetch_sub(&stripe->nr_missing, 1) == 1;
}

static bool is_wanted(const struct tmc_stripe *stripe, uint32_t nth)
{
	return nth < TMC_STRIPE_CHUNKS_MAX && stripe->wanted >> nth & 1;
}

uint32_t tmc_stripe_run(const struct tmc_stripe *stripe, uint32_t *nth)
{
	uint32_t nr = 0;

	while (*nth < TMC_STRIPE_CHUNKS_MAX && !is_wanted(stripe, *nth))
		(*nth)++;
	while (is_wanted(stripe, *nth + nr))
		nr++;
	return nr;
}
