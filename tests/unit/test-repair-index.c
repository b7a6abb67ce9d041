// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Index objects that are lost or damaged, footers that are damaged as well: after
 * "repair --index" each point comes back, and what was damaged lies in aside/.
 */
#include "repo_fixture.h"

#include "catalog/repo.h"
#include "common/io.h"

#define NR_POINTS 3
#define VOLUME    (2u << 20)

struct history {
	struct fixture *fixture;
	struct tmc_repo *repo;
	struct model *models[NR_POINTS];
	struct tmc_point points[NR_POINTS];
	struct file_list *files;
};

/* Three volumes that have little in common: each point has an index and packs of its own. */
static void history_begin(struct history *history, struct fixture *fixture)
{
	*history = (struct history){ .fixture = fixture, .repo = make_repo(fixture->path, 4096) };
	history->files = malloc(sizeof(*history->files));
	for (size_t i = 0; i < NR_POINTS; i++) {
		struct model *model = model_mixed(VOLUME, 4096);

		for (uint64_t chunk = 100 * i; chunk < 100 * (i + 1); chunk++) {
			model->seed += 7919 * (i + 1);
			model_fill(model, chunk, CONTENT_RANDOM);
		}
		assert_success(model_backup(history->repo, model, NULL, NULL, i + 1,
					    &history->points[i]));
		history->models[i] = model;
	}
	assert_int_equal(count_files(fixture, "index"), NR_POINTS);
	assert_int_equal(count_files(fixture, "packs"), NR_POINTS);
}

static void history_end(struct history *history)
{
	for (size_t i = 0; i < NR_POINTS; i++)
		model_destroy(history->models[i]);
	tmc_repo_close(history->repo);
	free(history->files);
}

static void reopen(struct history *history)
{
	tmc_repo_close(history->repo);
	assert_success(tmc_repo_open(history->fixture->path, &history->repo));
}

static void expect_all_points(struct history *history)
{
	reopen(history);
	for (size_t i = 0; i < NR_POINTS; i++)
		assert_point_equals(history->repo, &history->points[i], history->models[i]);
}

static void lose_indexes(struct history *history, size_t nr)
{
	list_files(history->fixture, "index", history->files);
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(unlink(history->files->paths[i]), 0);
	reopen(history);
}

static void flip_byte(const char *path, int64_t offset)
{
	size_t bytes;
	uint8_t *data = read_file(path, &bytes);

	data[offset < 0 ? (int64_t)bytes + offset : offset] ^= 0x10;
	write_file(path, data, bytes);
	free(data);
}

static struct tmc_index_repair expect_repair(struct history *history, int expected)
{
	struct tmc_index_repair result;
	int ret = tmc_repair_index(history->repo, print_damage, NULL, &result);

	if (ret != expected)
		fail_msg("%d, %s", ret, tmc_error_text());
	assert_int_equal(result.packs, NR_POINTS);
	return result;
}

static void points_come_back_without_any_index(void **state)
{
	struct history history;

	history_begin(&history, *state);
	lose_indexes(&history, NR_POINTS);
	assert_int_equal(extract_point(history.repo, &history.points[0], history.models[0]),
			 EXTRACTION_REFUSED);
	assert_true(expect_repair(&history, 0).added_blobs > 300);
	assert_int_equal(count_files(*state, "index"), 1);
	expect_all_points(&history);
	assert_verified(history.repo, NR_POINTS);
	history_end(&history);
}

static void points_come_back_when_one_index_is_lost(void **state)
{
	struct history history;
	struct tmc_index_repair result;

	history_begin(&history, *state);
	lose_indexes(&history, 1);
	result = expect_repair(&history, 0);
	assert_in_range(result.added_blobs, 100, 600);
	assert_int_equal(result.put_aside, 0);
	assert_int_equal(count_files(*state, "index"), NR_POINTS);
	expect_all_points(&history);
	assert_verified(history.repo, NR_POINTS);
	history_end(&history);
}

static void a_damaged_index_is_replaced_and_kept(void **state)
{
	struct history history;
	struct tmc_index_repair result;
	size_t bytes, aside_bytes;
	uint8_t *data, *aside;

	history_begin(&history, *state);
	list_files(*state, "index", history.files);
	flip_byte(history.files->paths[1], 4096 + 40);
	data = read_file(history.files->paths[1], &bytes);
	result = expect_repair(&history, 0);
	assert_int_equal(result.put_aside, 1);
	list_files(*state, "aside", history.files);
	assert_int_equal(history.files->nr, 1);
	aside = read_file(history.files->paths[0], &aside_bytes);
	assert_int_equal(aside_bytes, bytes);
	assert_memory_equal(aside, data, bytes);
	expect_all_points(&history);
	assert_verified(history.repo, NR_POINTS);
	free(data);
	free(aside);
	history_end(&history);
}

static void two_damaged_footers_cost_nothing(void **state)
{
	struct history history;

	history_begin(&history, *state);
	list_files(*state, "packs", history.files);
	flip_byte(history.files->paths[0], -70); /* a footer entry */
	flip_byte(history.files->paths[1], -40); /* the trailer */
	lose_indexes(&history, NR_POINTS);
	assert_int_equal(expect_repair(&history, -EBADMSG).damaged_packs, 2);
	expect_all_points(&history);
	history_end(&history);
}

/* Neither footer nor the header of the first blob: all others are found by their own. */
static void a_damaged_blob_header_hides_no_other_blob(void **state)
{
	struct history history;
	uint64_t nr_blobs;

	history_begin(&history, *state);
	lose_indexes(&history, NR_POINTS);
	nr_blobs = expect_repair(&history, 0).added_blobs;
	lose_indexes(&history, 1);
	list_files(*state, "packs", history.files);
	flip_byte(history.files->paths[0], -40);
	flip_byte(history.files->paths[0], 128 + 2);
	assert_int_equal(expect_repair(&history, -EBADMSG).added_blobs, nr_blobs - 1);
	history_end(&history);
}

static void a_whole_index_is_left_as_it_is(void **state)
{
	struct history history;
	struct tmc_index_repair result;

	history_begin(&history, *state);
	result = expect_repair(&history, 0);
	assert_int_equal(result.added_blobs, 0);
	assert_int_equal(count_files(*state, "index"), NR_POINTS);
	history_end(&history);
}

static int no_rename_aside(int old_dir_fd, const char *old_name, int new_dir_fd,
			   const char *new_name, unsigned int flags)
{
	if (!strncmp(new_name, "aside/", 6)) {
		errno = EIO;
		return -1;
	}
	return io_ops_system.renameat(old_dir_fd, old_name, new_dir_fd, new_name, flags);
}

static void the_new_index_stands_before_the_old_one_goes(void **state)
{
	struct io_ops ops = io_ops_system;
	struct history history;
	char damaged[256];

	history_begin(&history, *state);
	list_files(*state, "index", history.files);
	snprintf(damaged, sizeof(damaged), "%s", history.files->paths[0]);
	flip_byte(damaged, 4096 + 40);
	ops.renameat = no_rename_aside;
	io_ops = &ops;
	expect_repair(&history, -EIO);
	io_ops = &io_ops_system;
	assert_int_equal(unlink(damaged), 0); /* which repair never does */
	expect_all_points(&history);
	assert_verified(history.repo, NR_POINTS);
	history_end(&history);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(points_come_back_without_any_index),
		T(points_come_back_when_one_index_is_lost),
		T(a_damaged_index_is_replaced_and_kept),
		T(two_damaged_footers_cost_nothing),
		T(a_damaged_blob_header_hides_no_other_blob),
		T(a_whole_index_is_left_as_it_is),
		T(the_new_index_stands_before_the_old_one_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
