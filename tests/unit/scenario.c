// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One small volume; everything that is done to a repository is done to it once: what
 * adds and reads in one scenario, what removes in another, the journal in a third, its instants
 * in a fourth.
 */
#include "scenario_instant.h"
#include "scenario_journal.h"

#include "catalog/index_tidy.h"

#define NR_CHUNKS   40u
#define CHUNK_BYTES 4096u
#define MODEL_BYTES (NR_CHUNKS * CHUNK_BYTES - 1000)

/* ----------------------------------------------------------------------- steps */

/* Half a creation is taken over; a whole one whose sync failed is found. */
static int run_init(struct world *world)
{
	int ret = tmc_repo_create(world->path, CHUNK_BYTES);

	if (ret < 0 && ret != -EEXIST)
		return ret;
	return tmc_repo_open(world->path, &world->repo);
}

void world_add_point(struct world *world, const struct tmc_point *point)
{
	struct world_point *added = &world->points[world->nr_points++];

	assert_true(world->nr_points <= WORLD_POINTS);
	*added = (struct world_point){
		.point = *point,
		.model = model_create(world->model->bytes, CHUNK_BYTES),
		.made_by = world->step,
	};
	memcpy(added->model->data, world->model->data, NR_CHUNKS * CHUNK_BYTES);
	memcpy(added->model->unreadable, world->model->unreadable, NR_CHUNKS);
}

static int run_full_backup(struct world *world)
{
	struct tmc_point point;
	int ret = model_backup(world->repo, world->model, NULL, NULL, 1, &point);

	if (!ret)
		world_add_point(world, &point);
	return ret;
}

/* Random, compressible and known content, a zero chunk, one that cannot be read. */
static int run_incremental_backup(struct world *world)
{
	uint8_t chosen[NR_CHUNKS] = { 0 };
	struct tmc_point point;
	int ret;

	for (unsigned int i = 0; i < NR_CONTENTS; i++) {
		chosen[3 + i] = 1;
		model_fill(world->model, 3 + i, (enum content)i);
	}
	chosen[20] = 1;
	world->model->unreadable[20] = 1;
	ret = model_backup(world->repo, world->model, &world->points[world->nr_points - 1].point,
			   chosen, world->step, &point);
	if (!ret)
		world_add_point(world, &point);
	return ret;
}

/* Those that were given up are the oldest. */
static unsigned int first_point(const struct world *world)
{
	unsigned int first = 0;

	while (first < world->nr_points && world->points[first].taken_by)
		first++;
	return first;
}

static int run_list(struct world *world)
{
	unsigned int first = first_point(world);
	struct tmc_point *points;
	size_t nr;
	int ret = tmc_point_list(world->repo, &points, &nr);

	if (!ret)
		assert_int_equal(nr, world->nr_points - first);
	for (size_t i = 0; !ret && i < nr; i++)
		assert_memory_equal(&points[i].id, &world->points[first + i].point.id,
				    sizeof(struct tmc_id));
	free(points);
	return ret;
}

static int run_extract(struct world *world)
{
	for (unsigned int i = first_point(world); i < world->nr_points; i++) {
		enum extraction extraction = extract_point(world->repo, &world->points[i].point,
							   world->points[i].model);

		if (extraction == EXTRACTION_WRONG)
			fail_msg("point %u came back wrong", i);
		if (extraction == EXTRACTION_REFUSED)
			return -EIO;
	}
	return 0;
}

static int run_verify(struct world *world)
{
	struct tmc_verify_result result;
	int ret = tmc_verify(world->repo, NULL, 2, NULL, NULL, NULL, &result);

	if (!ret)
		assert_true(result.points >= world->nr_points - first_point(world));
	return ret;
}

static int run_verify_one(struct world *world)
{
	struct tmc_verify_result result;

	return tmc_verify(world->repo, &world->points[0].point, 1, NULL, NULL, NULL, &result);
}

/* Half of it is what the first point had. */
static int run_later_backup(struct world *world)
{
	struct tmc_point point;
	int ret;

	for (unsigned int chunk = NR_CHUNKS / 2; chunk < NR_CHUNKS; chunk++)
		model_fill(world->model, chunk, CONTENT_RANDOM);
	ret = model_backup(world->repo, world->model, NULL, NULL, world->step, &point);
	if (!ret)
		world_add_point(world, &point);
	return ret;
}

/* As a backup does it where there are more indexes. */
static int run_tidy(struct world *world)
{
	return tmc_index_tidy(world->repo, 2);
}

static int prune_with(struct world *world, const struct tmc_id *points, size_t nr, uint64_t grace_ns)
{
	const struct tmc_prune_options options = {
		.points = points,
		.nr_points = nr,
		.grace_ns = grace_ns,
		.repack_below_percent = 80,
		.repack_bytes_max = UINT64_MAX,
	};
	struct tmc_prune_result result;

	return tmc_prune(world->repo, &options, &result);
}

/* One that failed may have given it up already. */
static int run_forget(struct world *world)
{
	int ret = tmc_forget(world->repo, &world->points[0].point.id, 1);

	if (world->points[0].taken_by && ret == -ENOENT)
		ret = 0;
	world->points[0].taken_by = world->step;
	return ret;
}

static int run_mark(struct world *world)
{
	int ret = prune_with(world, &world->points[1].point.id, 1, 3600000000000u);

	if (world->points[1].taken_by && ret == -ENOENT)
		ret = prune_with(world, NULL, 0, 3600000000000u);
	world->points[1].taken_by = world->step;
	return ret;
}

static int run_sweep(struct world *world)
{
	return prune_with(world, NULL, 0, 0);
}

static int run_prune_journal(struct world *world)
{
	const struct tmc_prune_options options = {
		.repack_below_percent = 80, .repack_bytes_max = UINT64_MAX, .keep_journal_ns = 1,
	};
	struct tmc_prune_result result;

	scenario_note_pruned(world);
	return tmc_prune(world->repo, &options, &result);
}

static const struct scenario_step steps_that_add[] = {
	{ "init", run_init },
	{ "full backup", run_full_backup },
	{ "incremental backup", run_incremental_backup },
	{ "list", run_list },
	{ "extract", run_extract },
	{ "verify", run_verify },
	{ "verify one point", run_verify_one },
};

static const struct scenario_step steps_that_remove[] = {
	{ "init", run_init },
	{ "full backup", run_full_backup },
	{ "incremental backup", run_incremental_backup },
	{ "later backup", run_later_backup },
	{ "tidy", run_tidy },
	{ "forget", run_forget },
	{ "mark", run_mark },
	{ "sweep", run_sweep },
	{ "list", run_list },
	{ "extract", run_extract },
};

static const struct scenario_step steps_of_journal[] = {
	{ "init", run_init },
	{ "full backup", run_full_backup },
	{ "stretch", scenario_write_stretch },
	{ "aborted stretch", scenario_abort_stretch },
	{ "later stretch", scenario_write_stretch },
	{ "read segments", scenario_read_segments },
	{ "point of the stretch", scenario_keep_first },
	{ "forget segments", scenario_forget_segments },
	{ "later point of the stretch", scenario_keep_second },
	{ "prune", run_prune_journal },
	{ "read what is left", scenario_read_segments },
	{ "verify", run_verify },
};

static const struct scenario_step steps_of_instants[] = {
	{ "init", run_init },
	{ "stretch", scenario_write_stretch },
	{ "point of its beginning", scenario_begin_instants },
	{ "extract instants", scenario_extract_instants },
	{ "keep an instant", scenario_keep_instant },
	{ "extract", run_extract },
};

#define STEPS(steps) steps, sizeof(steps) / sizeof(*(steps))
const struct scenario scenarios[] = {
	{ "what adds", STEPS(steps_that_add) },
	{ "what removes", STEPS(steps_that_remove) },
	{ "journal", STEPS(steps_of_journal) },
	{ "instants", STEPS(steps_of_instants) },
};
const unsigned int nr_scenarios = sizeof(scenarios) / sizeof(*scenarios);

/* ----------------------------------------------------------------------- world */

void world_init(struct world *world, const char *path)
{
	*world = (struct world){
		.path = path,
		.model = model_mixed(MODEL_BYTES, CHUNK_BYTES),
	};
}

void world_exit(struct world *world)
{
	tmc_repo_close(world->repo);
	for (unsigned int i = 0; i < world->nr_points; i++)
		model_destroy(world->points[i].model);
	model_destroy(world->model);
	remove_tree(world->path);
}

static const struct world_point *find_point(const struct world *world, const struct tmc_id *id)
{
	for (unsigned int i = 0; i < world->nr_points; i++)
		if (!memcmp(&world->points[i].point.id, id, sizeof(*id)))
			return &world->points[i];
	return NULL;
}

static unsigned int count_required(const struct world *world, unsigned int nr_done)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < world->nr_points; i++)
		nr += world->points[i].made_by <= nr_done &&
		      !(world->points[i].taken_by && world->points[i].taken_by <= nr_done + 1);
	return nr;
}

static void expect_points(const struct world *world, struct tmc_repo *repo, unsigned int nr_done,
			  bool others, const char *where)
{
	unsigned int nr_required = count_required(world, nr_done);
	struct tmc_point *points;
	size_t nr;

	if (tmc_point_list(repo, &points, &nr) < 0)
		fail_msg("%s: the list: %s", where, tmc_error_text());
	for (size_t i = 0; i < nr; i++) {
		const struct world_point *known = find_point(world, &points[i].id);

		if (!known && others)
			continue;
		if (!known || known->made_by > nr_done + 1 ||
		    (known->taken_by && known->taken_by <= nr_done))
			fail_msg("%s: a point that must not be there", where);
		nr_required -= known->made_by <= nr_done &&
			       !(known->taken_by && known->taken_by <= nr_done + 1);
		if (extract_point(repo, &known->point, known->model) != EXTRACTION_EXACT)
			fail_msg("%s: point %zu: %s", where, i, tmc_error_text());
	}
	if (nr_required)
		fail_msg("%s: %u points are lost", where, nr_required);
	free(points);
}

void world_expect_points(const struct world *world, unsigned int nr_done, const char *where)
{
	struct tmc_repo *repo;

	if (tmc_repo_open(world->path, &repo) < 0)
		fail_msg("%s: %s", where, tmc_error_text());
	expect_points(world, repo, nr_done, true, where);
	tmc_repo_close(repo);
}

void world_expect_sound(const struct world *world, unsigned int nr_done, const char *where)
{
	struct tmc_verify_result result;
	struct tmc_repo *repo;

	if (tmc_repo_open(world->path, &repo) < 0)
		fail_msg("%s: %s", where, tmc_error_text());
	expect_points(world, repo, nr_done, world->may_have_others, where);
	scenario_expect_segments(world, repo, nr_done, where);
	if (tmc_verify(repo, NULL, 1, print_damage, NULL, (void *)"", &result) < 0)
		fail_msg("%s: %s", where, tmc_error_text());
	tmc_repo_close(repo);
}
