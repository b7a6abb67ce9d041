// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Opened anew for each decision: what was seen before may have changed since.
 */
#include "catalog/survey.h"

#include "catalog/point.h"
#include "catalog/reach.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

static int list_points(struct tmc_survey *survey, struct tmc_id **ret_ids, size_t *ret_nr)
{
	int ret = tmc_store_look_afresh(survey->view.store, "points");

	return ret ? ret : tmc_store_list(survey->view.store, TMC_STORE_POINT, ret_ids, ret_nr);
}

/* One that is gone since it was listed was in a doom that another prune has swept. */
static int load_points(struct tmc_survey *survey, const struct tmc_id *ids, size_t nr)
{
	int ret = 0;

	survey->points = calloc(nr + 1, sizeof(*survey->points));
	if (!survey->points)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr && !ret; i++) {
		struct tmc_survey_point *point = &survey->points[survey->nr_points];
		struct tmc_point loaded;

		ret = tmc_point_load(&survey->view, &ids[i], &loaded, &point->tree);
		if (ret == -ENOENT) {
			ret = 0;
			continue;
		}
		point->id = ids[i];
		point->generation = loaded.generation;
		survey->nr_points++;
	}
	return ret;
}

static void on_damage(void *context)
{
	*(int *)context = -EBADMSG;
}

static int open_indexes(struct tmc_survey *survey)
{
	struct tmc_repo *view = &survey->view;
	int damage = 0, ret;

	view->indexes = tmc_index_set_create(view->store, view->keys, &view->limits);
	view->packs = tmc_pack_cache_create(view->store, view->keys);
	if (!view->indexes || !view->packs)
		return failure_set(-ENOMEM, "out of memory");
	tmc_index_set_avoid(view->indexes, &survey->dooms);
	ret = tmc_index_set_refresh(view->indexes);
	if (!ret)
		ret = tmc_index_set_check(view->indexes);
	if (!ret)
		ret = tmc_proof_init(&survey->proof, view->indexes, on_damage, &damage);
	if (ret < 0 || damage < 0)
		return ret ? ret : damage;
	survey->index_is_doomed = calloc(survey->proof.nr_indexes + 1, sizeof(bool));
	if (!survey->index_is_doomed)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t n = 0; n < survey->proof.nr_indexes; n++)
		survey->index_is_doomed[n] =
			tmc_dooms_list(&survey->dooms, TMC_STORE_INDEX,
				       tmc_index_id(tmc_index_set_get(view->indexes, n)));
	return 0;
}

int tmc_survey_open(struct tmc_survey *survey, struct tmc_repo *repo)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret;

	*survey = (struct tmc_survey){ .view = *repo };
	survey->view.indexes = NULL;
	survey->view.packs = NULL;
	ret = list_points(survey, &ids, &nr);
	if (!ret)
		ret = tmc_dooms_load(repo->store, repo->keys, &survey->dooms);
	if (!ret)
		ret = open_indexes(survey);
	return ret ? ret : load_points(survey, ids, nr);
}

void tmc_survey_close(struct tmc_survey *survey)
{
	tmc_proof_exit(&survey->proof);
	tmc_index_set_destroy(survey->view.indexes);
	tmc_pack_cache_destroy(survey->view.packs);
	tmc_dooms_clear(&survey->dooms);
	free(survey->points);
	free(survey->index_is_doomed);
	*survey = (struct tmc_survey){ 0 };
}

static int compare_to_point(const void *id, const void *point)
{
	return tmc_id_compare(id, &((const struct tmc_survey_point *)point)->id);
}

int tmc_survey_is_complete(struct tmc_survey *survey)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret = list_points(survey, &ids, &nr);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < nr; i++)
		if (!survey->nr_points || !bsearch(&ids[i], survey->points, survey->nr_points,
						   sizeof(*survey->points), compare_to_point))
			return 0;
	return 1;
}

int tmc_survey_walk(struct tmc_survey *survey,
		    bool (*need)(void *context, const struct tmc_survey_point *point),
		    void (*blob)(void *context, const struct tmc_location *location), void *context)
{
	const struct tmc_reach reach = {
		.repo = &survey->view, .proof = &survey->proof, .blob = blob, .context = context,
	};
	int ret = 0;

	for (size_t i = 0; i < survey->nr_points && !ret; i++)
		if (need(context, &survey->points[i]))
			ret = tmc_reach_tree(&reach, &survey->points[i].tree);
	return ret;
}

bool tmc_survey_needs(const struct tmc_survey *survey, enum tmc_blob_type type,
		      const struct tmc_id *id)
{
	struct tmc_location location;

	for (size_t n = 0; n < survey->proof.nr_indexes; n++)
		if (tmc_index_set_find_in(survey->view.indexes, n, type, id, &location) > 0)
			return tmc_proof_is_set(&survey->proof, n, location.position,
						TMC_PROOF_NEEDED);
	return false;
}
