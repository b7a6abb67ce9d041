// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Points are given up by a doom that lists them alone. What they needed is found by
 * the next prune, and the sweep of the doom removes them. One that is damaged is for
 * repair to put aside.
 */
#include "catalog/generation.h"
#include "catalog/point.h"
#include "catalog/repo.h"
#include "common/failure.h"

#include <errno.h>

static int choose(struct tmc_repo *repo, const struct tmc_id *points, size_t nr,
		  struct tmc_doom *doom)
{
	int ret = 0;

	for (size_t i = 0; i < nr && !ret; i++) {
		struct tmc_point point;

		ret = tmc_point_get(repo, &points[i], &point);
		if (!ret)
			ret = tmc_id_list_add(&doom->points, &points[i]);
	}
	tmc_id_list_sort(&doom->points);
	return ret;
}

int tmc_forget(struct tmc_repo *repo, const struct tmc_id *points, size_t nr)
{
	struct tmc_doom doom = { 0 };
	int ret = tmc_keys_check(repo->keys);

	if (!ret)
		ret = tmc_repo_begin_prune(repo, "forget");
	if (ret < 0)
		return ret;
	ret = choose(repo, points, nr, &doom);
	if (!ret && doom.points.nr)
		ret = tmc_generation_seal(repo, &doom);
	tmc_doom_clear(&doom);
	tmc_repo_end_prune(repo);
	return ret;
}
