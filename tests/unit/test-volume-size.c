// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Volumes whose size is told late, or is not that of the parent, and holes.
 */
#include "repo_fixture.h"

#define CHUNK 4096u

/* As from a pipe: whole chunks, then the size, then what is left. */
static int stream_backup(struct tmc_repo *repo, const struct model *model,
			 const struct tmc_point *parent, struct tmc_point *ret_point)
{
	struct tmc_volume volume = model_volume(model);
	uint64_t nr_whole = model->bytes / CHUNK;
	struct tmc_backup *backup;

	volume.volume_bytes = TMC_BYTES_UNKNOWN;
	assert_success(tmc_backup_begin(repo, &volume, parent, 2, &backup));
	assert_success(put_range(backup, model, 0, nr_whole, NULL));
	assert_success(tmc_backup_set_bytes(backup, model->bytes));
	assert_success(put_range(backup, model, nr_whole, model->nr_chunks - nr_whole, NULL));
	return tmc_backup_commit(backup, 1, model->bytes, ret_point);
}

static void a_size_may_be_told_at_the_end(void **state)
{
	static const uint64_t sizes[] = {
		0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 32 * CHUNK, 33 * CHUNK, 2000 * CHUNK + 17,
	};
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct model *model = model_mixed(sizes[i], CHUNK);
		struct tmc_point point, again;

		assert_success(stream_backup(repo, model, NULL, &point));
		assert_int_equal(point.volume.volume_bytes, sizes[i]);
		assert_point_equals(repo, &point, model);
		assert_success(stream_backup(repo, model, &point, &again));
		assert_int_equal(again.changed_bytes, 0);
		assert_int_equal(again.stored_bytes, 0);
		assert_point_equals(repo, &again, model);
		model_destroy(model);
	}
	assert_verified(repo, 2 * sizeof(sizes) / sizeof(*sizes));
	tmc_repo_close(repo);
}

static void a_size_that_is_wrong_or_missing_makes_no_point(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *model = model_mixed(10 * CHUNK, CHUNK);
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup *backup;
	struct tmc_point point;

	assert_success(tmc_backup_begin(repo, &volume, NULL, 1, &backup));
	assert_int_equal(tmc_backup_set_bytes(backup, 10 * CHUNK), -EINVAL);
	tmc_backup_abort(backup);
	volume.volume_bytes = TMC_BYTES_UNKNOWN;
	assert_success(tmc_backup_begin(repo, &volume, NULL, 1, &backup));
	assert_success(put_range(backup, model, 0, 10, NULL));
	assert_int_equal(tmc_backup_set_bytes(backup, 10 * CHUNK - 1), -EINVAL);
	assert_int_equal(tmc_backup_set_bytes(backup, (uint64_t)INT64_MAX + 1), -EINVAL);
	assert_int_equal(tmc_backup_commit(backup, 1, 0, &point), -EINVAL);
	assert_success(tmc_backup_begin(repo, &volume, NULL, 1, &backup));
	assert_success(put_range(backup, model, 0, 10, NULL));
	assert_success(tmc_backup_set_bytes(backup, 11 * CHUNK));
	assert_int_equal(tmc_backup_commit(backup, 1, 0, &point), -EINVAL);
	assert_non_null(strstr(tmc_error_text(), "chunk 10 is missing"));
	assert_verified(repo, 0);
	model_destroy(model);
	tmc_repo_close(repo);
}

/* The same content, cut off or with more behind it. */
static struct model *resize(const struct model *model, uint64_t bytes)
{
	struct model *other = model_create(bytes, CHUNK);

	memcpy(other->data, model->data, bytes < model->bytes ? bytes : model->bytes);
	for (uint64_t chunk = model->nr_chunks; chunk < other->nr_chunks; chunk++)
		model_fill(other, chunk, CONTENT_RANDOM);
	return other;
}

static void a_parent_of_another_size_saves_what_is_the_same(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *model = model_mixed(1500 * CHUNK, CHUNK);
	struct model *larger = resize(model, 1503 * CHUNK + 1);
	struct model *smaller = resize(model, 40 * CHUNK);
	struct tmc_point point, other;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_success(model_backup(repo, larger, &point, NULL, 2, &other));
	assert_point_equals(repo, &other, larger);
	assert_memory_equal(&other.parent, &point.id, sizeof(point.id));
	assert_int_equal(other.changed_bytes, 3 * CHUNK + 1);
	assert_in_range(other.stored_bytes, 3 * CHUNK + 1, 16 * CHUNK);
	assert_success(model_backup(repo, smaller, &point, NULL, 3, &other));
	assert_point_equals(repo, &other, smaller);
	assert_int_equal(other.changed_bytes, 0);
	assert_in_range(other.stored_bytes, 0, 2 * CHUNK);
	assert_verified(repo, 3);
	model_destroy(larger);
	model_destroy(smaller);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void with_a_parent_of_another_size_each_chunk_must_be_put(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *model = model_mixed(100 * CHUNK, CHUNK);
	struct model *larger = resize(model, 101 * CHUNK);
	uint8_t chosen[101];
	struct tmc_point point, other;

	memset(chosen, 1, sizeof(chosen));
	chosen[50] = 0;
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_int_equal(model_backup(repo, larger, &point, chosen, 2, &other), -EINVAL);
	assert_non_null(strstr(tmc_error_text(), "chunk 50 is missing"));
	point.id.bytes[5] ^= 1;
	assert_int_equal(model_backup(repo, larger, &point, NULL, 2, &other), -ENOENT);
	model_destroy(larger);
	model_destroy(model);
	tmc_repo_close(repo);
}

/* Chunks [20, 80) and the short one at the end are holes. */
static void backup_with_holes(struct tmc_repo *repo, struct model *model,
			      const struct tmc_point *parent, struct tmc_point *ret_point)
{
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup_stats stats;
	struct tmc_backup *backup;

	memset(model->data + 20 * CHUNK, 0, 60 * CHUNK);
	memset(model->data + 1000 * CHUNK, 0, CHUNK);
	assert_success(tmc_backup_begin(repo, &volume, parent, 1, &backup));
	assert_success(put_range(backup, model, 0, 20, NULL));
	assert_success(tmc_backup_put_zero(backup, 20, 60));
	assert_success(put_range(backup, model, 80, 920, NULL));
	assert_success(tmc_backup_put_zero(backup, 1000, 1));
	do
		tmc_backup_get_stats(backup, &stats);
	while (stats.hashed_bytes < model->bytes);
	assert_in_range(stats.zero_bytes, 60 * CHUNK + 9, model->bytes);
	assert_success(tmc_backup_commit(backup, 1, model->bytes, ret_point));
}

static void holes_are_zeros_whatever_was_there(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *model = model_create(1000 * CHUNK + 9, CHUNK);
	struct model *larger;
	struct tmc_point full, holes, again;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, CONTENT_RANDOM);
	assert_success(model_backup(repo, model, NULL, NULL, 1, &full));
	larger = resize(model, 1200 * CHUNK);
	backup_with_holes(repo, model, &full, &holes);
	assert_point_equals(repo, &holes, model);
	assert_int_equal(holes.changed_bytes, 60 * CHUNK + 9);
	backup_with_holes(repo, model, &holes, &again);
	assert_point_equals(repo, &again, model);
	assert_int_equal(again.changed_bytes, 0);
	assert_int_equal(again.stored_bytes, 0);
	assert_success(model_backup(repo, larger, NULL, NULL, 1, &full));
	backup_with_holes(repo, model, &full, &again);
	assert_point_equals(repo, &again, model);
	assert_int_equal(again.changed_bytes, 60 * CHUNK + 9);
	backup_with_holes(repo, model, NULL, &again);
	assert_point_equals(repo, &again, model);
	assert_int_equal(again.changed_bytes, 940 * CHUNK);
	assert_verified(repo, 6);
	model_destroy(larger);
	model_destroy(model);
	tmc_repo_close(repo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_size_may_be_told_at_the_end, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_size_that_is_wrong_or_missing_makes_no_point,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_parent_of_another_size_saves_what_is_the_same,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			with_a_parent_of_another_size_each_chunk_must_be_put, fixture_setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(holes_are_zeros_whatever_was_there, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
