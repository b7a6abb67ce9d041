// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Index objects: which are damaged, and which name packs that nobody can read.
 */
#include "catalog/repair.h"

#include "catalog/index_check.h"
#include "catalog/index_merge.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

int tmc_repair_check_indexes(struct tmc_repair *repair)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(repair->repo->store, TMC_STORE_INDEX, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		uint64_t bytes;

		ret = tmc_index_check(repair->repo->store, repair->repo->keys, &ids[i], &bytes);
		if (ret == -ENOENT) /* merged and swept since it was listed */
			ret = 0;
		if (!tmc_repair_is_damage(ret))
			continue;
		tmc_repair_say(repair, failure_text());
		repair->result.damaged_indexes++;
		ret = 0;
	}
	return ret;
}

int tmc_repair_rebuild_index(struct tmc_repair *repair)
{
	struct tmc_index_repair ignored;
	int ret = tmc_repair_index(repair->repo, NULL, NULL, &ignored);

	repair->result.put_aside += ignored.put_aside;
	return ret == -EBADMSG ? 0 : ret; /* damaged packs are known, and next */
}

static int choose_place(void *context, const struct tmc_merge_place *places, size_t nr,
			struct tmc_merge_place *ret_place)
{
	for (size_t i = 0; i < nr; i++) {
		if (tmc_repair_find_bad(context, &places[i].pack))
			continue;
		*ret_place = places[i];
		return 1;
	}
	return 0;
}

static bool names_bad_pack(const struct tmc_repair *repair, size_t number)
{
	const struct tmc_proof *proof = &repair->proof;

	for (size_t i = 0; i < proof->nr_mentions; i++)
		if (proof->mentions[i].number == number &&
		    tmc_repair_find_bad(repair, &proof->mentions[i].pack))
			return true;
	return false;
}

int tmc_repair_replace_indexes(struct tmc_repair *repair)
{
	CLEANUP_FREE struct tmc_index **indexes = calloc(repair->proof.nr_indexes + 1,
							 sizeof(*indexes));
	struct tmc_index_merge merge = {
		.store = repair->repo->store,
		.keys = repair->repo->keys,
		.indexes = indexes,
		.choose = choose_place,
		.context = repair,
	};
	uint64_t nr_entries;
	int ret;

	if (!indexes)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t n = 0; n < repair->proof.nr_indexes; n++)
		if (names_bad_pack(repair, n))
			indexes[merge.nr_indexes++] = tmc_index_set_get(repair->view.indexes, n);
	if (!merge.nr_indexes)
		return 0;
	ret = tmc_index_merge(&merge, &nr_entries);
	if (!ret)
		ret = tmc_store_sync_index(repair->repo->store);
	for (size_t i = 0; i < merge.nr_indexes && !ret; i++)
		ret = tmc_repair_put_aside(repair, TMC_STORE_INDEX, tmc_index_id(indexes[i]));
	return ret;
}
