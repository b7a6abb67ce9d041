// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which chunks of a point nobody could read, by its tree alone. Whole branches of them are
 * one id; all other nodes are read.
 */
#include "catalog/id.h"
#include "catalog/point.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct run {
	int (*range)(void *context, uint64_t first_chunk, uint64_t nr_chunks);
	void *context;
	uint64_t first, nr; /* that grows; nr 0: none */
};

static void destroy_cleanup(struct tmc_tree_cursor **cursor)
{
	tmc_tree_cursor_destroy(*cursor);
}

static int flush(struct run *run)
{
	uint64_t nr = run->nr;

	run->nr = 0;
	return nr ? run->range(run->context, run->first, nr) : 0;
}

static int take(struct run *run, uint64_t chunk, uint64_t nr, bool is_unreadable)
{
	if (!is_unreadable)
		return flush(run);
	if (!run->nr)
		run->first = chunk;
	run->nr += nr;
	return 0;
}

static int walk(struct tmc_tree_cursor *cursor, uint64_t nr_chunks, struct run *run)
{
	uint64_t nr = 0;
	int ret = 0;

	for (uint64_t chunk = 0; !ret && chunk < nr_chunks; chunk += nr) {
		struct tmc_id id;

		ret = tmc_tree_cursor_get_run(cursor, chunk, &id, &nr);
		if (nr > nr_chunks - chunk)
			nr = nr_chunks - chunk;
		if (!ret)
			ret = take(run, chunk, nr, tmc_id_equal(&id, &tmc_id_unreadable));
	}
	return ret ? ret : flush(run);
}

int tmc_point_unreadable(struct tmc_repo *repo, const struct tmc_point *point,
			 int (*range)(void *context, uint64_t first_chunk, uint64_t nr_chunks),
			 void *context)
{
	CLEANUP(destroy_cleanup) struct tmc_tree_cursor *cursor = NULL;
	struct run run = { .range = range, .context = context };
	struct tmc_point loaded;
	struct tmc_tree tree;
	int ret;

	tmc_repo_enter(repo, "unreadable");
	ret = tmc_point_load(repo, &point->id, &loaded, &tree);
	if (ret < 0 || !loaded.unreadable_chunks)
		return ret;
	cursor = tmc_tree_cursor_create(repo, &tree);
	return cursor ? walk(cursor, tree.nr_chunks, &run) : failure_set(-ENOMEM, "out of memory");
}
