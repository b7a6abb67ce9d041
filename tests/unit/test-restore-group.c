// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Points of one cut, found by the name of their group or by one of them, and restored as one:
 * all of the same cut, to the places that were given, or nothing.
 */
#include "repo_fixture.h"

#include "common/failure.h"
#include "restore/group.h"
#include "restore/group_restore.h"

#define NR_CUTS 3
#define ID      "0123456789abcdef0123456789abcde"

static const char *const volumes[] = {"data", "log"};

/* Cuts over both volumes, the oldest first: two of the group "db", one that has no name. */
struct scene {
	struct fixture *fixture;
	struct tmc_repo *repo;
	char directory[64]; /* not below /dev, where no new file is made */
	struct model *models[NR_CUTS][2];
	struct tmc_point points[NR_CUTS][2];
	struct group_request request;
	struct group_result result;
	char *places[2];
	char notice[512];
};

static struct scene *the_scene;

static void note(const char *text)
{
	snprintf(the_scene->notice, sizeof(the_scene->notice), "%s", text);
}

static void back_up(struct scene *scene, const char *volume_name, const char *group,
		    const struct model *model, uint64_t cut_time_ns, struct tmc_point *ret_point)
{
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup *backup;

	snprintf(volume.name, sizeof(volume.name), "%s", volume_name);
	snprintf(volume.volume_id, sizeof(volume.volume_id), "id of %.100s", volume_name);
	assert_success(tmc_backup_begin(scene->repo, &volume, NULL, 2, &backup));
	tmc_backup_set_group(backup, group);
	put_range(backup, model, 0, model->nr_chunks, NULL);
	assert_success(tmc_backup_commit(backup, cut_time_ns, model->bytes, ret_point));
}

static void make_cut(struct scene *scene, int cut, const char *group)
{
	for (int i = 0; i < 2; i++) {
		scene->models[cut][i] = model_mixed((uint64_t)(20 + 7 * i) * 4096 + 512, 4096);
		model_fill(scene->models[cut][i], (uint64_t)(cut + i), CONTENT_RANDOM);
		back_up(scene, volumes[i], group, scene->models[cut][i], (uint64_t)(cut + 1) * 100,
			&scene->points[cut][i]);
	}
}

static int set_up(void **state)
{
	struct scene *scene = the_scene = calloc(1, sizeof(*scene));

	if (fixture_setup((void **)&scene->fixture) < 0)
		return -1;
	*state = scene;
	scene->repo = make_repo(scene->fixture->path, 4096);
	make_cut(scene, 0, ID "1-2-db");
	make_cut(scene, 1, ID "2-2-db");
	make_cut(scene, 2, ID "3-2");
	snprintf(scene->directory, sizeof(scene->directory), "/tmp/tidemark-unit.XXXXXX");
	assert_non_null(mkdtemp(scene->directory));
	scene->request = (struct group_request){
		.group = "db",
		.places = scene->places,
		.nr_places = 1,
		.each = {.repository = scene->fixture->path, .force = TARGET_CAREFUL},
		.notice = note,
	};
	scene->places[0] = strdup(scene->directory);
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	group_result_clear(&scene->result);
	for (int cut = 0; cut < NR_CUTS; cut++)
		for (int i = 0; i < 2; i++)
			model_destroy(scene->models[cut][i]);
	free(scene->places[0]);
	free(scene->places[1]);
	tmc_repo_close(scene->repo);
	remove_tree(scene->directory);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

static int restore(struct scene *scene)
{
	group_result_clear(&scene->result);
	return group_restore_run(&scene->request, &scene->result);
}

#define assert_restored(scene)                                                  \
	do {                                                                    \
		int restored_ = restore(scene);                                 \
		if (restored_ < 0)                                              \
			fail_msg("restore: %d, %s", restored_, failure_text()); \
	} while (0)

#define assert_refused(scene, error, text)                                      \
	do {                                                                    \
		assert_int_equal(restore(scene), error);                        \
		if (!strstr(failure_text(), text))                              \
			fail_msg("does not say \"%s\": %s", text, failure_text()); \
	} while (0)

/* VOLUME=NAME, NAME in the scene's directory. */
static void give_place(struct scene *scene, int nth, const char *volume, const char *name)
{
	free(scene->places[nth]);
	if (asprintf(&scene->places[nth], "%s=%s/%s", volume, scene->directory, name) < 0)
		fail();
	scene->request.nr_places = (size_t)nth + 1;
}

static void path_of(const struct scene *scene, const char *name, char ret_path[256])
{
	snprintf(ret_path, 256, "%s/%s", scene->directory, name);
}

static void assert_file_holds(const struct scene *scene, const char *name, int cut, int volume)
{
	const struct model *model = scene->models[cut][volume];
	char path[256];
	size_t bytes;
	uint8_t *data;

	path_of(scene, name, path);
	data = read_file(path, &bytes);
	assert_int_equal(bytes, model->bytes);
	assert_memory_equal(data, model->data, bytes);
	assert_int_equal(remove(path), 0);
	free(data);
}

static void assert_no_file(const struct scene *scene, const char *name)
{
	char path[256];

	path_of(scene, name, path);
	assert_int_equal(access(path, F_OK), -1);
}

static void assert_both_hold(const struct scene *scene, int cut)
{
	assert_file_holds(scene, "data.img", cut, 0);
	assert_file_holds(scene, "log.img", cut, 1);
}

static const char *by_point(struct scene *scene, const char *name, int cut, int volume)
{
	static char text[TMC_ID_TEXT + 32];
	char id[TMC_ID_TEXT];

	tmc_id_format(&scene->points[cut][volume].id, id);
	snprintf(text, sizeof(text), "%s@%.12s", name, id);
	return text;
}

/* ------------------------------------------------------------------- which cut */

static void a_name_means_the_latest_cut_of_the_group(void **state)
{
	struct scene *scene = *state;

	assert_restored(scene);
	assert_both_hold(scene, 1);
	assert_string_equal(scene->notice, "");
	assert_int_equal(scene->result.nr, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(scene->result.members[i].result.stage, RESTORE_COMPLETE);
}

static void a_point_means_the_cut_that_it_is_of(void **state)
{
	struct scene *scene = *state;

	for (int i = 0; i < 2; i++) {
		scene->request.group = by_point(scene, "db", 0, i);
		assert_restored(scene);
		assert_both_hold(scene, 0);
		scene->request.group = by_point(scene, "", 2, i);
		assert_restored(scene);
		assert_both_hold(scene, 2);
	}
	scene->request.group = by_point(scene, "db", 2, 0);
	assert_refused(scene, -ENOENT, "is not of the group db");
	scene->request.group = by_point(scene, "d", 0, 0);
	assert_refused(scene, -ENOENT, "is not of the group d");
}

/* Whatever was made in between. */
static void a_cut_that_lacks_a_point_is_passed_over_and_that_is_said(void **state)
{
	struct scene *scene = *state;
	struct tmc_point lone;

	back_up(scene, "data", ID "4-2-db", scene->models[2][0], 900, &lone);
	assert_restored(scene);
	assert_both_hold(scene, 1);
	assert_non_null(strstr(scene->notice, "over 2 volumes, and has points of these alone: data"));
	assert_success(tmc_forget(scene->repo, &scene->points[1][1].id, 1));
	assert_restored(scene);
	assert_both_hold(scene, 0);
	scene->request.group = by_point(scene, "db", 1, 0);
	assert_refused(scene, -ENOENT, "points of these alone: data; restore those one by one");
	assert_success(tmc_forget(scene->repo, &scene->points[0][0].id, 1));
	scene->request.group = "db";
	assert_refused(scene, -ENOENT, "no cut of the group db is complete");
	assert_no_file(scene, "log.img");
}

static void what_is_no_group_is_refused(void **state)
{
	struct scene *scene = *state;
	struct tmc_point single;

	scene->request.group = "dbs";
	assert_refused(scene, -ENOENT, "no cut of a group dbs");
	scene->request.group = "";
	assert_refused(scene, -ENOENT, "no cut of a group");
	scene->request.group = "db@x";
	assert_refused(scene, -EINVAL, "names no restore point");
	scene->request.group = "db@0000000000";
	assert_refused(scene, -ENOENT, "no restore point 0000000000");
	back_up(scene, "alone", "", scene->models[0][0], 950, &single);
	scene->request.group = "@latest";
	assert_refused(scene, -ENOENT, "is of the volume alone alone; restore it without --group");
	back_up(scene, "odd", "db", scene->models[0][0], 960, &single);
	assert_refused(scene, -ENOENT, "points of these alone: odd");
}

static void a_name_may_have_any_sign(void **state)
{
	struct scene *scene = *state;
	struct tmc_point point;

	back_up(scene, "data", ID "5-1-my-db@home", scene->models[0][0], 1000, &point);
	scene->request.group = "my-db@home";
	assert_restored(scene);
	assert_file_holds(scene, "data.img", 0, 0);
}

/* ----------------------------------------------------------------------- places */

static void each_volume_goes_to_its_place(void **state)
{
	struct scene *scene = *state;

	give_place(scene, 0, "log", "first");
	give_place(scene, 1, "data", "second");
	assert_restored(scene);
	assert_file_holds(scene, "first", 1, 1);
	assert_file_holds(scene, "second", 1, 0);
}

static void places_that_cannot_be_are_refused(void **state)
{
	struct scene *scene = *state;
	char path[256];

	give_place(scene, 0, "data", "a");
	assert_refused(scene, -EINVAL, "the group has a volume log");
	give_place(scene, 1, "data", "b");
	assert_refused(scene, -EINVAL, "the volume data is given two places");
	give_place(scene, 1, "logs", "b");
	assert_refused(scene, -EINVAL, "is neither a directory nor VOLUME=TARGET");
	give_place(scene, 1, "log", "a");
	assert_refused(scene, -EINVAL, "is given to two volumes");
	give_place(scene, 1, "log", "./a");
	assert_refused(scene, -EINVAL, "is given to two volumes");
	path_of(scene, "link", path);
	assert_int_equal(symlink("a", path), 0);
	path_of(scene, "a", path);
	write_file(path, "", 0);
	give_place(scene, 1, "log", "link");
	assert_refused(scene, -EINVAL, "is given to two volumes");
	scene->places[1] = (free(scene->places[1]), strdup("log=-"));
	assert_refused(scene, -EINVAL, "give a device or a file");
	assert_int_equal(remove(path), 0);
}

/* A repository that somebody else has made says what it likes. */
static void a_volume_leads_to_no_other_directory(void **state)
{
	struct scene *scene = *state;
	struct tmc_point point;

	back_up(scene, "../out", ID "6-1-evil", scene->models[0][0], 1000, &point);
	scene->request.group = "evil";
	assert_refused(scene, -EINVAL, "no file can be named after the volume \"../out\"");
}

/* --------------------------------------------------------------- all or nothing */

static void where_one_is_refused_none_is_touched(void **state)
{
	struct scene *scene = *state;
	char path[256];

	path_of(scene, "log.img", path);
	write_file(path, "mine", 4);
	assert_refused(scene, -ETXTBSY, "is not empty");
	assert_no_file(scene, "data.img");
	assert_int_equal(scene->result.members[0].result.stage, RESTORE_NOT_BEGUN);
	assert_int_equal(remove(path), 0);
	path_of(scene, "data.img", path);
	write_file(path, "mine", 4);
	scene->request.each.force = TARGET_FORCE;
	give_place(scene, 0, "data", "data.img");
	give_place(scene, 1, "log", "none/log.img");
	assert_refused(scene, -ENOENT, "no such directory");
	scene->models[2][0]->bytes = 4;
	memcpy(scene->models[2][0]->data, "mine", 4);
	assert_file_holds(scene, "data.img", 2, 0);
}

static void a_dry_run_says_it_of_all_and_writes_nothing(void **state)
{
	struct scene *scene = *state;

	scene->request.each.dry_run = true;
	assert_restored(scene);
	for (int i = 0; i < 2; i++)
		assert_true(tally_bytes(&scene->result.members[i].result.tally, TALLY_WRITTEN) > 0);
	assert_no_file(scene, "data.img");
	assert_no_file(scene, "log.img");
}

static void in_place_only_what_differs_is_written(void **state)
{
	struct scene *scene = *state;

	assert_restored(scene);
	scene->request.group = by_point(scene, "db", 0, 0);
	scene->request.each.force = TARGET_FORCE;
	scene->request.each.method = RESTORE_DELTA;
	assert_restored(scene);
	for (int i = 0; i < 2; i++)
		assert_true(tally_bytes(&scene->result.members[i].result.tally, TALLY_SAME) > 0);
	assert_both_hold(scene, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_means_the_latest_cut_of_the_group),
		TEST(a_point_means_the_cut_that_it_is_of),
		TEST(a_cut_that_lacks_a_point_is_passed_over_and_that_is_said),
		TEST(what_is_no_group_is_refused),
		TEST(a_name_may_have_any_sign),
		TEST(each_volume_goes_to_its_place),
		TEST(places_that_cannot_be_are_refused),
		TEST(a_volume_leads_to_no_other_directory),
		TEST(where_one_is_refused_none_is_touched),
		TEST(a_dry_run_says_it_of_all_and_writes_nothing),
		TEST(in_place_only_what_differs_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
