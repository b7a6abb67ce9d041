/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Makes one index object of several.
 */
#ifndef CATALOG_INDEX_MERGE_H
#define CATALOG_INDEX_MERGE_H

#include "catalog/index.h"

struct tmc_merge_place { /* of a blob */
	struct tmc_entry entry; /* its pack number means nothing */
	struct tmc_id pack;
	size_t number;     /* which of the merged indexes says so */
	uint64_t position; /* of the entry in that index */
};

struct tmc_index_merge {
	struct tmc_store *store;
	struct tmc_keys *keys;
	struct tmc_index *const *indexes; /* the earlier of two is preferred */
	size_t nr_indexes;
	/**
	 * Which place of a blob goes into the new index: sets ret_place, to one of
	 * places, which has the first of them already, or to a new one, and returns 1;
	 * 0: none; a negative errno ends the merge. places: one for each index that
	 * has the blob. Called twice for each blob, and has to answer the same. NULL:
	 * the first place.
	 */
	int (*choose)(void *context, const struct tmc_merge_place *places, size_t nr,
		      struct tmc_merge_place *ret_place);
	void *context;
};

/**
 * The old objects stay: only the sweep of a doom removes them. Memory: 4 KiB for
 * each index, 80 bytes for each pack. The new object's name is not synced; none is
 * written for no entries. Errors: -EBADMSG (one of the indexes is damaged).
 */
int tmc_index_merge(const struct tmc_index_merge *merge, uint64_t *ret_nr_entries);

#endif
