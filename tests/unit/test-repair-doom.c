// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Repair where what a prune has left is damaged: a doom, swept up to any point, or a
 * ledger (docs/repository.md, invariants 3, 6, 9 and 10).
 */
#include "faults.h"
#include "repo_fixture.h"

#include "catalog/doom.h"
#include "catalog/generation.h"
#include "catalog/repo.h"
#include "catalog/session.h"

#define CHUNK     4096u
#define NR_CHUNKS 60u

enum { OLD, SHARED, NR_POINTS }; /* the doom lists the old one, and all that came with it */

struct scene {
	struct fixture *fixture;
	struct model *models[NR_POINTS];
	struct tmc_point points[NR_POINTS];
	struct tmc_doom doom;
	uint8_t *doom_data; /* damaged */
	size_t doom_bytes;
};

static struct tmc_repo *open_repo(struct scene *scene)
{
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	return repo;
}

static void list_into(struct tmc_repo *repo, enum tmc_store_kind kind, struct tmc_id_list *list)
{
	assert_success(tmc_store_list(repo->store, kind, &list->ids, &list->nr));
}

/* A prune's doom; the point after it shares content, and avoids what is doomed. */
static void make_repository(struct scene *scene)
{
	struct tmc_repo *repo = make_repo(scene->fixture->path, CHUNK);
	char path[TMC_STORE_TEXT];

	assert_success(model_backup(repo, scene->models[OLD], NULL, NULL, 1, &scene->points[OLD]));
	tmc_doom_clear(&scene->doom);
	list_into(repo, TMC_STORE_POINT, &scene->doom.points);
	list_into(repo, TMC_STORE_INDEX, &scene->doom.indexes);
	list_into(repo, TMC_STORE_PACK, &scene->doom.packs);
	assert_success(tmc_generation_get(repo, &scene->doom.generation));
	scene->doom.generation++;
	assert_success(tmc_doom_store(repo->store, repo->keys, &scene->doom));
	tmc_repo_close(repo);
	repo = open_repo(scene);
	assert_success(model_backup(repo, scene->models[SHARED], NULL, NULL, 2,
				    &scene->points[SHARED]));
	assert_true(scene->points[SHARED].generation > scene->doom.generation);
	free(scene->doom_data);
	tmc_store_describe(repo->store, TMC_STORE_DOOM, &scene->doom.id, path);
	scene->doom_data = read_file(path, &scene->doom_bytes);
	scene->doom_data[scene->doom_bytes / 2] ^= 0x20;
	tmc_repo_close(repo);
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (fixture_setup((void **)&scene->fixture))
		return -1;
	for (int i = 0; i < NR_POINTS; i++)
		scene->models[i] = model_mixed(NR_CHUNKS * CHUNK, CHUNK);
	for (uint64_t chunk = 0; chunk < 10; chunk++)
		model_fill(scene->models[SHARED], chunk, CONTENT_RANDOM);
	make_repository(scene);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	for (int i = 0; i < NR_POINTS; i++)
		model_destroy(scene->models[i]);
	tmc_doom_clear(&scene->doom);
	free(scene->doom_data);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

static void path_of(const struct scene *scene, const char *directory, const char *separator,
		    char ret_path[300])
{
	char digits[TMC_ID_TEXT];

	tmc_id_format(&scene->doom.id, digits);
	snprintf(ret_path, 300, "%s/%s%s%s", scene->fixture->path, directory, separator, digits);
}

static bool is_at(const struct scene *scene, const char *directory, const char *separator)
{
	char path[300];
	size_t bytes;
	uint8_t *data;
	bool same;

	path_of(scene, directory, separator, path);
	if (access(path, F_OK))
		return false;
	data = read_file(path, &bytes);
	same = bytes == scene->doom_bytes && !memcmp(data, scene->doom_data, bytes);
	free(data);
	return same;
}

static void damage_doom(const struct scene *scene)
{
	char path[300];

	path_of(scene, "doom", "/", path);
	write_file(path, scene->doom_data, scene->doom_bytes);
}

static char told[4096];

static void take_text(void *context, const char *text)
{
	snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s\n", text);
}

static int run_repair(struct scene *scene, bool apply, struct tmc_repair_result *ret_result)
{
	const struct tmc_repair_options options = {
		.apply = apply, .nr_workers = 1, .say = take_text,
	};
	struct tmc_repo *repo = open_repo(scene);
	int ret;

	told[0] = '\0';
	ret = tmc_repair(repo, &options, ret_result);
	tmc_repo_close(repo);
	return ret;
}

static void assert_usable(struct scene *scene, unsigned int nr_points)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_point point;

	assert_verified(repo, nr_points);
	if (nr_points == NR_POINTS)
		assert_point_equals(repo, &scene->points[OLD], scene->models[OLD]);
	assert_point_equals(repo, &scene->points[SHARED], scene->models[SHARED]);
	assert_success(model_backup(repo, scene->models[SHARED], NULL, NULL, 3, &point));
	assert_int_equal(point.stored_bytes, 0);
	assert_true(point.generation > scene->points[SHARED].generation);
	tmc_repo_close(repo);
}

static void a_damaged_doom_keeps_all_from_writing_until_it_is_put_aside(void **state)
{
	struct scene *scene = *state;
	struct tmc_verify_result verified;
	struct tmc_repair_result result;
	struct tmc_point point;
	struct tmc_repo *repo;

	damage_doom(scene);
	repo = open_repo(scene);
	assert_int_equal(tmc_verify(repo, NULL, 1, NULL, NULL, NULL, &verified), -EBADMSG);
	assert_int_equal(verified.damaged_objects, 1);
	assert_int_equal(verified.damaged_points, 0);
	assert_int_equal(model_backup(repo, scene->models[OLD], NULL, NULL, 3, &point), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "tidemark repair --apply"));
	tmc_repo_close(repo);
	assert_int_equal(run_repair(scene, false, &result), -EBADMSG);
	assert_int_equal(result.damaged_dooms, 1);
	assert_int_equal(result.put_aside, 0);
	assert_non_null(strstr(told, "/doom/"));
	assert_true(is_at(scene, "doom", "/"));
	assert_success(run_repair(scene, true, &result));
	assert_int_equal(result.damaged_dooms, 1);
	assert_int_equal(result.put_aside, 1);
	assert_false(is_at(scene, "doom", "/"));
	assert_true(is_at(scene, "aside", "/doom-"));
	assert_usable(scene, NR_POINTS);
	assert_success(run_repair(scene, false, &result));
	assert_int_equal(result.damaged_dooms, 0);
}

/* The doom that cannot be read is asked whether it lists the point. */
static void damage_of_a_point_is_told_beside_that_of_a_doom(void **state)
{
	struct scene *scene = *state;
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_verify_result result;
	char path[TMC_STORE_TEXT];

	damage_doom(scene);
	tmc_store_describe(repo->store, TMC_STORE_POINT, &scene->points[SHARED].id, path);
	write_file(path, "damaged", 7);
	told[0] = '\0';
	assert_int_equal(tmc_verify(repo, NULL, 1, take_text, NULL, NULL, &result), -EBADMSG);
	assert_int_equal(result.damaged_points, 1);
	assert_int_equal(result.damaged_objects, 2);
	strcat(path, " is damaged");
	assert_non_null(strstr(told, path));
	tmc_repo_close(repo);
}

/* Who is there may be sweeping it: what others took from its packs then would go. */
static void nothing_goes_aside_while_somebody_else_is_there(void **state)
{
	struct scene *scene = *state;
	struct tmc_repo *other = open_repo(scene);
	struct tmc_repair_result result;

	assert_success(tmc_repo_enter(other, "backup"));
	damage_doom(scene);
	assert_int_equal(run_repair(scene, true, &result), -EBUSY);
	assert_non_null(strstr(tmc_error_text(), "\"backup\""));
	assert_true(is_at(scene, "doom", "/"));
	assert_int_equal(result.put_aside, 0);
	tmc_repo_close(other);
	assert_success(run_repair(scene, true, &result));
	assert_true(is_at(scene, "aside", "/doom-"));
}

/* Points go first, then indexes, then packs. */
static void sweep_up_to(struct scene *scene, int nr_kinds)
{
	static const enum tmc_store_kind kinds[] = {
		TMC_STORE_POINT, TMC_STORE_INDEX, TMC_STORE_PACK,
	};
	const struct tmc_id_list *lists[] = {
		&scene->doom.points, &scene->doom.indexes, &scene->doom.packs,
	};
	struct tmc_repo *repo = open_repo(scene);

	for (int i = 0; i < nr_kinds; i++)
		for (size_t n = 0; n < lists[i]->nr; n++)
			assert_success(tmc_store_remove(repo->store, kinds[i], &lists[i]->ids[n]));
	tmc_repo_close(repo);
}

static void a_doom_whose_sweep_was_cut_short_anywhere_is_put_aside(void **state)
{
	struct scene *scene = *state;

	for (int nr_kinds = 0; nr_kinds <= 3; nr_kinds++) {
		struct tmc_repair_result result;

		remove_tree(scene->fixture->path);
		make_repository(scene);
		sweep_up_to(scene, nr_kinds);
		damage_doom(scene);
		assert_success(run_repair(scene, true, &result));
		assert_int_equal(result.damaged_dooms, 1);
		assert_int_equal(result.lost_bytes + result.lost_points, 0);
		assert_usable(scene, nr_kinds ? NR_POINTS - 1 : NR_POINTS);
	}
}

static uint64_t generation_of(struct scene *scene)
{
	struct tmc_repo *repo = open_repo(scene);
	uint64_t generation;

	assert_success(tmc_generation_get(repo, &generation));
	tmc_repo_close(repo);
	return generation;
}

/* The doom had the highest: nothing but the ledger tells that it was reached. */
static void the_generation_does_not_fall(void **state)
{
	struct scene *scene = *state;
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_repair_result result;

	tmc_doom_clear(&scene->doom);
	scene->doom.generation = scene->points[SHARED].generation + 1;
	assert_success(tmc_doom_store(repo->store, repo->keys, &scene->doom));
	tmc_repo_close(repo);
	assert_int_equal(generation_of(scene), scene->doom.generation);
	scene->doom_bytes = 7; /* cut off */
	damage_doom(scene);
	assert_success(run_repair(scene, true, &result));
	assert_true(generation_of(scene) >= scene->doom.generation);
}

/* Killed at each call that changes something: the next repair does the rest. */
static void a_repair_that_is_killed_anywhere_is_finished_by_the_next(void **state)
{
	const struct tmc_session_times times = tmc_session_times;
	struct scene *scene = *state;
	struct tmc_repair_result result;
	bool fired = true;
	unsigned int at;

	for (at = 1; fired; at++) {
		remove_tree(scene->fixture->path);
		make_repository(scene);
		damage_doom(scene);
		faults_arm(FAULT_KILL, at);
		run_repair(scene, true, &result);
		fired = faults_fired();
		faults_disarm();
		assert_true(is_at(scene, "doom", "/") || is_at(scene, "aside", "/doom-"));
		tmc_session_times.dead_ns = 1; /* some did not live to say who they are */
		assert_success(run_repair(scene, true, &result));
		tmc_session_times = times;
		assert_true(is_at(scene, "aside", "/doom-"));
		assert_true(generation_of(scene) >= scene->points[SHARED].generation);
		assert_usable(scene, NR_POINTS);
	}
	assert_true(at > 8);
}

/* How far it had come beyond what there is, nobody knows any more. */
/* Its doom's sweep may have asked already which points there are. */
static void a_point_does_not_come_back_upon_what_is_doomed(void **state)
{
	struct scene *scene = *state;
	struct tmc_repair_options options = { .apply = true };
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_repair_result result;

	assert_success(tmc_store_put_aside(repo->store, TMC_STORE_POINT, &scene->points[OLD].id));
	assert_success(tmc_repair(repo, &options, &result));
	assert_int_equal(result.returned_points, 0);
	assert_success(tmc_store_remove(repo->store, TMC_STORE_DOOM, &scene->doom.id));
	tmc_repo_close(repo);
	repo = open_repo(scene);
	assert_success(tmc_repair(repo, &options, &result));
	assert_int_equal(result.returned_points, 1);
	assert_point_equals(repo, &scene->points[OLD], scene->models[OLD]);
	tmc_repo_close(repo);
}

static void a_damaged_ledger_is_put_aside(void **state)
{
	struct scene *scene = *state;
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_repair_result result;
	struct file_list files;
	uint64_t generation;
	uint8_t *data;
	size_t bytes;

	assert_success(tmc_generation_keep(repo, 1000));
	list_files(scene->fixture, "ledger", &files);
	assert_int_equal(files.nr, 1);
	data = read_file(files.paths[0], &bytes);
	data[bytes - 1] ^= 1;
	write_file(files.paths[0], data, bytes);
	free(data);
	assert_int_equal(tmc_generation_get(repo, &generation), -EBADMSG);
	tmc_repo_close(repo);
	assert_int_equal(run_repair(scene, false, &result), -EBADMSG);
	assert_int_equal(result.damaged_ledgers, 1);
	assert_success(run_repair(scene, true, &result));
	assert_int_equal(result.put_aside, 1);
	assert_int_equal(count_files(scene->fixture, "aside"), 1);
	assert_int_equal(generation_of(scene), scene->points[SHARED].generation + 1);
	repo = open_repo(scene);
	assert_success(model_backup(repo, scene->models[OLD], NULL, NULL, 3, &scene->points[OLD]));
	assert_point_equals(repo, &scene->points[OLD], scene->models[OLD]);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_damaged_doom_keeps_all_from_writing_until_it_is_put_aside),
		T(damage_of_a_point_is_told_beside_that_of_a_doom),
		T(nothing_goes_aside_while_somebody_else_is_there),
		T(a_doom_whose_sweep_was_cut_short_anywhere_is_put_aside),
		T(the_generation_does_not_fall),
		T(a_repair_that_is_killed_anywhere_is_finished_by_the_next),
		T(a_point_does_not_come_back_upon_what_is_doomed),
		T(a_damaged_ledger_is_put_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
