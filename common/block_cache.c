// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A block is in a bucket of the hash table while it has a number, and in the list of idle
 * ones while nobody holds it, the one used last at its end. Whoever fills one holds it.
 */
#include "common/block_cache.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>

#define PAGE_BYTES 4096

struct block {
	TAILQ_ENTRY(block) idle;
	LIST_ENTRY(block) same_hash;
	uint64_t number;
	uint8_t *data; /* NULL: not used so far */
	unsigned int nr_holders;
	bool is_known; /* has a number, and is in its bucket */
	bool is_filled;
};

struct block_cache {
	size_t block_bytes;
	unsigned int bucket_bits; /* there are two to this power */
	pthread_mutex_t lock; /* all below, and what blocks have besides their content */
	pthread_cond_t changed; /* one was filled, or given up, or is idle */
	TAILQ_HEAD(, block) idle;
	LIST_HEAD(bucket, block) *buckets;
	size_t nr_blocks;
	struct block blocks[];
};

static unsigned int find_bucket_bits(size_t nr_blocks)
{
	unsigned int bits = 1;

	while ((size_t)1 << bits < nr_blocks)
		bits++;
	return bits;
}

struct block_cache *block_cache_create(size_t nr_blocks, size_t block_bytes)
{
	struct block_cache *cache = calloc(1, sizeof(*cache) + nr_blocks * sizeof(struct block));

	if (!cache)
		return NULL;
	cache->block_bytes = (block_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	cache->nr_blocks = nr_blocks;
	cache->bucket_bits = find_bucket_bits(nr_blocks);
	cache->buckets = calloc((size_t)1 << cache->bucket_bits,
				sizeof(*cache->buckets)); /* empty lists */
	if (!cache->buckets) {
		free(cache);
		return NULL;
	}
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->changed, NULL);
	TAILQ_INIT(&cache->idle);
	for (size_t i = 0; i < nr_blocks; i++)
		TAILQ_INSERT_TAIL(&cache->idle, &cache->blocks[i], idle);
	return cache;
}

void block_cache_destroy(struct block_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < cache->nr_blocks; i++)
		free(cache->blocks[i].data);
	pthread_cond_destroy(&cache->changed);
	pthread_mutex_destroy(&cache->lock);
	free(cache->buckets);
	free(cache);
}

/* Multiplied with 2^64 over the golden ratio (Knuth, TAOCP 6.4), so that no stride fills one. */
static struct bucket *bucket_of(struct block_cache *cache, uint64_t number)
{
	return &cache->buckets[number * 0x9e3779b97f4a7c15u >> (64 - cache->bucket_bits)];
}

static struct block *find(struct block_cache *cache, uint64_t number)
{
	struct block *block;

	LIST_FOREACH(block, bucket_of(cache, number), same_hash)
		if (block->number == number)
			return block;
	return NULL;
}

static void hold(struct block_cache *cache, struct block *block)
{
	if (block->nr_holders++ == 0)
		TAILQ_REMOVE(&cache->idle, block, idle);
}

static void let_go(struct block_cache *cache, struct block *block)
{
	if (--block->nr_holders)
		return;
	if (block->is_known)
		TAILQ_INSERT_TAIL(&cache->idle, block, idle);
	else
		TAILQ_INSERT_HEAD(&cache->idle, block, idle);
	pthread_cond_broadcast(&cache->changed);
}

static void forget(struct block *block)
{
	if (block->is_known)
		LIST_REMOVE(block, same_hash);
	block->is_known = false;
	block->is_filled = false;
}

/* An idle one, held and with the number, to be filled; NULL: there is none. */
static struct block *take_over(struct block_cache *cache, uint64_t number)
{
	struct block *block = TAILQ_FIRST(&cache->idle);

	if (!block)
		return NULL;
	hold(cache, block);
	forget(block);
	block->number = number;
	block->is_known = true;
	LIST_INSERT_HEAD(bucket_of(cache, number), block, same_hash);
	return block;
}

/* The block, held; not filled: it is the caller's to be. */
static struct block *get(struct block_cache *cache, uint64_t number)
{
	LOCK_SCOPE(&cache->lock);
	for (;;) {
		struct block *block = find(cache, number);

		if (block && block->is_filled) {
			hold(cache, block);
			return block;
		}
		if (!block && (block = take_over(cache, number)))
			return block;
		pthread_cond_wait(&cache->changed, &cache->lock);
	}
}

static int fill_block(struct block_cache *cache, struct block *block, block_cache_fill *fill,
		      void *context)
{
	int ret = 0;

	if (!block->data)
		block->data = aligned_alloc(PAGE_BYTES, cache->block_bytes);
	ret = block->data ? fill(context, block->number, block->data) : -ENOMEM;
	LOCK_SCOPE(&cache->lock);
	if (ret < 0) {
		forget(block);
		let_go(cache, block);
		return ret;
	}
	block->is_filled = true;
	pthread_cond_broadcast(&cache->changed);
	return 0;
}

int block_cache_get(struct block_cache *cache, uint64_t number, block_cache_fill *fill,
		    void *context, const uint8_t **ret_data)
{
	struct block *block = get(cache, number);
	int ret = block->is_filled ? 0 : fill_block(cache, block, fill, context);

	if (ret < 0)
		return ret;
	*ret_data = block->data;
	return 0;
}

void block_cache_put(struct block_cache *cache, uint64_t number)
{
	LOCK_SCOPE(&cache->lock);
	let_go(cache, find(cache, number));
}
