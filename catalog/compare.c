// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What somebody read from a target, chunk by chunk against the ids in a point's tree.
 * Nothing of the packs' content is read but nodes. A hash decides: what is said to be the
 * same is so as far as an id names one content, on which the repository relies anyway.
 */
#include "catalog/extract.h"

#include "catalog/id.h"
#include "catalog/repo.h"
#include "common/bit_run.h"
#include "common/failure.h"
#include "common/zero.h"

#include <errno.h>
#include <stdlib.h>

struct tmc_compare {
	struct tmc_tree tree;
	struct tmc_tree_cursor *cursor;
	struct tmc_hash *hash;
};

void tmc_compare_end(struct tmc_compare *compare)
{
	if (!compare)
		return;
	tmc_tree_cursor_destroy(compare->cursor);
	tmc_hash_destroy(compare->hash);
	free(compare);
}

int tmc_compare_begin(struct tmc_repo *repo, const struct tmc_point *point,
		      struct tmc_compare **ret_compare)
{
	struct tmc_compare *compare;
	struct tmc_tree tree;
	int ret;

	tmc_repo_enter(repo, "compare");
	ret = tmc_extract_load(repo, point, &tree);
	if (ret < 0)
		return ret;
	compare = calloc(1, sizeof(*compare));
	if (compare) {
		compare->tree = tree;
		compare->hash = tmc_hash_create(repo->keys);
		compare->cursor = tmc_tree_cursor_create(repo, &tree);
	}
	if (!compare || !compare->hash || !compare->cursor) {
		tmc_compare_end(compare);
		return failure_set(-ENOMEM, "out of memory");
	}
	*ret_compare = compare;
	return 0;
}

/* Returns 1, 0, or a negative errno. Zeros are no blob: they have an id that is no hash. */
static int is_same(struct tmc_compare *compare, uint64_t chunk, const void *data)
{
	uint32_t bytes = tmc_tree_chunk_bytes(&compare->tree, chunk);
	struct tmc_id wanted, found;
	int ret = tmc_tree_cursor_get(compare->cursor, chunk, &wanted);

	if (ret < 0)
		return ret;
	if (tmc_id_is_special(&wanted) || is_zero(data, bytes))
		return tmc_id_is_special(&wanted) && is_zero(data, bytes);
	ret = tmc_hash_once(compare->hash, data, bytes, &found);
	return ret < 0 ? ret : tmc_id_equal(&wanted, &found);
}

int tmc_compare_chunks(struct tmc_compare *compare, uint64_t first_chunk, uint32_t nr_chunks,
		       const void *data, uint64_t *ret_same)
{
	const struct tmc_tree *tree = &compare->tree;
	const uint8_t *content = data;

	if (first_chunk > tree->nr_chunks || nr_chunks > tree->nr_chunks - first_chunk)
		return failure_set(-EINVAL, "chunks beyond the volume's end cannot be compared");
	memset(ret_same, 0, (nr_chunks + 63) / 64 * sizeof(*ret_same));
	for (uint32_t n = 0; n < nr_chunks; n++) {
		int ret = is_same(compare, first_chunk + n,
				  content + (size_t)n * tree->chunk_bytes);

		if (ret < 0)
			return ret;
		if (ret)
			bit_set(ret_same, n, n + 1);
	}
	return 0;
}
