// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The figures of a repository against what was put into it.
 */
#include "repo_fixture.h"

#define CHUNK 4096u

static uint64_t bytes_below(const struct fixture *fixture, const char *directory)
{
	struct file_list *list = malloc(sizeof(*list));
	uint64_t bytes = 0;

	list_files(fixture, directory, list);
	for (size_t i = 0; i < list->nr; i++) {
		struct stat st;

		assert_int_equal(stat(list->paths[i], &st), 0);
		bytes += (uint64_t)st.st_size;
	}
	free(list);
	return bytes;
}

static void put_random(struct model *model, uint64_t first, uint64_t nr)
{
	for (uint64_t chunk = first; chunk < first + nr; chunk++)
		model_fill(model, chunk, CONTENT_RANDOM);
}

/* 100 chunks, 60 of them zeros; then 10 others; then a second volume with nothing new. */
static void fill(struct tmc_repo *repo, struct tmc_point points[3])
{
	struct model *model = model_create(100 * CHUNK, CHUNK);

	put_random(model, 10, 40);
	assert_success(model_backup(repo, model, NULL, NULL, 1, &points[0]));
	put_random(model, 30, 10);
	assert_success(model_backup(repo, model, &points[0], NULL, 2, &points[1]));
	assert_success(model_backup(repo, model, NULL, NULL, 3, &points[2]));
	model_destroy(model);
}

static void the_cheap_figures_are_those_of_the_files(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tmc_point points[3];
	struct tmc_stats stats;

	assert_success(tmc_repo_stats(repo, TMC_STATS_CHEAP, &stats));
	assert_int_equal(stats.points + stats.volumes + stats.packs + stats.indexes, 0);
	fill(repo, points);
	assert_success(tmc_repo_stats(repo, TMC_STATS_CHEAP, &stats));
	assert_int_equal(stats.points, 3);
	assert_int_equal(stats.volumes, 1);
	assert_int_equal(stats.logical_bytes, 300 * CHUNK);
	assert_int_equal(stats.packs, 2);
	assert_int_equal(stats.pack_bytes, bytes_below(fixture, "packs"));
	assert_int_equal(stats.index_bytes, bytes_below(fixture, "index"));
	assert_int_equal(stats.point_bytes, bytes_below(fixture, "points"));
	assert_in_range(stats.index_entries, 50, 50 + 10);
	assert_int_equal(stats.chunks, 0);
	tmc_repo_close(repo);
}

static void the_walk_counts_each_needed_blob_once(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tmc_point points[3];
	struct tmc_stats stats;

	fill(repo, points);
	assert_success(tmc_repo_stats(repo, TMC_STATS_WALK, &stats));
	assert_int_equal(stats.chunks, 50);
	assert_int_equal(stats.chunk_bytes, 50 * CHUNK);
	assert_int_equal(stats.chunk_stored_bytes, 50 * (CHUNK + 48));
	assert_int_equal(stats.chunks + stats.nodes, stats.index_entries);
	assert_int_equal(stats.unneeded_packs, 0);
	/* Header, trailer, and 48 bytes in the footer for each blob. */
	assert_int_equal(stats.unneeded_bytes, 2 * 192 + 48 * stats.index_entries);
	tmc_repo_close(repo);
}

static void what_no_point_needs_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tmc_point points[3];
	struct tmc_stats before, after;
	char path[200], digits[TMC_ID_TEXT];

	fill(repo, points);
	assert_success(tmc_repo_stats(repo, TMC_STATS_WALK, &before));
	for (int i = 1; i < 3; i++) {
		tmc_id_format(&points[i].id, digits);
		snprintf(path, sizeof(path), "%s/points/%s", fixture->path, digits);
		assert_int_equal(unlink(path), 0);
	}
	assert_success(tmc_repo_stats(repo, TMC_STATS_WALK, &after));
	assert_int_equal(after.points, 1);
	assert_int_equal(after.chunks, 40);
	assert_int_equal(after.unneeded_packs, 1);
	assert_in_range(after.unneeded_pack_bytes, 10 * CHUNK, 11 * CHUNK + 8192);
	assert_true(after.unneeded_bytes >= before.unneeded_bytes + 10 * CHUNK);
	tmc_repo_close(repo);
}

static void a_damaged_point_is_said_and_the_others_counted(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct file_list *list = malloc(sizeof(*list));
	struct tmc_point points[3];
	struct tmc_stats stats;

	fill(repo, points);
	list_files(fixture, "points", list);
	write_file(list->paths[0], "x", 1);
	assert_int_equal(tmc_repo_stats(repo, TMC_STATS_CHEAP, &stats), -EBADMSG);
	assert_int_equal(stats.points, 2);
	assert_int_equal(tmc_repo_stats(repo, TMC_STATS_WALK, &stats), -EBADMSG);
	free(list);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(the_cheap_figures_are_those_of_the_files),
		T(the_walk_counts_each_needed_blob_once),
		T(what_no_point_needs_is_told),
		T(a_damaged_point_is_said_and_the_others_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
