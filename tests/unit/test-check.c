// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * How much each level of a check finds, and how much it reads for that.
 */
#include "repo_fixture.h"

#define CHUNK   4096u
#define NR_PACKS 20

struct scene {
	struct fixture *fixture;
	struct tmc_repo *repo;
	struct file_list packs, indexes;
	unsigned int nr_notes;
	char note[512];
};

/* Each backup makes a pack and an index of its own. */
static int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct model *model = model_create(100 * CHUNK, CHUNK);

	if (fixture_setup((void **)&scene->fixture))
		return -1;
	scene->repo = make_repo(scene->fixture->path, CHUNK);
	for (int i = 0; i < NR_PACKS; i++) {
		struct tmc_point point;

		for (uint64_t chunk = 0; chunk < 20; chunk++)
			model_fill(model, (uint64_t)i + chunk, CONTENT_RANDOM);
		assert_success(model_backup(scene->repo, model, NULL, NULL, (uint64_t)i + 1, &point));
	}
	model_destroy(model);
	list_files(scene->fixture, "packs", &scene->packs);
	list_files(scene->fixture, "index", &scene->indexes);
	assert_int_equal(scene->packs.nr, NR_PACKS);
	*state = scene;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;

	tmc_repo_close(scene->repo);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

static void take_note(void *context, const char *text)
{
	struct scene *scene = context;

	scene->nr_notes++;
	snprintf(scene->note, sizeof(scene->note), "%s", text);
}

static struct tmc_verify_result check(struct scene *scene, enum tmc_check_level level, uint32_t ppm,
				      uint64_t seed, int wanted)
{
	const struct tmc_check_options options = {
		.level = level,
		.sample_ppm = ppm,
		.seed = seed,
		.nr_workers = 2,
		.note = take_note,
		.context = scene,
	};
	struct tmc_verify_result result;
	struct tmc_repo *repo; /* a new one: the other has packs open */
	int ret;

	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	scene->nr_notes = 0;
	ret = tmc_check(repo, &options, &result);
	if (ret != wanted)
		fail_msg("%d instead of %d: %s", ret, wanted, tmc_error_text());
	tmc_repo_close(repo);
	return result;
}

static void flip(const char *path, long offset)
{
	FILE *file = fopen(path, "r+");
	int byte;

	assert_non_null(file);
	assert_int_equal(fseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET), 0);
	byte = fgetc(file);
	assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
	fputc(byte ^ 1, file);
	assert_int_equal(fclose(file), 0);
}

static void the_structure_is_checked_without_reading_chunks(void **state)
{
	struct scene *scene = *state;
	struct tmc_verify_result all = check(scene, TMC_CHECK_EVERY_BYTE, 0, 0, 0);
	struct tmc_verify_result part = check(scene, TMC_CHECK_STRUCTURE, 0, 0, 0);

	assert_int_equal(part.points, NR_PACKS);
	assert_int_equal(part.packs, NR_PACKS);
	assert_int_equal(part.pack_bytes, all.pack_bytes);
	assert_in_range(part.read_bytes, 1, all.read_bytes * 3 / 4);
	assert_int_equal(part.seed, 0);
	flip(scene->packs.paths[0], 128 + 48 + 100); /* in the first chunk's content */
	check(scene, TMC_CHECK_STRUCTURE, 0, 0, 0);
	all = check(scene, TMC_CHECK_EVERY_BYTE, 0, 0, -EBADMSG);
	assert_int_equal(all.damaged_objects, 1);
}

static void the_structure_finds_damage_to_every_kind_of_object(void **state)
{
	struct scene *scene = *state;
	struct file_list *points = malloc(sizeof(*points));
	const struct {
		const char *path;
		long offset;
	} damages[] = {
		{ scene->packs.paths[3], 30 },         /* header */
		{ scene->packs.paths[3], -30 },        /* trailer */
		{ scene->packs.paths[3], -64 - 10 },   /* footer */
		{ scene->indexes.paths[2], 4096 + 5 },
		{ scene->indexes.paths[2], -4096 + 40 },
		{ NULL, 200 },
	};

	list_files(scene->fixture, "points", points);
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		const char *path = damages[i].path ? damages[i].path : points->paths[1];

		flip(path, damages[i].offset);
		assert_true(check(scene, TMC_CHECK_STRUCTURE, 0, 0, -EBADMSG).damaged_objects > 0);
		flip(path, damages[i].offset);
	}
	check(scene, TMC_CHECK_STRUCTURE, 0, 0, 0);
	free(points);
}

/* Nodes are the last blobs of a pack: the root stands right before the footer. */
static void the_structure_reads_every_tree_node(void **state)
{
	struct scene *scene = *state;
	size_t bytes;
	uint8_t *data = read_file(scene->packs.paths[5], &bytes);
	uint64_t footer = 0;

	for (int i = 7; i >= 0; i--)
		footer = footer << 8 | data[bytes - 56 + (size_t)i];
	free(data);
	flip(scene->packs.paths[5], (long)footer - 1);
	assert_int_equal(check(scene, TMC_CHECK_STRUCTURE, 0, 0, -EBADMSG).damaged_objects, 1);
}

static void a_sample_reads_what_its_seed_says(void **state)
{
	struct scene *scene = *state;
	struct tmc_verify_result none = check(scene, TMC_CHECK_STRUCTURE, 0, 0, 0);
	struct tmc_verify_result first = check(scene, TMC_CHECK_SAMPLE, 250000, 0, 0);
	struct tmc_verify_result again = check(scene, TMC_CHECK_SAMPLE, 250000, first.seed, 0);
	unsigned int nr_found = 0;

	assert_true(first.seed);
	assert_in_range(first.sampled_packs, NR_PACKS / 5, NR_PACKS / 3);
	assert_true(first.read_bytes > none.read_bytes);
	assert_int_equal(again.read_bytes, first.read_bytes);
	assert_int_equal(again.seed, first.seed);
	flip(scene->packs.paths[7], 128 + 48 + 100);
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct tmc_check_options options = {
			.level = TMC_CHECK_SAMPLE, .sample_ppm = 250000, .seed = seed,
		};
		struct tmc_verify_result result;
		int ret[2];

		for (int i = 0; i < 2; i++)
			ret[i] = tmc_check(scene->repo, &options, &result);
		assert_int_equal(ret[0], ret[1]);
		nr_found += ret[0] == -EBADMSG;
	}
	assert_in_range(nr_found, 10, 50); /* of 100, a bit more than a quarter each */
	check(scene, TMC_CHECK_SAMPLE, 1000000, 0, -EBADMSG);
}

static void a_sample_has_one_size(void **state)
{
	struct scene *scene = *state;
	struct tmc_check_options options = { .level = TMC_CHECK_SAMPLE };
	struct tmc_verify_result result;

	assert_int_equal(tmc_check(scene->repo, &options, &result), -EINVAL);
	options.sample_bytes = 1;
	assert_int_equal(tmc_check(scene->repo, &options, &result), 0);
	assert_int_equal(result.sampled_packs, 1);
	options.sample_ppm = 1;
	assert_int_equal(tmc_check(scene->repo, &options, &result), -EINVAL);
}

static void packs_of_no_index_are_a_note_and_missing_ones_are_damage(void **state)
{
	struct scene *scene = *state;
	struct tmc_verify_result result;
	char aside[128];

	check(scene, TMC_CHECK_STRUCTURE, 0, 0, 0);
	assert_int_equal(scene->nr_notes, 0);
	snprintf(aside, sizeof(aside), "%s/aside", scene->fixture->directory);
	assert_int_equal(rename(scene->packs.paths[0], aside), 0);
	result = check(scene, TMC_CHECK_STRUCTURE, 0, 0, -EBADMSG);
	assert_int_equal(result.damaged_objects, 1);
	assert_true(result.damaged_points > 0);
	assert_int_equal(rename(aside, scene->packs.paths[0]), 0);
	/* The last point alone needs its index: without that the pack is an orphan. */
	assert_int_equal(rename(scene->indexes.paths[0], aside), 0);
	result = check(scene, TMC_CHECK_STRUCTURE, 0, 0, -EBADMSG);
	assert_int_equal(scene->nr_notes, 1);
	assert_int_equal(result.orphan_packs, 1);
	assert_int_equal(result.damaged_objects, 0);
	assert_non_null(strstr(scene->note, "in no index"));
	assert_int_equal(rename(aside, scene->indexes.paths[0]), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(the_structure_is_checked_without_reading_chunks),
		T(the_structure_finds_damage_to_every_kind_of_object),
		T(the_structure_reads_every_tree_node),
		T(a_sample_reads_what_its_seed_says),
		T(a_sample_has_one_size),
		T(packs_of_no_index_are_a_note_and_missing_ones_are_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
