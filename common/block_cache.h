/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Blocks of one size, by number, in bounded memory: those that were not used for the longest
 * time go. May be shared by threads; a block that several want is filled once.
 */
#ifndef COMMON_BLOCK_CACHE_H
#define COMMON_BLOCK_CACHE_H

#include <stddef.h>
#include <stdint.h>

struct block_cache;

/** Memory comes as blocks are filled. nr_blocks: 1 at least. NULL: out of memory. */
struct block_cache *block_cache_create(size_t nr_blocks, size_t block_bytes);
void block_cache_destroy(struct block_cache *cache);

/** Makes the content of a block, at data: 0, or a negative errno, which is not remembered. */
typedef int block_cache_fill(void *context, uint64_t number, void *data);

/**
 * The block's content, page-aligned, which stays until block_cache_put(). While every block
 * is held by somebody it waits, so a thread holds one at a time. Errors: -ENOMEM, of fill().
 */
int block_cache_get(struct block_cache *cache, uint64_t number, block_cache_fill *fill,
		    void *context, const uint8_t **ret_data);
void block_cache_put(struct block_cache *cache, uint64_t number);

#endif
