// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Where a point has data, zeros and what nobody could read, by its tree alone.
 */
#include "catalog/extract.h"

#include "catalog/repo.h"
#include "common/bit_run.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct map {
	const struct tmc_tree *tree;
	const uint64_t *left_out;
	struct tmc_tree_cursor *cursor;
	int (*range)(void *context, enum tmc_content content, uint64_t offset, uint64_t bytes);
	void *context;
	enum tmc_content content; /* of the run that grows */
	uint64_t first, nr;       /* nr 0: none */
};

static void destroy_cleanup(struct tmc_tree_cursor **cursor)
{
	tmc_tree_cursor_destroy(*cursor);
}

static enum tmc_content content_of(const struct tmc_id *id)
{
	if (tmc_id_equal(id, &tmc_id_zero))
		return TMC_CONTENT_ZERO;
	return tmc_id_equal(id, &tmc_id_unreadable) ? TMC_CONTENT_UNREADABLE : TMC_CONTENT_DATA;
}

static int flush(struct map *map)
{
	uint64_t nr = map->nr;

	map->nr = 0;
	return nr ? map->range(map->context, map->content, map->first * map->tree->chunk_bytes,
			       tmc_tree_bytes(map->tree, map->first, nr)) : 0;
}

static int add(struct map *map, uint64_t first, uint64_t nr, enum tmc_content content)
{
	int ret = 0;

	if (map->nr && (map->first + map->nr != first || map->content != content))
		ret = flush(map);
	if (!map->nr)
		map->first = first;
	map->content = content;
	map->nr += nr;
	return ret;
}

/* From chunk on, which is wanted; *chunk becomes the next one to look at. */
static int step(struct map *map, uint64_t end, uint64_t *chunk)
{
	uint64_t first = *chunk, behind = end, nr;
	struct tmc_id id;
	int ret = tmc_tree_cursor_get_run(map->cursor, first, &id, &nr);

	if (ret < 0)
		return ret;
	if (nr < end - first)
		behind = first + nr;
	if (map->left_out)
		behind = bit_find(map->left_out, first, behind, true);
	*chunk = behind;
	return add(map, first, behind - first, content_of(&id));
}

static int walk(struct map *map, uint64_t chunk, uint64_t end)
{
	int ret = 0;

	while (!ret) {
		if (map->left_out)
			chunk = bit_find(map->left_out, chunk, end, false);
		if (chunk >= end)
			return flush(map);
		ret = step(map, end, &chunk);
	}
	return ret;
}

int tmc_point_map(struct tmc_repo *repo, const struct tmc_point *point, const struct tmc_part *part,
		  int (*range)(void *context, enum tmc_content content, uint64_t offset,
			       uint64_t bytes), void *context)
{
	CLEANUP(destroy_cleanup) struct tmc_tree_cursor *cursor = NULL;
	struct map map = { .left_out = part->left_out, .range = range, .context = context };
	struct tmc_tree tree;
	int ret;

	tmc_repo_enter(repo, "map");
	ret = tmc_extract_load(repo, point, &tree);
	if (ret < 0)
		return ret;
	cursor = tmc_tree_cursor_create(repo, &tree);
	if (!cursor)
		return failure_set(-ENOMEM, "out of memory");
	map.tree = &tree;
	map.cursor = cursor;
	return walk(&map, part->first_chunk, tmc_extract_end(&tree, part));
}
