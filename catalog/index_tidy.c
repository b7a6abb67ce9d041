// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What backups do between two prunes: a doom that lists indexes alone, each entry of
 * which stands in a new one (docs/repository.md). Whether an entry is needed is not
 * asked here; one whose pack is doomed is left to the sweep of that doom.
 */
#include "catalog/index_tidy.h"

#include "catalog/generation.h"
#include "catalog/index_merge.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

#define MERGED_ENTRIES_MAX (1u << 20) /* some 60 MB, a second: no backup may take longer for it */

struct tidy {
	struct tmc_repo *repo;
	struct tmc_dooms dooms;
	struct tmc_index_set *indexes;
	struct tmc_index **crowd; /* those to be merged */
	size_t nr;
	struct tmc_doom doom;
};

unsigned int tmc_index_size(uint64_t nr_entries)
{
	unsigned int size = 0;

	for (; nr_entries >= TMC_INDEX_CROWD; nr_entries /= TMC_INDEX_CROWD)
		size++;
	return size;
}

/* The next one that no doom lists; NULL at the end. */
static struct tmc_index *next_index(const struct tidy *tidy, size_t *number)
{
	struct tmc_index *index;

	while ((index = tmc_index_set_get(tidy->indexes, (*number)++)))
		if (!tmc_dooms_list(&tidy->dooms, TMC_STORE_INDEX, tmc_index_id(index)))
			return index;
	return NULL;
}

static int find_crowd(struct tidy *tidy, unsigned int crowd)
{
	unsigned int nr_of_size[TMC_NR_INDEX_SIZES] = { 0 };
	uint64_t nr_entries = 0;
	struct tmc_index *index;
	size_t nr = 0;

	for (size_t n = 0; (index = next_index(tidy, &n)); nr++)
		nr_of_size[tmc_index_size(tmc_index_nr_entries(index))]++;
	tidy->crowd = calloc(nr + 1, sizeof(struct tmc_index *));
	if (!tidy->crowd)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t n = 0; (index = next_index(tidy, &n));) {
		if (nr_of_size[tmc_index_size(tmc_index_nr_entries(index))] < crowd ||
		    nr_entries + tmc_index_nr_entries(index) > MERGED_ENTRIES_MAX)
			continue;
		nr_entries += tmc_index_nr_entries(index);
		tidy->crowd[tidy->nr++] = index;
	}
	return 0;
}

static int choose_place(void *context, const struct tmc_merge_place *places, size_t nr,
			struct tmc_merge_place *ret_place)
{
	const struct tidy *tidy = context;

	for (size_t i = 0; i < nr; i++) {
		if (tmc_dooms_list(&tidy->dooms, TMC_STORE_PACK, &places[i].pack))
			continue;
		*ret_place = places[i];
		return 1;
	}
	return 0;
}

/* Invariants 1 and 5: the new index is durable before the doom is, and that before anything goes. */
static int replace_crowd(struct tidy *tidy)
{
	struct tmc_repo *repo = tidy->repo;
	const struct tmc_index_merge merge = {
		.store = repo->store,
		.keys = repo->keys,
		.indexes = tidy->crowd,
		.nr_indexes = tidy->nr,
		.choose = choose_place,
		.context = tidy,
	};
	uint64_t nr_entries;
	int ret = tmc_index_merge(&merge, &nr_entries);

	if (!ret)
		ret = tmc_store_sync_index(repo->store);
	for (size_t i = 0; i < tidy->nr && !ret; i++)
		ret = tmc_id_list_add(&tidy->doom.indexes, tmc_index_id(tidy->crowd[i]));
	tmc_id_list_sort(&tidy->doom.indexes);
	return ret ? ret : tmc_generation_seal(repo, &tidy->doom);
}

static int look(struct tidy *tidy)
{
	struct tmc_repo *repo = tidy->repo;
	int ret = tmc_dooms_load(repo->store, repo->keys, &tidy->dooms);

	if (ret < 0)
		return ret;
	tidy->indexes = tmc_index_set_create(repo->store, repo->keys, &repo->limits);
	if (!tidy->indexes)
		return failure_set(-ENOMEM, "out of memory");
	return tmc_index_set_refresh(tidy->indexes);
}

int tmc_index_tidy(struct tmc_repo *repo, unsigned int crowd)
{
	struct tidy tidy = { .repo = repo };
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret = tmc_store_list(repo->store, TMC_STORE_INDEX, &ids, &nr);

	if (ret < 0 || nr < crowd || !repo->heeds_sessions)
		return ret;
	ret = look(&tidy);
	if (!ret)
		ret = find_crowd(&tidy, crowd);
	if (!ret && tidy.nr >= crowd)
		ret = replace_crowd(&tidy);
	tmc_index_set_destroy(tidy.indexes);
	tmc_dooms_clear(&tidy.dooms);
	tmc_doom_clear(&tidy.doom);
	free(tidy.crowd);
	return ret;
}
