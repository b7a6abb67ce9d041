/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A few of many segments, open.
 */
#ifndef CATALOG_SEGMENT_CACHE_H
#define CATALOG_SEGMENT_CACHE_H

#include "catalog/segment.h"

struct tmc_segment_cache; /**< used by one thread at a time */

/** segments: nr of them, which outlive the cache. */
struct tmc_segment_cache *tmc_segment_cache_create(struct tmc_repo *repo,
						   const struct tmc_segment *segments, size_t nr);
void tmc_segment_cache_destroy(struct tmc_segment_cache *cache);

/**
 * The nth segment, until the next get. Errors: as tmc_segment_open; -EBADMSG (it is not what
 * segments[nth] says).
 */
int tmc_segment_cache_get(struct tmc_segment_cache *cache, size_t nth,
			  struct tmc_segment_reader **ret_reader);

#endif
