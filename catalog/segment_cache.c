// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The one that was not used for the longest time goes. What was believed of a segment
 * when it was looked for, from its tail, is compared with what its table proves.
 */
#include "catalog/segment_cache.h"

#include "catalog/id.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>

#define NR_SLOTS 16u

struct slot {
	struct tmc_segment_reader *reader; /* NULL: the slot is free */
	size_t nth;
	uint64_t used;
};

struct tmc_segment_cache {
	struct tmc_repo *repo;
	const struct tmc_segment *segments;
	size_t nr;
	uint64_t clock;
	struct slot slots[NR_SLOTS];
};

struct tmc_segment_cache *tmc_segment_cache_create(struct tmc_repo *repo,
						   const struct tmc_segment *segments, size_t nr)
{
	struct tmc_segment_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->repo = repo;
	cache->segments = segments;
	cache->nr = nr;
	return cache;
}

void tmc_segment_cache_destroy(struct tmc_segment_cache *cache)
{
	if (!cache)
		return;
	for (unsigned int i = 0; i < NR_SLOTS; i++)
		if (cache->slots[i].reader)
			tmc_segment_close(cache->slots[i].reader);
	free(cache);
}

static bool is_as_believed(const struct tmc_segment *proved, const struct tmc_segment *believed)
{
	return proved->stretch == believed->stretch && proved->first_seq == believed->first_seq &&
	       proved->last_seq == believed->last_seq &&
	       proved->settles_seq == believed->settles_seq &&
	       tmc_id_equal(&proved->previous, &believed->previous);
}

static int open_slot(struct tmc_segment_cache *cache, size_t nth, struct slot *slot)
{
	const struct tmc_segment *segment = &cache->segments[nth];
	char digits[TMC_ID_TEXT];
	int ret;

	if (slot->reader)
		tmc_segment_close(slot->reader);
	slot->reader = NULL;
	ret = tmc_segment_open(cache->repo, &segment->id, &slot->reader);
	if (ret < 0)
		return ret;
	slot->nth = nth;
	if (is_as_believed(tmc_segment_info(slot->reader), segment))
		return 0;
	tmc_segment_close(slot->reader);
	slot->reader = NULL;
	tmc_id_format(&segment->id, digits);
	return failure_set(-EBADMSG, "segment %s of the journal is damaged: its tail says something "
			   "else than its table", digits);
}

int tmc_segment_cache_get(struct tmc_segment_cache *cache, size_t nth,
			  struct tmc_segment_reader **ret_reader)
{
	struct slot *slot = &cache->slots[0];
	int ret = 0;

	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		struct slot *other = &cache->slots[i];

		if (other->reader && other->nth == nth) {
			slot = other;
			break;
		}
		if (!other->reader || (slot->reader && other->used < slot->used))
			slot = other;
	}
	if (!slot->reader || slot->nth != nth)
		ret = open_slot(cache, nth, slot);
	if (ret < 0)
		return ret;
	slot->used = ++cache->clock;
	*ret_reader = slot->reader;
	return 0;
}
