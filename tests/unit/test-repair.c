// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Repair after random damage (R12; invariants 1 and 9 of docs/repository.md): what
 * could be read before can be read after, verification finds nothing, what is lost
 * is named exactly, and every byte that was there is still there, if aside.
 * TIDEMARK_TEST_SCALE multiplies the number of trials.
 */
#include "faults.h"
#include "repo_fixture.h"

#include "catalog/blob_read.h"
#include "catalog/point.h"
#include "catalog/repo.h"

#define NR_POINTS 3
#define NR_CHUNKS 70u
#define CHUNK     4096u

struct file {
	char path[300]; /* below the repository */
	uint8_t *data;
	size_t bytes;
};

struct scene {
	struct fixture *fixture;
	struct model *models[NR_POINTS];
	struct tmc_point points[NR_POINTS];
	struct file files[32]; /* as they were made */
	size_t nr_files; /* that may be damaged */
	size_t nr_all;   /* and config and keys behind them */
	uint64_t seed;
	uint8_t readable[NR_POINTS][NR_CHUNKS]; /* before */
	bool loadable[NR_POINTS];
	uint8_t lost[NR_POINTS][NR_CHUNKS]; /* as repair names it */
};

static uint64_t next_random(struct scene *scene)
{
	scene->seed = scene->seed * 6364136223846793005u + 1442695040888963407u;
	return scene->seed >> 20;
}

static void load_files(struct scene *scene, const char *directory)
{
	struct file_list *list = malloc(sizeof(*list));

	list_files(scene->fixture, directory, list);
	for (size_t i = 0; i < list->nr; i++) {
		struct file *file = &scene->files[scene->nr_all++];

		snprintf(file->path, sizeof(file->path), "%s",
			 list->paths[i] + strlen(scene->fixture->path) + 1);
		file->data = read_file(list->paths[i], &file->bytes);
	}
	free(list);
}

/* The second and third point change some; the third is one of zeros and holes besides. */
static int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct tmc_repo *repo;

	if (fixture_setup((void **)&scene->fixture))
		return -1;
	scene->seed = 4711;
	repo = make_repo(scene->fixture->path, CHUNK);
	for (int i = 0; i < NR_POINTS; i++) {
		struct model *model = model_mixed(NR_CHUNKS * CHUNK - 100, CHUNK);

		for (uint64_t chunk = 10; i && chunk < 30; chunk++)
			model_fill(model, chunk, CONTENT_RANDOM);
		if (i == 2) {
			model_fill(model, 40, CONTENT_TEXT);
			model->unreadable[50] = model->unreadable[69] = 1;
			for (uint64_t chunk = 32; chunk < 40; chunk++)
				model_fill(model, chunk, CONTENT_ZERO);
		}
		scene->models[i] = model;
		if (model_backup(repo, model, i ? &scene->points[i - 1] : NULL, NULL,
				 (uint64_t)i + 1, &scene->points[i]))
			return -1;
	}
	tmc_repo_close(repo);
	load_files(scene, "packs");
	load_files(scene, "index");
	load_files(scene, "points");
	scene->nr_files = scene->nr_all;
	load_files(scene, "config");
	load_files(scene, "keys");
	*state = scene;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;

	for (size_t i = 0; i < scene->nr_all; i++)
		free(scene->files[i].data);
	for (int i = 0; i < NR_POINTS; i++)
		model_destroy(scene->models[i]);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

/* The repository as it was made. */
static void reset(struct scene *scene)
{
	const char *root = scene->fixture->path;

	remove_tree(root);
	assert_int_equal(mkdir(root, 0700), 0);
	for (size_t i = 0; i < scene->nr_all; i++) {
		struct file *file = &scene->files[i];
		char path[512];

		for (char *slash = strchr(file->path, '/'); slash; slash = strchr(slash + 1, '/')) {
			snprintf(path, sizeof(path), "%s/%.*s", root, (int)(slash - file->path),
				 file->path);
			mkdir(path, 0700);
		}
		snprintf(path, sizeof(path), "%s/%s", root, file->path);
		write_file(path, file->data, file->bytes);
	}
	for (int i = 0; i < 2; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", root, i ? "sessions" : "doom");
		mkdir(path, 0700);
	}
}

/* ---------------------------------------------------------------------- damage */

enum mutation {
	MUTATION_FLIP,
	MUTATION_NOISE,
	MUTATION_ZERO,
	MUTATION_TRUNCATE,
	MUTATION_EXTEND,
	MUTATION_REMOVE,
	NR_MUTATIONS,
};

static void mutate(struct scene *scene, struct file *file, struct file *ret_damaged)
{
	enum mutation mutation = (enum mutation)(next_random(scene) % NR_MUTATIONS);
	size_t nr_noise = 1 + next_random(scene) % (next_random(scene) % 2 ? 40 : 30000);
	size_t where = next_random(scene) % file->bytes;
	uint8_t *data = calloc(1, file->bytes + 200);
	size_t bytes = file->bytes;
	char path[512];

	memcpy(data, file->data, bytes);
	if (next_random(scene) % 3 == 0) /* structure is at the ends */
		where = next_random(scene) % 2 ? next_random(scene) % (bytes < 400 ? bytes : 400) :
						 bytes - 1 - next_random(scene) % (bytes < 400 ? bytes : 400);
	if (mutation == MUTATION_FLIP)
		data[where] ^= (uint8_t)(1u << next_random(scene) % 8);
	for (size_t i = where; i < where + nr_noise && i < bytes; i++) {
		if (mutation == MUTATION_NOISE)
			data[i] = (uint8_t)next_random(scene);
		else if (mutation == MUTATION_ZERO)
			data[i] = 0;
	}
	if (mutation == MUTATION_TRUNCATE)
		bytes = where;
	else if (mutation == MUTATION_EXTEND)
		bytes += 1 + next_random(scene) % 200;
	snprintf(path, sizeof(path), "%s/%s", scene->fixture->path, file->path);
	*ret_damaged = *file;
	ret_damaged->data = data;
	ret_damaged->bytes = bytes;
	if (mutation == MUTATION_REMOVE) {
		assert_int_equal(unlink(path), 0);
		free(data);
		ret_damaged->data = NULL;
	} else {
		write_file(path, data, bytes);
	}
}

/* ---------------------------------------------------------------------- judging */

static bool chunk_is_readable(struct tmc_repo *repo, struct tmc_blob_coder *coder,
			      struct tmc_tree_cursor *cursor, uint64_t chunk)
{
	static uint8_t disk[CHUNK + 4096], raw[CHUNK + 4096];
	char text[TMC_STORE_TEXT];
	struct tmc_blob blob;
	struct tmc_id id;

	if (tmc_tree_cursor_get(cursor, chunk, &id))
		return false;
	if (tmc_id_is_special(&id))
		return !tmc_id_equal(&id, &tmc_id_unreadable);
	return !tmc_blob_read(repo, TMC_BLOB_CHUNK, &id, coder, disk, raw, &blob, text);
}

static void look_before(struct scene *scene)
{
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	memset(scene->readable, 0, sizeof(scene->readable));
	memset(scene->lost, 0, sizeof(scene->lost));
	for (int i = 0; i < NR_POINTS; i++) {
		struct tmc_blob_coder *coder = tmc_blob_coder_create(&repo->limits, repo->keys);
		struct tmc_tree_cursor *cursor;
		struct tmc_point point;
		struct tmc_tree tree;

		scene->loadable[i] = !tmc_point_load(repo, &scene->points[i].id, &point, &tree);
		cursor = scene->loadable[i] ? tmc_tree_cursor_create(repo, &tree) : NULL;
		for (uint64_t chunk = 0; cursor && chunk < NR_CHUNKS; chunk++)
			scene->readable[i][chunk] = chunk_is_readable(repo, coder, cursor, chunk);
		tmc_tree_cursor_destroy(cursor);
		tmc_blob_coder_destroy(coder);
	}
	tmc_repo_close(repo);
}

static void take_lost(void *context, const struct tmc_point *point, uint64_t offset, uint64_t bytes)
{
	struct scene *scene = context;

	for (int i = 0; i < NR_POINTS; i++)
		if (point->cut_time_ns == scene->points[i].cut_time_ns)
			for (uint64_t chunk = offset / CHUNK; chunk * CHUNK < offset + bytes; chunk++)
				scene->lost[i][chunk]++;
}

/* The point itself, or the one that stands in for it. */
static bool find_successor(struct tmc_repo *repo, const struct tmc_point *original,
			   struct tmc_point *ret_point)
{
	struct tmc_point *points;
	bool found = false;
	size_t nr;

	assert_success(tmc_point_list(repo, &points, &nr));
	for (size_t i = 0; i < nr; i++) {
		if (points[i].cut_time_ns != original->cut_time_ns)
			continue;
		assert_false(found);
		found = true;
		*ret_point = points[i];
	}
	free(points);
	if (found && memcmp(&ret_point->id, &original->id, sizeof(original->id)))
		assert_memory_equal(&ret_point->parent, &original->id, sizeof(original->id));
	return found;
}

static void judge_point(struct scene *scene, struct tmc_repo *repo, int nth, bool named,
			const char *what)
{
	const struct model *model = scene->models[nth];
	struct image image = {
		.model = model,
		.data = malloc((model->nr_chunks + 1) * CHUNK),
		.seen = calloc(model->nr_chunks + 1, 1),
		.unreadable = calloc(model->nr_chunks + 1, 1),
	};
	const struct tmc_sink sink = {
		.data = image_data, .zero = image_zero, .unreadable = image_unreadable,
		.context = &image,
	};
	struct tmc_point point;
	uint64_t nr_unreadable = 0;

	if (!scene->loadable[nth]) {
		assert_false(find_successor(repo, &scene->points[nth], &point));
	} else {
		assert_true(find_successor(repo, &scene->points[nth], &point));
		assert_success(tmc_point_extract(repo, &point, 1, &sink));
		for (uint64_t chunk = 0; chunk < NR_CHUNKS; chunk++) {
			if (image.unreadable[chunk] && scene->readable[nth][chunk])
				fail_msg("%s: chunk %u of point %d was readable", what,
					 (unsigned int)chunk, nth);
			/* Of a lost node nobody knows what was unreadable below it before. */
			if (named && !model->unreadable[chunk] &&
			    scene->lost[nth][chunk] != image.unreadable[chunk])
				fail_msg("%s: chunk %u of point %d is lost and not named, or the other "
					 "way round", what, (unsigned int)chunk, nth);
			if (!image.unreadable[chunk] &&
			    memcmp(image.data + chunk * CHUNK, model->data + chunk * CHUNK,
				   model_chunk_size(model, chunk)))
				fail_msg("%s: chunk %u of point %d is wrong", what,
					 (unsigned int)chunk, nth);
			nr_unreadable += image.unreadable[chunk];
		}
		assert_int_equal(point.unreadable_chunks, nr_unreadable);
	}
	free(image.data);
	free((void *)image.seen);
	free(image.unreadable);
}

static bool holds(const char *path, const struct file *file)
{
	size_t bytes;
	uint8_t *data;
	bool same;

	if (access(path, R_OK))
		return false;
	data = read_file(path, &bytes);
	same = bytes == file->bytes && !memcmp(data, file->data, bytes);
	free(data);
	return same;
}

/* Invariant 9: nothing that was there is gone, damaged or not. */
static void judge_file(struct scene *scene, const struct file *file)
{
	const char *root = scene->fixture->path;
	char path[700], aside[700];

	if (!file->data)
		return;
	snprintf(path, sizeof(path), "%s/%s", root, file->path);
	snprintf(aside, sizeof(aside), "%s/aside/%.*s-%s", root, (int)strcspn(file->path, "/"),
		 file->path, strrchr(file->path, '/') + 1);
	if (!holds(path, file) && !holds(aside, file))
		fail_msg("%s is gone", file->path);
}

static int run_repair(struct scene *scene, bool apply, struct tmc_repair_result *ret_result)
{
	const struct tmc_repair_options options = {
		.apply = apply, .nr_workers = 1, .lost = take_lost, .context = scene,
	};
	struct tmc_repo *repo;
	int ret;

	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	ret = tmc_repair(repo, &options, ret_result);
	tmc_repo_close(repo);
	return ret;
}

static void judge(struct scene *scene, const char *what)
{
	struct tmc_repair_result result;
	struct tmc_repo *repo;
	uint64_t nr_points = 0;
	bool any_lost = false;
	int ret;

	look_before(scene);
	ret = run_repair(scene, true, &result);
	if (ret && ret != -EBADMSG)
		fail_msg("%s: %d, %s", what, ret, tmc_error_text());
	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	for (int i = 0; i < NR_POINTS; i++) {
		judge_point(scene, repo, i, true, what);
		nr_points += scene->loadable[i];
		any_lost |= !scene->loadable[i];
		for (uint64_t chunk = 0; chunk < NR_CHUNKS; chunk++)
			any_lost |= scene->lost[i][chunk] != 0;
	}
	assert_verified(repo, nr_points);
	tmc_repo_close(repo);
	/* An object that was removed without a trace is missed by nobody. */
	if (ret == 0 && any_lost && result.lost_points)
		fail_msg("%s: something is lost and repair does not say so", what);
}

/* ------------------------------------------------------------------------ tests */

static unsigned int nr_trials(unsigned int nr)
{
	const char *scale = getenv("TIDEMARK_TEST_SCALE");

	return scale ? nr * (unsigned int)atoi(scale) : nr;
}

static void damage_files(struct scene *scene, const char *directory, unsigned int nr,
			 unsigned int nr_at_once)
{
	for (unsigned int trial = 0; trial < nr_trials(nr); trial++) {
		struct file damaged[4];
		char what[400];

		reset(scene);
		snprintf(what, sizeof(what), "trial %u", trial);
		for (unsigned int i = 0; i < nr_at_once; i++) {
			size_t nth;

			do {
				nth = next_random(scene) % scene->nr_files;
				for (unsigned int before = 0; before < i; before++)
					if (!strcmp(scene->files[nth].path, damaged[before].path))
						nth = scene->nr_files;
			} while (nth == scene->nr_files ||
				 strncmp(scene->files[nth].path, directory, strlen(directory)));
			mutate(scene, &scene->files[nth], &damaged[i]);
			snprintf(what + strlen(what), sizeof(what) - strlen(what), " %.14s",
				 scene->files[nth].path);
		}
		judge(scene, what);
		for (unsigned int i = 0; i < nr_at_once; i++) {
			judge_file(scene, &damaged[i]);
			free(damaged[i].data);
		}
	}
}

static void damaged_packs_are_salvaged(void **state)
{
	damage_files(*state, "packs", 60, 1);
}

static void damaged_indexes_are_rebuilt(void **state)
{
	damage_files(*state, "index", 40, 1);
}

static void damaged_points_go_aside(void **state)
{
	damage_files(*state, "points", 30, 1);
}

static void several_kinds_of_damage_at_once_are_repaired(void **state)
{
	damage_files(*state, "", 80, 3);
}

static void a_sound_repository_is_left_as_it_is(void **state)
{
	struct scene *scene = *state;
	struct tmc_repair_result result;

	reset(scene);
	for (int apply = 0; apply < 2; apply++) {
		assert_success(run_repair(scene, apply, &result));
		assert_int_equal(result.put_aside + result.salvaged_blobs + result.lost_bytes, 0);
	}
	for (size_t i = 0; i < scene->nr_files; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", scene->fixture->path, scene->files[i].path);
		assert_true(holds(path, &scene->files[i]));
	}
	assert_int_equal(count_files(scene->fixture, "packs") + count_files(scene->fixture, "index") +
				 count_files(scene->fixture, "points"), scene->nr_files);
}

/* The largest pack: all points need it. */
static size_t largest_pack(const struct scene *scene)
{
	size_t largest = 0;

	for (size_t i = 0; i < scene->nr_files; i++)
		if (!strncmp(scene->files[i].path, "packs", 5) &&
		    scene->files[i].bytes > scene->files[largest].bytes)
			largest = i;
	return largest;
}

static void remove_largest_pack(struct scene *scene)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", scene->fixture->path,
		 scene->files[largest_pack(scene)].path);
	assert_int_equal(unlink(path), 0);
}

/* Noise in the largest pack, another pack gone, an index damaged. */
static void damage_much(struct scene *scene)
{
	size_t largest = largest_pack(scene);
	bool removed = false, noisy = false;

	reset(scene);
	for (size_t i = 0; i < scene->nr_files; i++) {
		struct file *file = &scene->files[i];
		uint8_t *data = malloc(file->bytes);
		char path[512];

		memcpy(data, file->data, file->bytes);
		snprintf(path, sizeof(path), "%s/%s", scene->fixture->path, file->path);
		if (i == largest) {
			memset(data + file->bytes / 2, 0x55, 9000);
			write_file(path, data, file->bytes);
		} else if (!removed && !strncmp(file->path, "packs", 5)) {
			removed = !unlink(path);
		} else if (!noisy && !strncmp(file->path, "index", 5)) {
			memset(data + 5000, 0x55, 100);
			write_file(path, data, file->bytes);
			noisy = true;
		}
		free(data);
	}
	assert_true(removed && noisy);
}

/* Killed at each call that changes something: the next repair ends where one alone would. */
static void a_repair_that_is_killed_anywhere_is_finished_by_the_next(void **state)
{
	struct scene *scene = *state;
	struct tmc_repair_result result;
	bool fired = true;
	unsigned int at;

	for (at = 1; fired; at++) {
		struct tmc_repo *repo;
		char what[40];

		snprintf(what, sizeof(what), "killed at call %u", at);
		damage_much(scene);
		look_before(scene);
		faults_arm(FAULT_KILL, at);
		run_repair(scene, true, &result);
		fired = faults_fired();
		faults_disarm();
		assert_in_range(-run_repair(scene, true, &result), 0, EBADMSG);
		assert_success(tmc_repo_open(scene->fixture->path, &repo));
		for (int i = 0; i < NR_POINTS; i++)
			judge_point(scene, repo, i, false, what);
		assert_verified(repo, NR_POINTS);
		tmc_repo_close(repo);
	}
	assert_true(at > 30);
}

static void without_apply_nothing_is_written(void **state)
{
	struct scene *scene = *state;
	struct tmc_repair_result dry, applied;

	reset(scene);
	remove_largest_pack(scene);
	assert_int_equal(run_repair(scene, false, &dry), -EBADMSG);
	for (size_t i = 0; i < scene->nr_files; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", scene->fixture->path, scene->files[i].path);
		assert_true(i == largest_pack(scene) || holds(path, &scene->files[i]));
	}
	assert_int_equal(dry.missing_packs, 1);
	assert_int_equal(dry.put_aside, 0);
	assert_int_equal(run_repair(scene, true, &applied), -EBADMSG);
	assert_int_equal(applied.lost_bytes, dry.lost_bytes);
	assert_int_equal(applied.rewritten_points, dry.rewritten_points);
	assert_true(applied.lost_bytes > 0);
	assert_success(run_repair(scene, false, &dry));
}

/* Lost, repaired, backed up again, repaired again: the originals are back, whole. */
static void a_later_backup_of_the_same_data_heals(void **state)
{
	struct scene *scene = *state;
	struct tmc_repair_result result;
	struct tmc_point point, again;
	struct tmc_repo *repo;

	reset(scene);
	remove_largest_pack(scene);
	assert_int_equal(run_repair(scene, true, &result), -EBADMSG);
	assert_int_equal(result.rewritten_points, NR_POINTS);
	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	assert_int_equal(tmc_point_get(repo, &scene->points[0].id, &point), -ENOENT);
	assert_success(model_backup(repo, scene->models[0], NULL, NULL, 100, &again));
	tmc_repo_close(repo);
	assert_success(run_repair(scene, false, &result));
	assert_true(result.returned_points > 0);
	assert_success(run_repair(scene, true, &result));
	assert_true(result.returned_points > 0);
	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	assert_success(tmc_point_get(repo, &scene->points[0].id, &point));
	assert_point_equals(repo, &point, scene->models[0]);
	assert_verified(repo, NR_POINTS + 1); /* originals, or what stands in for them */
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(damaged_packs_are_salvaged),
		T(damaged_indexes_are_rebuilt),
		T(damaged_points_go_aside),
		T(several_kinds_of_damage_at_once_are_repaired),
		T(a_sound_repository_is_left_as_it_is),
		T(a_repair_that_is_killed_anywhere_is_finished_by_the_next),
		T(without_apply_nothing_is_written),
		T(a_later_backup_of_the_same_data_heals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
