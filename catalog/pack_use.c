// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Copying costs room until the old packs are swept, so it begins with those that
 * free most for each byte copied and ends at the bound.
 */
#include "catalog/pack_use.h"

#include "catalog/id.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>

int tmc_pack_uses_list(struct tmc_pack_uses *uses, struct tmc_store *store,
		       const struct tmc_dooms *dooms)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret = tmc_store_list(store, TMC_STORE_PACK, &ids, &nr);

	*uses = (struct tmc_pack_uses){ 0 };
	if (ret < 0)
		return ret;
	uses->packs = calloc(nr + 1, sizeof(*uses->packs));
	if (!uses->packs)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		struct tmc_pack_use *use = &uses->packs[uses->nr];
		CLEANUP_CLOSE int fd = -1;

		ret = tmc_store_get(store, TMC_STORE_PACK, &ids[i], &fd, &use->bytes);
		if (ret == -ENOENT) /* swept since it was listed */
			continue;
		if (ret < 0)
			return ret;
		use->id = ids[i];
		if (tmc_dooms_list(dooms, TMC_STORE_PACK, &ids[i]))
			use->fate = TMC_PACK_DOOMED;
		uses->nr++;
	}
	return 0;
}

void tmc_pack_uses_clear(struct tmc_pack_uses *uses)
{
	free(uses->packs);
	*uses = (struct tmc_pack_uses){ 0 };
}

static int compare_to_use(const void *id, const void *use)
{
	return tmc_id_compare(id, &((const struct tmc_pack_use *)use)->id);
}

struct tmc_pack_use *tmc_pack_uses_find(const struct tmc_pack_uses *uses, const struct tmc_id *id)
{
	return uses->nr ? bsearch(id, uses->packs, uses->nr, sizeof(*uses->packs), compare_to_use)
			: NULL;
}

bool tmc_pack_uses_stays(const struct tmc_pack_uses *uses, const struct tmc_id *id)
{
	const struct tmc_pack_use *use = tmc_pack_uses_find(uses, id);

	return use && use->fate == TMC_PACK_STAYS;
}

/* What nothing refers to yet may be that of a backup that is running. */
static int choose_unneeded(struct tmc_pack_use *use, struct tmc_store *store, uint64_t young_ns)
{
	uint64_t time_ns;
	int ret = tmc_store_time(store, TMC_STORE_PACK, &use->id, &time_ns);

	if (!ret && time_ns <= young_ns)
		use->fate = TMC_PACK_GOES;
	return ret == -ENOENT ? 0 : ret;
}

/* By the share that is needed: a/b < c/d, in 128 bits. */
static int compare_shares(const void *a, const void *b)
{
	const struct tmc_pack_use *use_a = *(struct tmc_pack_use *const *)a;
	const struct tmc_pack_use *use_b = *(struct tmc_pack_use *const *)b;
	unsigned __int128 left = (unsigned __int128)use_a->needed_bytes * use_b->bytes;
	unsigned __int128 right = (unsigned __int128)use_b->needed_bytes * use_a->bytes;

	if (left != right)
		return left < right ? -1 : 1;
	return tmc_id_compare(&use_a->id, &use_b->id);
}

static bool is_worth_copying(const struct tmc_pack_use *use, uint32_t below_percent)
{
	return use->fate == TMC_PACK_STAYS && use->needed_bytes &&
	       use->needed_bytes * 100 < use->bytes * below_percent;
}

int tmc_pack_uses_choose(struct tmc_pack_uses *uses, struct tmc_store *store,
			 const struct tmc_pack_rules *rules)
{
	CLEANUP_FREE struct tmc_pack_use **candidates = calloc(uses->nr + 1, sizeof(*candidates));
	uint64_t left = rules->copied_bytes_max;
	size_t nr = 0;
	int ret = 0;

	if (!candidates)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < uses->nr && !ret; i++) {
		struct tmc_pack_use *use = &uses->packs[i];

		if (is_worth_copying(use, rules->below_percent))
			candidates[nr++] = use;
		else if (use->fate == TMC_PACK_STAYS && !use->needed_bytes)
			ret = choose_unneeded(use, store, rules->young_ns);
	}
	if (nr)
		qsort(candidates, nr, sizeof(*candidates), compare_shares);
	for (size_t i = 0; i < nr && candidates[i]->needed_bytes <= left; i++) {
		candidates[i]->fate = TMC_PACK_COPIED;
		left -= candidates[i]->needed_bytes;
	}
	return ret;
}
