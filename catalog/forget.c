// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Points, or segments of the journal, are given up by a doom that lists them alone. What
 * points needed is found by the next prune, and the sweep of the doom removes what it lists.
 * What is damaged is for repair to put aside.
 */
#include "catalog/expiry.h"
#include "catalog/generation.h"
#include "catalog/point.h"
#include "catalog/repo.h"
#include "catalog/session.h"
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

/* ---------------------------------------------------------------------- journal */

static int forget_segments(struct tmc_repo *repo, struct tmc_expiry *expiry, bool dry_run,
			   struct tmc_journal_forgotten *ret_result)
{
	struct tmc_doom doom = { 0 };
	int ret = tmc_session_now(tmc_store_session(repo->store), &expiry->now_ns);

	if (!ret)
		ret = tmc_expiry_choose(repo, expiry, &doom.segments, ret_result);
	if (!ret && doom.segments.nr && !dry_run)
		ret = tmc_generation_seal(repo, &doom);
	tmc_doom_clear(&doom);
	return ret;
}

int tmc_journal_forget(struct tmc_repo *repo, const char *volume_id, uint64_t keep_ns,
		       bool dry_run, struct tmc_journal_forgotten *ret_result)
{
	const struct tmc_id_list none = { 0 };
	struct tmc_expiry expiry = {
		.volume_id = volume_id, .keep_ns = keep_ns, .points = &none,
	};
	int ret = tmc_keys_check(repo->keys);

	*ret_result = (struct tmc_journal_forgotten){ 0 };
	if (!ret)
		ret = tmc_repo_begin_prune(repo, "forget");
	if (ret < 0)
		return ret;
	ret = forget_segments(repo, &expiry, dry_run, ret_result);
	tmc_repo_end_prune(repo);
	return ret;
}
