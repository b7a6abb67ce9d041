/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which chunks of a volume have been handed in: each at most once.
 */
#ifndef CATALOG_CHUNK_SET_H
#define CATALOG_CHUNK_SET_H

#include <stdbool.h>
#include <stdint.h>

struct tmc_chunk_set; /**< not locked: the caller does */

struct tmc_chunk_set *tmc_chunk_set_create(void);
void tmc_chunk_set_destroy(struct tmc_chunk_set *set);

/**
 * Add nr chunks from first on that chosen names (NULL: all), or none of them.
 * Errors: -EINVAL (one is in the set, sets ret_chunk), -ENOMEM.
 */
int tmc_chunk_set_add(struct tmc_chunk_set *set, uint64_t first, uint64_t nr,
		      const uint64_t *chosen, uint64_t *ret_chunk);

uint64_t tmc_chunk_set_nr(const struct tmc_chunk_set *set);
/** The lowest chunk that is not in the set. */
uint64_t tmc_chunk_set_first_missing(const struct tmc_chunk_set *set);

#endif
