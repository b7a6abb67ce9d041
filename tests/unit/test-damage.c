// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Whatever happens to the bytes of a repository: a point comes back exactly or is
 * refused, verification names it and the object that is to blame, and the points that
 * do not need that object come back. LONG=1 for ten times as many trials.
 */
#include "repo_fixture.h"

#include "catalog/format.h"

#define NR_POINTS 2
#define NR_CHUNKS 70u

#define TEXTS_BYTES 65536

struct scene {
	struct fixture *fixture;
	struct file_list own[NR_POINTS]; /* files that came with each backup */
	char texts[TEXTS_BYTES];         /* what verification said */
	struct model *models[NR_POINTS];
	struct tmc_point points[NR_POINTS];
	struct file_list files;
	bool all_concerned;              /* more than one file is damaged */
	uint64_t seed;
	unsigned int nr_trials, nr_undetected;
};

static bool is_listed(const struct file_list *list, const char *path)
{
	for (size_t i = 0; i < list->nr; i++)
		if (!strcmp(strrchr(list->paths[i], '/'), strrchr(path, '/')))
			return true;
	return false;
}

/* What the latest backup has added. */
static void list_own(struct scene *scene, int point)
{
	struct file_list *own = &scene->own[point];

	list_files(scene->fixture, ".", &scene->files);
	for (size_t i = 0; i < scene->files.nr; i++)
		if (!point || !is_listed(&scene->own[0], scene->files.paths[i]))
			strcpy(own->paths[own->nr++], scene->files.paths[i]);
}

static int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	uint8_t chosen[NR_CHUNKS] = { 0 };
	struct tmc_repo *repo;
	int ret;

	if (fixture_setup((void **)&scene->fixture))
		return -1;
	scene->seed = 12345;
	repo = make_repo(scene->fixture->path, 4096);
	for (int i = 0; i < NR_POINTS; i++)
		scene->models[i] = model_mixed(NR_CHUNKS * 4096 - 100, 4096);
	for (uint64_t chunk = 10; chunk < 30; chunk++) {
		chosen[chunk] = 1;
		model_fill(scene->models[1], chunk, CONTENT_RANDOM);
	}
	ret = model_backup(repo, scene->models[0], NULL, NULL, 1, &scene->points[0]);
	list_own(scene, 0);
	if (!ret)
		ret = model_backup(repo, scene->models[1], &scene->points[0], chosen, 2,
				   &scene->points[1]);
	list_own(scene, 1);
	tmc_repo_close(repo);
	*state = scene;
	return ret;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;

	for (int i = 0; i < NR_POINTS; i++)
		model_destroy(scene->models[i]);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

static unsigned int nr_trials(unsigned int nr)
{
	return is_long() ? 10 * nr : nr;
}

static uint64_t next_random(struct scene *scene)
{
	scene->seed = scene->seed * 6364136223846793005u + 1442695040888963407u;
	return scene->seed >> 20;
}

static void note_text(void *context, const char *text)
{
	struct scene *scene = context;
	size_t length = strlen(scene->texts);

	snprintf(scene->texts + length, sizeof(scene->texts) - length, "%s\n", text);
}

static bool says(const struct scene *scene, const char *text)
{
	return strstr(scene->texts, text);
}

/* The second backup's files are no concern of the first point, nor is its own name. */
static bool is_concerned(const struct scene *scene, int point, const char *path)
{
	bool is_point = strstr(path, "/points/");

	return scene->all_concerned || is_listed(&scene->own[point], path) || (!is_point && !is_listed(&scene->own[1], path));
}

/* Returns how many points are refused. */
static unsigned int extract_points(struct scene *scene, struct tmc_repo *repo, const char *path,
				   bool ret_refused[NR_POINTS])
{
	unsigned int nr = 0;

	for (int i = 0; i < NR_POINTS; i++) {
		enum extraction extraction = extract_point(repo, &scene->points[i],
							   scene->models[i]);

		ret_refused[i] = extraction == EXTRACTION_REFUSED;
		nr += ret_refused[i];
		if (extraction == EXTRACTION_WRONG)
			fail_msg("%s: point %d came back wrong", path, i);
		if (ret_refused[i] && !is_concerned(scene, i, path))
			fail_msg("%s: point %d, which does not need it: %s", path, i,
				 tmc_error_text());
	}
	return nr;
}

/* What verification has to say about a file that was damaged. */
static void expect_named(const struct scene *scene, const char *path,
			 const bool refused[NR_POINTS])
{
	/* Nothing knows the name of an index object that is gone. */
	if ((!access(path, F_OK) || !strstr(path, "/index/")) &&
	    !says(scene, strrchr(path, '/') + 1))
		fail_msg("%s is not named in:\n%s", path, scene->texts);
	for (int i = 0; i < NR_POINTS; i++) {
		char digits[TMC_ID_TEXT];

		tmc_id_format(&scene->points[i].id, digits);
		if (refused[i] && !says(scene, digits))
			fail_msg("%s: point %s is not named in:\n%s", path, digits, scene->texts);
	}
}

/* What the damage of a file does, as told by verification and as seen by a restore. */
static void judge(struct scene *scene, const char *path, uint64_t where)
{
	struct tmc_verify_result result = { 0 };
	bool refused[NR_POINTS];
	struct tmc_repo *repo;
	unsigned int nr_refused;
	int ret;

	scene->nr_trials++;
	scene->texts[0] = '\0';
	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	nr_refused = extract_points(scene, repo, path, refused);
	ret = tmc_verify(repo, NULL, 1, note_text, NULL, scene, &result);
	tmc_repo_close(repo);
	if (ret == 0 && nr_refused)
		fail_msg("%s at %llu: verification saw nothing", path, (unsigned long long)where);
	if (result.points != NR_POINTS || result.damaged_points < nr_refused)
		fail_msg("%s at %llu: %u points refused, %u named", path, (unsigned long long)where,
			 nr_refused, (unsigned int)result.damaged_points);
	if (ret < 0)
		expect_named(scene, path, refused);
	scene->nr_undetected += ret == 0;
}

enum mutation {
	MUTATION_FLIP,
	MUTATION_ZERO,
	MUTATION_NOISE,
	MUTATION_TRUNCATE,
	MUTATION_EXTEND,
	NR_MUTATIONS,
};

/* False if the file is the same after it. */
static bool mutate(struct scene *scene, enum mutation mutation, const char *path, uint8_t *data,
		   size_t bytes, uint64_t where)
{
	uint8_t *copy = malloc(bytes + 100);
	size_t new_bytes = bytes;
	bool changed;

	memcpy(copy, data, bytes);
	memset(copy + bytes, 0, 100);
	if (mutation == MUTATION_FLIP)
		copy[where] ^= (uint8_t)(1u << next_random(scene) % 8);
	for (size_t i = where; i < where + 24 && i < bytes; i++) {
		if (mutation == MUTATION_ZERO)
			copy[i] = 0;
		else if (mutation == MUTATION_NOISE)
			copy[i] = (uint8_t)next_random(scene);
	}
	if (mutation == MUTATION_TRUNCATE)
		new_bytes = where;
	else if (mutation == MUTATION_EXTEND)
		new_bytes += 1 + next_random(scene) % 100;
	changed = new_bytes != bytes || memcmp(copy, data, bytes);
	if (changed)
		write_file(path, copy, new_bytes);
	free(copy);
	return changed;
}

static void mutate_files(struct scene *scene, const char *directory, unsigned int nr)
{
	list_files(scene->fixture, directory, &scene->files);
	assert_true(scene->files.nr > 0);
	for (unsigned int i = 0; i < nr; i++) {
		const char *path = scene->files.paths[i % scene->files.nr];
		enum mutation mutation = (enum mutation)(i / scene->files.nr % NR_MUTATIONS);
		size_t bytes;
		uint8_t *data = read_file(path, &bytes);
		uint64_t where = next_random(scene) % bytes;

		if (i % 3 == 0) /* the ends are where the structure is */
			where = next_random(scene) % (bytes < 512 ? bytes : 512);
		else if (i % 3 == 1)
			where = bytes - 1 - next_random(scene) % (bytes < 512 ? bytes : 512);
		if (mutate(scene, mutation, path, data, bytes, where)) {
			judge(scene, path, where);
			write_file(path, data, bytes);
		}
		free(data);
	}
	assert_true(scene->nr_trials > nr / 2);
}

static void mutated_packs(void **state)
{
	struct scene *scene = *state;

	mutate_files(scene, "packs", nr_trials(200));
	/* A changed LZ4 payload may still decode to the same bytes: that is no damage. */
	assert_true(scene->nr_undetected <= scene->nr_trials / 20);
}

static void mutated_indexes(void **state)
{
	struct scene *scene = *state;

	mutate_files(scene, "index", nr_trials(200));
	assert_int_equal(scene->nr_undetected, 0);
}

static void mutated_points(void **state)
{
	struct scene *scene = *state;

	mutate_files(scene, "points", nr_trials(200));
	assert_int_equal(scene->nr_undetected, 0);
}

static void a_mutated_config_is_refused(void **state)
{
	struct scene *scene = *state;
	char path[128];
	size_t bytes;
	uint8_t *data;

	snprintf(path, sizeof(path), "%s/config", scene->fixture->path);
	data = read_file(path, &bytes);
	for (size_t bit = 0; bit < 8 * bytes; bit++) {
		struct tmc_repo *repo;
		int ret;

		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		write_file(path, data, bytes);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ret = tmc_repo_open(scene->fixture->path, &repo);
		if (ret != -EBADMSG)
			fail_msg("bit %zu: %d", bit, ret);
	}
	for (size_t part = 0; part < bytes; part += 15) {
		struct tmc_repo *repo;
		int ret;

		write_file(path, data, part);
		ret = tmc_repo_open(scene->fixture->path, &repo);
		assert_int_equal(ret, -EBADMSG);
	}
	free(data);
}

/* "make one" would be the wrong advice. */
static void a_missing_config_is_missed(void **state)
{
	struct scene *scene = *state;
	struct tmc_repo *repo;
	char path[128];

	snprintf(path, sizeof(path), "%s/config", scene->fixture->path);
	assert_int_equal(remove(path), 0);
	assert_int_equal(tmc_repo_open(scene->fixture->path, &repo), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "put a copy of the config back"));
	assert_int_equal(tmc_repo_create(scene->fixture->path, 4096), -ENOTEMPTY);
}

/* Every bit of a point and of an index head counts. */
static void each_flipped_bit_of_a_point_is_refused(void **state)
{
	struct scene *scene = *state;
	struct tmc_point *points;
	struct tmc_repo *repo;
	const char *path;
	size_t bytes, nr;
	uint8_t *data;

	list_files(scene->fixture, "points", &scene->files);
	path = scene->files.paths[0];
	data = read_file(path, &bytes);
	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	for (size_t bit = 0; bit < 8 * bytes; bit++) {
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		write_file(path, data, bytes);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(tmc_point_list(repo, &points, &nr), -EBADMSG);
		assert_int_equal(nr, NR_POINTS - 1);
		free(points);
	}
	tmc_repo_close(repo);
	free(data);
}

/* Each object of a kind in the place of each other one: swapped, or an old one again. */
static void replay_files(struct scene *scene, const char *directory)
{
	list_files(scene->fixture, directory, &scene->files);
	assert_int_equal(scene->files.nr, 2);
	for (int i = 0; i < 2; i++) {
		size_t bytes, other_bytes;
		uint8_t *data = read_file(scene->files.paths[i], &bytes);
		uint8_t *other = read_file(scene->files.paths[!i], &other_bytes);

		write_file(scene->files.paths[i], other, other_bytes);
		judge(scene, scene->files.paths[i], 0);
		write_file(scene->files.paths[!i], data, bytes);
		scene->all_concerned = true;
		judge(scene, scene->files.paths[i], 0);
		scene->all_concerned = false;
		write_file(scene->files.paths[!i], other, other_bytes);
		write_file(scene->files.paths[i], data, bytes);
		free(data);
		free(other);
	}
	assert_int_equal(scene->nr_undetected, 0);
}

static void replayed_and_swapped_objects(void **state)
{
	replay_files(*state, "packs");
	replay_files(*state, "index");
	replay_files(*state, "points");
}

static struct tmc_footer_entry_disk *find_footer(uint8_t *data, size_t bytes, uint32_t *ret_nr)
{
	struct tmc_trailer_disk trailer;

	memcpy(&trailer, data + bytes - sizeof(trailer), sizeof(trailer));
	*ret_nr = get_le32(trailer.nr_blobs);
	return (void *)(data + get_le64(trailer.footer_offset));
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

/* Blobs of one type and length in each other's place, without their headers or with. */
static void swapped_blobs(void **state)
{
	const size_t header_bytes = sizeof(struct tmc_blob_header_disk);
	struct scene *scene = *state;
	const char *path = scene->own[0].paths[0];
	struct tmc_footer_entry_disk *footer;
	size_t bytes;
	uint8_t *data;
	uint32_t nr;

	for (size_t i = 0; i < scene->own[0].nr; i++)
		if (strstr(scene->own[0].paths[i], "/packs/"))
			path = scene->own[0].paths[i];
	data = read_file(path, &bytes);
	footer = find_footer(data, bytes, &nr);
	for (uint32_t i = 0; i < nr_trials(40); i++) {
		uint32_t a = next_random(scene) % nr, b = next_random(scene) % nr;
		uint8_t *blob_a = data + get_le32(footer[a].offset);
		uint8_t *blob_b = data + get_le32(footer[b].offset);
		size_t skipped = i % 2 ? header_bytes : 0;
		size_t part = header_bytes - skipped + get_le32(footer[a].info.stored_bytes);

		if (a == b || memcmp(&footer[a].info, &footer[b].info, sizeof(footer[a].info)))
			continue;
		swap_bytes(blob_a + skipped, blob_b + skipped, part);
		write_file(path, data, bytes);
		judge(scene, path, get_le32(footer[a].offset));
		swap_bytes(blob_a + skipped, blob_b + skipped, part);
	}
	assert_true(scene->nr_trials > 3);
	assert_int_equal(scene->nr_undetected, 0);
	free(data);
}

/* A block of one index at the same place of another, with its right checksum. */
static void strayed_index_blocks(void **state)
{
	struct scene *scene = *state;

	list_files(scene->fixture, "index", &scene->files);
	for (size_t i = 0; i < 2; i++) {
		size_t bytes, other_bytes;
		uint8_t *data = read_file(scene->files.paths[i], &bytes);
		uint8_t *other = read_file(scene->files.paths[!i], &other_bytes);

		assert_int_equal(bytes, other_bytes);
		for (size_t at = 0; at < bytes; at += TMC_INDEX_BLOCK_BYTES) {
			swap_bytes(data + at, other + at, TMC_INDEX_BLOCK_BYTES);
			write_file(scene->files.paths[i], data, bytes);
			judge(scene, scene->files.paths[i], at);
			swap_bytes(data + at, other + at, TMC_INDEX_BLOCK_BYTES);
		}
		write_file(scene->files.paths[i], data, bytes);
		free(data);
		free(other);
	}
	assert_int_equal(scene->nr_undetected, 0);
}

static void missing_objects(void **state)
{
	static const char *const directories[] = { "packs", "index" };
	struct scene *scene = *state;

	for (size_t d = 0; d < 2; d++) {
		list_files(scene->fixture, directories[d], &scene->files);
		for (size_t i = 0; i < scene->files.nr; i++) {
			char aside[300];

			snprintf(aside, sizeof(aside), "%s/aside", scene->fixture->directory);
			assert_int_equal(rename(scene->files.paths[i], aside), 0);
			judge(scene, scene->files.paths[i], 0);
			assert_int_equal(rename(aside, scene->files.paths[i]), 0);
		}
	}
	assert_int_equal(scene->nr_undetected, 0);
}

/* The second point's own pack and index: the first point does not need them. */
static void only_affected_points_are_named(void **state)
{
	struct scene *scene = *state;
	struct tmc_verify_result result;
	struct tmc_repo *repo;
	size_t smaller, bytes[2];
	uint8_t *data[2];

	list_files(scene->fixture, "packs", &scene->files);
	assert_int_equal(scene->files.nr, 2);
	for (int i = 0; i < 2; i++)
		data[i] = read_file(scene->files.paths[i], &bytes[i]);
	smaller = bytes[1] < bytes[0]; /* the incremental's */
	data[smaller][1000] ^= 1;
	write_file(scene->files.paths[smaller], data[smaller], bytes[smaller]);
	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	assert_int_equal(tmc_verify(repo, NULL, 2, NULL, NULL, NULL, &result), -EBADMSG);
	assert_int_equal(result.damaged_points, 1);
	assert_int_equal(result.damaged_objects, 1);
	assert_int_equal(tmc_verify(repo, &scene->points[0], 2, NULL, NULL, NULL, &result), 0);
	assert_int_equal(result.points, 1);
	assert_int_equal(tmc_verify(repo, &scene->points[1], 2, NULL, NULL, NULL, &result),
			 -EBADMSG);
	assert_int_equal(result.damaged_points, 1);
	assert_point_equals(repo, &scene->points[0], scene->models[0]);
	assert_int_equal(extract_point(repo, &scene->points[1], scene->models[1]),
			 EXTRACTION_REFUSED);
	tmc_repo_close(repo);
	free(data[0]);
	free(data[1]);
}

static void copy_in(const char *from, const char *to_directory)
{
	char to[512];
	size_t bytes;
	uint8_t *data = read_file(from, &bytes);

	mkdir(to_directory, 0700);
	snprintf(to, sizeof(to), "%s%s", to_directory, strrchr(from, '/'));
	write_file(to, data, bytes);
	free(data);
}

static void objects_of_another_repository_are_recognised(void **state)
{
	static const char *const directories[] = { "packs", "index", "points" };
	struct scene *scene = *state;
	struct fixture other = *scene->fixture;
	struct tmc_verify_result result;
	struct tmc_repo *repo, *other_repo;
	struct tmc_point point, *points;
	size_t nr;

	snprintf(other.path, sizeof(other.path), "%s/other", scene->fixture->directory);
	other_repo = make_repo(other.path, 4096);
	assert_success(model_backup(other_repo, scene->models[0], NULL, NULL, 1, &point));
	tmc_repo_close(other_repo);
	for (size_t d = 0; d < 3; d++) {
		char to[300];

		list_files(&other, directories[d], &scene->files);
		assert_int_equal(scene->files.nr, 1);
		snprintf(to, sizeof(to), "%s%.*s", scene->fixture->path,
			 (int)(strrchr(scene->files.paths[0], '/') - scene->files.paths[0] -
			       (ptrdiff_t)strlen(other.path)),
			 scene->files.paths[0] + strlen(other.path));
		copy_in(scene->files.paths[0], to);
	}
	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	assert_int_equal(tmc_point_list(repo, &points, &nr), -EBADMSG);
	assert_int_equal(nr, NR_POINTS);
	assert_int_equal(tmc_point_get(repo, &point.id, &point), -EBADMSG);
	assert_non_null(strstr(tmc_error_text(), "another repository"));
	assert_int_equal(tmc_verify(repo, NULL, 1, NULL, NULL, NULL, &result), -EBADMSG);
	assert_int_equal(result.damaged_objects, 3);
	assert_int_equal(result.damaged_points, 1);
	for (int i = 0; i < NR_POINTS; i++)
		assert_point_equals(repo, &scene->points[i], scene->models[i]);
	free(points);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(mutated_packs),
		T(mutated_indexes),
		T(mutated_points),
		T(a_mutated_config_is_refused),
		T(a_missing_config_is_missed),
		T(each_flipped_bit_of_a_point_is_refused),
		T(replayed_and_swapped_objects),
		T(swapped_blobs),
		T(strayed_index_blocks),
		T(missing_objects),
		T(only_affected_points_are_named),
		T(objects_of_another_repository_are_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
