// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Verification beside a prune that removes what it has given up, at each step that the
 * store can tell: nothing of that is called damage, and what is damage still is.
 */
#include "repo_fixture.h"

#include "catalog/doom.h"
#include "catalog/generation.h"
#include "catalog/repo.h"

#define CHUNK     4096u
#define NR_CHUNKS 1100u /* two levels and a half */

enum what {
	GIVE_UP = 1,  /* seal a doom of the first point and all that came with it */
	COPY = 2,     /* what the others need of it has another place */
	SWEEP = 4,    /* remove what it lists */
	END = 8,      /* and the doom */
};

static struct model *models[2];

static struct {
	struct fixture *fixture;
	struct tmc_point points[2]; /* the second shares most of the first's chunks */
	struct tmc_doom doom;

	unsigned int what, at, nr; /* the at-th step does it */
	bool acts;
} scene;

static void list_into(struct tmc_repo *repo, enum tmc_store_kind kind, struct tmc_id_list *list)
{
	assert_success(tmc_store_list(repo->store, kind, &list->ids, &list->nr));
}

static int make_models(void **state)
{
	for (int i = 0; i < 2; i++)
		models[i] = model_mixed(NR_CHUNKS * CHUNK, CHUNK);
	for (uint64_t chunk = 500; chunk < 510; chunk++)
		model_fill(models[1], chunk, CONTENT_RANDOM);
	return 0;
}

static int destroy_models(void **state)
{
	for (int i = 0; i < 2; i++)
		model_destroy(models[i]);
	return 0;
}

static int setup(void **state)
{
	struct tmc_repo *repo;

	memset(&scene, 0, sizeof(scene));
	if (fixture_setup((void **)&scene.fixture))
		return -1;
	repo = make_repo(scene.fixture->path, CHUNK);
	assert_success(model_backup(repo, models[0], NULL, NULL, 1, &scene.points[0]));
	list_into(repo, TMC_STORE_POINT, &scene.doom.points);
	list_into(repo, TMC_STORE_INDEX, &scene.doom.indexes);
	list_into(repo, TMC_STORE_PACK, &scene.doom.packs);
	assert_success(model_backup(repo, models[1], NULL, NULL, 2, &scene.points[1]));
	tmc_repo_close(repo);
	return 0;
}

static int teardown(void **state)
{
	tmc_doom_clear(&scene.doom);
	return fixture_teardown((void **)&scene.fixture);
}

/* ----------------------------------------------------------------------- prune */

static void remove_list(struct tmc_repo *repo, enum tmc_store_kind kind,
			const struct tmc_id_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		assert_success(tmc_store_remove(repo->store, kind, &list->ids[i]));
}

/* A backup that avoids the doom stores anew what a prune would copy. */
static void act(unsigned int what)
{
	struct tmc_point point;
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(scene.fixture->path, &repo));
	if (what & GIVE_UP) {
		assert_success(tmc_generation_get(repo, &scene.doom.generation));
		scene.doom.generation++;
		assert_success(tmc_doom_store(repo->store, repo->keys, &scene.doom));
	}
	if (what & COPY) {
		assert_success(model_backup(repo, models[1], NULL, NULL, 3, &point));
		assert_success(tmc_store_remove(repo->store, TMC_STORE_POINT, &point.id));
	}
	if (what & SWEEP) {
		remove_list(repo, TMC_STORE_POINT, &scene.doom.points);
		remove_list(repo, TMC_STORE_INDEX, &scene.doom.indexes);
		remove_list(repo, TMC_STORE_PACK, &scene.doom.packs);
	}
	if (what & END)
		assert_success(tmc_store_remove(repo->store, TMC_STORE_DOOM, &scene.doom.id));
	tmc_repo_close(repo);
}

static void step(void)
{
	if (scene.acts || ++scene.nr != scene.at)
		return;
	scene.acts = true;
	act(scene.what);
	scene.acts = false;
}

static void before_call(enum tmc_store_call call, enum tmc_store_kind kind)
{
	step();
}

static int after_list(enum tmc_store_kind kind, struct tmc_id *ids, size_t *nr)
{
	step();
	return 0;
}

static char told[2048];

static void take_text(void *context, const char *text)
{
	snprintf(told, sizeof(told), "%s", text);
}

/* Of all points, or one. Returns false once there are fewer steps than that. */
static bool verify_beside(unsigned int what, unsigned int at, const struct tmc_point *point,
			  struct tmc_verify_result *result, int *ret)
{
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(scene.fixture->path, &repo));
	scene.what = what;
	scene.at = at;
	scene.nr = 0;
	tmc_store_hooks.before = before_call;
	tmc_store_hooks.listed = after_list;
	*ret = tmc_verify(repo, point, 1, take_text, NULL, NULL, result);
	memset(&tmc_store_hooks, 0, sizeof(tmc_store_hooks));
	tmc_repo_close(repo);
	return scene.nr >= at;
}

static void start_anew(void **state)
{
	teardown(state);
	assert_int_equal(setup(state), 0);
}

/* before: what has happened when it begins; then at each step what a prune does next. */
static void expect_no_damage(void **state, unsigned int before, unsigned int what, bool whole)
{
	struct tmc_verify_result result;
	unsigned int at = 0;
	int ret;

	do {
		start_anew(state);
		act(before);
		if (!verify_beside(what, ++at, whole ? NULL : &scene.points[1], &result, &ret))
			break;
		if (ret < 0)
			fail_msg("step %u: %s", at, told);
		assert_int_equal(result.damaged_objects + result.damaged_points, 0);
		assert_in_range(result.points, 1, 2);
	} while (true);
	assert_int_equal(ret, 0);
	assert_true(at > 6);
}

static void a_sweep_of_an_old_doom_is_no_damage(void **state)
{
	expect_no_damage(state, GIVE_UP | COPY, SWEEP, true);
	expect_no_damage(state, GIVE_UP | COPY, SWEEP | END, true);
	expect_no_damage(state, GIVE_UP | COPY, SWEEP | END, false);
}

/* As somebody meets it who has no session, on a medium that he may only read. */
static void a_prune_from_begin_to_end_is_no_damage(void **state)
{
	expect_no_damage(state, 0, GIVE_UP | COPY | SWEEP, true);
	expect_no_damage(state, 0, GIVE_UP | COPY | SWEEP | END, true);
	expect_no_damage(state, 0, GIVE_UP | COPY | SWEEP | END, false);
}

static void a_doomed_point_is_not_verified(void **state)
{
	struct tmc_verify_result result;
	int ret;

	act(GIVE_UP);
	verify_beside(0, 0, NULL, &result, &ret);
	assert_int_equal(ret, 0);
	assert_int_equal(result.points, 1);
	act(SWEEP); /* what the other point needs of it is lost */
	verify_beside(0, 0, NULL, &result, &ret);
	assert_int_equal(ret, -EBADMSG);
	assert_int_equal(result.damaged_points, 1);
}

static void a_point_that_goes_is_one_error(void **state)
{
	struct tmc_verify_result result;
	int ret;

	act(GIVE_UP | COPY | SWEEP);
	verify_beside(0, 0, &scene.points[0], &result, &ret);
	assert_int_equal(ret, -ENOENT);
	assert_non_null(strstr(tmc_error_text(), "given up"));
}

/* A doom is no excuse for what is needed and has no other place, its absence none at all. */
static void what_is_lost_is_damage_whenever_it_goes(void **state)
{
	for (int doomed = 0; doomed < 2; doomed++) {
		struct tmc_verify_result result;
		unsigned int at = 0, nr_found = 0;
		int ret;

		do {
			start_anew(state);
			act(doomed ? GIVE_UP : 0);
			if (!verify_beside(SWEEP, ++at, NULL, &result, &ret))
				break;
			nr_found += ret == -EBADMSG;
			verify_beside(0, 0, NULL, &result, &ret);
			assert_int_equal(ret, -EBADMSG);
			assert_int_equal(result.damaged_points, 1);
		} while (true);
		assert_true(nr_found >= 4); /* not what goes once it has been read */
	}
}

/* ------------------------------------------------------------------- the remedy */

static void where_an_index_is_damaged_the_remedy_is_said(void **state)
{
	struct tmc_verify_result result;
	struct tmc_index_repair repaired;
	struct tmc_repo *repo;
	char path[TMC_STORE_TEXT];

	for (int whole = 0; whole < 2; whole++) {
		assert_success(tmc_repo_open(scene.fixture->path, &repo));
		write_file(tmc_store_describe(repo->store, TMC_STORE_INDEX, &scene.doom.indexes.ids[0],
					      path), "damaged", 7);
		assert_int_equal(tmc_verify(repo, whole ? NULL : &scene.points[1], 1, take_text, NULL,
					    NULL, &result), -EBADMSG);
		assert_non_null(strstr(told, "chunks are lost"));
		assert_non_null(strstr(told, "repair --index"));
		tmc_repo_close(repo);
		assert_success(tmc_repo_open(scene.fixture->path, &repo));
		assert_success(tmc_repair_index(repo, NULL, NULL, &repaired));
		tmc_repo_close(repo);
		assert_success(tmc_repo_open(scene.fixture->path, &repo));
		assert_verified(repo, 2);
		tmc_repo_close(repo);
		start_anew(state);
	}
	assert_success(tmc_repo_open(scene.fixture->path, &repo));
	assert_success(tmc_store_remove(repo->store, TMC_STORE_INDEX, &scene.doom.indexes.ids[0]));
	assert_int_equal(tmc_verify(repo, NULL, 1, take_text, NULL, NULL, &result), -EBADMSG);
	assert_non_null(strstr(told, "repair --index"));
	tmc_repo_close(repo);
	start_anew(state);
	assert_success(tmc_repo_open(scene.fixture->path, &repo));
	assert_success(tmc_store_remove(repo->store, TMC_STORE_PACK, &scene.doom.packs.ids[0]));
	assert_int_equal(tmc_verify(repo, NULL, 1, take_text, NULL, NULL, &result), -EBADMSG);
	assert_non_null(strstr(told, "chunks are lost"));
	assert_null(strstr(told, "repair --index")); /* it would not help */
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_sweep_of_an_old_doom_is_no_damage),
		T(a_prune_from_begin_to_end_is_no_damage),
		T(a_doomed_point_is_not_verified),
		T(a_point_that_goes_is_one_error),
		T(what_is_lost_is_damage_whenever_it_goes),
		T(where_an_index_is_damaged_the_remedy_is_said),
	};

	return cmocka_run_group_tests(tests, make_models, destroy_models);
}
