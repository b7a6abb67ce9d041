// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Points made from a parent: what is never put is the parent's, what is put costs
 * what it changes, and callers who are wrong about their chunks are told.
 */
#include "catalog/repo.h"
#include "repo_fixture.h"


/* Blobs of a type that the repository's indexes name. */
static uint64_t count_blobs(struct fixture *fixture, enum tmc_blob_type type)
{
	struct tmc_repo *repo;
	uint64_t nr = 0;

	assert_success(tmc_repo_open(fixture->path, &repo));
	assert_success(tmc_index_set_refresh(repo->indexes));
	for (size_t n = 0; tmc_index_set_get(repo->indexes, n); n++) {
		struct tmc_index_cursor cursor = { .index = tmc_index_set_get(repo->indexes, n) };
		struct tmc_entry entry;
		int ret;

		while ((ret = tmc_index_next(&cursor, &entry)) > 0)
			nr += entry.blob.type == type;
		assert_int_equal(ret, 0);
	}
	tmc_repo_close(repo);
	return nr;
}

static void each_generation_reads_back(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *models[6] = { model_mixed(2000 * 4096 + 77, 4096) };
	struct tmc_point points[6];

	assert_success(model_backup(repo, models[0], NULL, NULL, 0, &points[0]));
	for (int i = 1; i < 6; i++) {
		uint8_t chosen[2001] = { 0 };

		models[i] = model_create(models[0]->bytes, 4096);
		models[i]->seed += (uint64_t)i;
		memcpy(models[i]->data, models[i - 1]->data, models[0]->bytes);
		for (int n = 0; n < 60; n++) {
			uint64_t chunk = model_random(models[i]) % 2001;

			model_fill(models[i], chunk, (enum content)(n % NR_CONTENTS));
			chosen[chunk] = 1;
		}
		chosen[2000] = 1; /* dirty, but the same */
		assert_success(model_backup(repo, models[i], &points[i - 1], chosen, (uint64_t)i,
					    &points[i]));
		assert_memory_equal(&points[i].parent, &points[i - 1].id, sizeof(struct tmc_id));
	}
	for (int i = 0; i < 6; i++) {
		assert_point_equals(repo, &points[i], models[i]);
		model_destroy(models[i]);
	}
	assert_verified(repo, 6);
	tmc_repo_close(repo);
}

static void one_changed_chunk_makes_one_node_per_level(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_create(40000 * 4096ull, 4096); /* 4 levels of 32 */
	uint8_t *chosen = calloc(model->nr_chunks, 1);
	struct tmc_point first, second, third;
	uint64_t nr_nodes, nr_chunks;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		memcpy(model->data + chunk * 4096, &(uint64_t){ chunk + 1 }, 8);
	assert_success(model_backup(repo, model, NULL, NULL, 1, &first));
	nr_nodes = count_blobs(fixture, TMC_BLOB_NODE);
	nr_chunks = count_blobs(fixture, TMC_BLOB_CHUNK);
	assert_int_equal(nr_chunks, 40000);
	assert_int_equal(nr_nodes, 1250 + 40 + 2 + 1);

	model_fill(model, 12345, CONTENT_RANDOM);
	chosen[12345] = 1;
	assert_success(model_backup(repo, model, &first, chosen, 2, &second));
	assert_int_equal(count_blobs(fixture, TMC_BLOB_NODE), nr_nodes + 4);
	assert_int_equal(count_blobs(fixture, TMC_BLOB_CHUNK), nr_chunks + 1);
	assert_int_equal(second.changed_bytes, 4096);
	assert_in_range(second.stored_bytes, 4096, 4096 + 4 * 1200 + 1024);
	assert_point_equals(repo, &second, model);

	memset(chosen, 0, model->nr_chunks); /* k changes: at most k nodes per level */
	for (int k = 0; k < 50; k++) {
		uint64_t chunk = model_random(model) % model->nr_chunks;

		chosen[chunk] = 1;
		model_fill(model, chunk, CONTENT_RANDOM);
	}
	assert_success(model_backup(repo, model, &second, chosen, 3, &third));
	assert_true(count_blobs(fixture, TMC_BLOB_NODE) <= nr_nodes + 4 + 50 + 40 + 2 + 1);
	assert_point_equals(repo, &third, model);
	free(chosen);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void an_unchanged_volume_stores_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(300 * 4096, 4096);
	struct tmc_volume volume = model_volume(model);
	struct tmc_point first, second, third;
	struct tmc_backup_stats stats;
	struct tmc_backup *backup;
	uint8_t none[300] = { 0 };

	assert_success(model_backup(repo, model, NULL, NULL, 1, &first));
	assert_success(model_backup(repo, model, &first, none, 2, &second));
	assert_int_equal(second.stored_bytes, 0);
	assert_int_equal(second.changed_bytes, 0);
	assert_point_equals(repo, &second, model);

	assert_success(tmc_backup_begin(repo, &volume, &second, 1, &backup));
	assert_success(put_range(backup, model, 0, 300, NULL));
	do
		tmc_backup_get_stats(backup, &stats);
	while (stats.hashed_bytes < model->bytes);
	assert_success(tmc_backup_commit(backup, 3, 0, &third));
	assert_int_equal(stats.unchanged_bytes, model->bytes);
	assert_int_equal(third.stored_bytes, 0);
	assert_int_equal(count_files(fixture, "index"), 1);
	assert_point_equals(repo, &third, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void content_that_comes_back_is_not_stored_again(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct model *model = model_create(100 * 65536, 65536);
	uint8_t chosen[100] = { [7] = 1 };
	uint8_t *old = malloc(65536);
	struct tmc_point points[3];

	for (uint64_t chunk = 0; chunk < 100; chunk++)
		model_fill(model, chunk, CONTENT_RANDOM);
	assert_success(model_backup(repo, model, NULL, NULL, 1, &points[0]));
	memcpy(old, model->data + 7 * 65536, 65536);
	model_fill(model, 7, CONTENT_TEXT);
	assert_success(model_backup(repo, model, &points[0], chosen, 2, &points[1]));
	memcpy(model->data + 7 * 65536, old, 65536);
	assert_success(model_backup(repo, model, &points[1], chosen, 3, &points[2]));
	assert_int_equal(points[2].stored_bytes, 0); /* even the nodes are the first point's */
	assert_int_equal(points[2].changed_bytes, 65536);
	assert_point_equals(repo, &points[2], model);
	free(old);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void zeroing_everything_leaves_an_empty_tree(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(1100 * 4096, 4096);
	struct tmc_point first, second;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &first));
	memset(model->data, 0, model->bytes);
	assert_success(model_backup(repo, model, &first, NULL, 2, &second));
	assert_int_equal(second.stored_bytes, 0);
	assert_point_equals(repo, &second, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

/* ------------------------------------------------------------------ unreadable */

static void unreadable_ranges_are_named_and_can_heal(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(3000 * 4096 + 5, 4096);
	uint8_t *chosen = calloc(model->nr_chunks, 1);
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup *backup;
	struct tmc_point points[3];

	memset(model->unreadable + 100, 1, 50);
	memset(model->unreadable + 1024, 1, 1024 + 70); /* whole subtrees */
	model->unreadable[3000] = 1;                    /* the tail */
	assert_success(tmc_backup_begin(repo, &volume, NULL, 2, &backup));
	assert_success(tmc_backup_put_unreadable(backup, 100, 50));
	assert_success(tmc_backup_put_unreadable(backup, 1024, 1024 + 70));
	assert_success(tmc_backup_put_unreadable(backup, 3000, 1));
	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		if (!model->unreadable[chunk])
			assert_success(put_range(backup, model, chunk, 1, NULL));
	assert_success(tmc_backup_commit(backup, 1, 0, &points[0]));
	assert_int_equal(points[0].unreadable_chunks, 50 + 1024 + 70 + 1);
	assert_point_equals(repo, &points[0], model);

	for (uint64_t chunk = 1000; chunk < 1500; chunk++) { /* some can be read again */
		model_fill(model, chunk, CONTENT_RANDOM);
		chosen[chunk] = 1;
	}
	model->unreadable[3] = 1; /* and one no more */
	chosen[3] = 1;
	assert_success(model_backup(repo, model, &points[0], chosen, 2, &points[1]));
	assert_int_equal(points[1].unreadable_chunks, 50 + 1024 + 70 + 1 - 476 + 1);
	assert_point_equals(repo, &points[1], model);

	memset(model->unreadable, 1, model->nr_chunks);
	assert_success(tmc_backup_begin(repo, &volume, &points[1], 2, &backup));
	assert_success(tmc_backup_put_unreadable(backup, 0, model->nr_chunks));
	assert_success(tmc_backup_commit(backup, 3, 0, &points[2]));
	assert_int_equal(points[2].unreadable_chunks, model->nr_chunks);
	assert_int_equal(points[2].stored_bytes, 0);
	assert_point_equals(repo, &points[2], model);
	assert_verified(repo, 3);
	free(chosen);
	model_destroy(model);
	tmc_repo_close(repo);
}

/* --------------------------------------------------------------------- mistakes */

static void a_missing_chunk_is_refused_at_commit(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(100 * 4096, 4096);
	uint8_t chosen[100];
	struct tmc_point point, *points;
	size_t nr;

	memset(chosen, 1, sizeof(chosen));
	chosen[42] = 0;
	assert_int_equal(model_backup(repo, model, NULL, chosen, 1, &point), -EINVAL);
	assert_non_null(strstr(tmc_error_text(), "42"));
	assert_success(tmc_point_list(repo, &points, &nr));
	assert_int_equal(nr, 0);
	assert_int_equal(count_drafts(fixture), 0);
	assert_verified(repo, 0);
	free(points);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void a_chunk_twice_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(100 * 4096, 4096);
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup *backup;
	struct tmc_point point;

	assert_success(tmc_backup_begin(repo, &volume, NULL, 1, &backup));
	assert_success(put_range(backup, model, 0, 100, NULL));
	assert_int_equal(put_range(backup, model, 50, 1, NULL), -EINVAL);
	assert_non_null(strstr(tmc_error_text(), "50"));
	assert_null(tmc_backup_buffer(backup));
	assert_int_equal(tmc_backup_commit(backup, 1, 0, &point), -EINVAL);

	assert_success(tmc_backup_begin(repo, &volume, NULL, 1, &backup));
	assert_success(put_range(backup, model, 0, 100, NULL));
	assert_int_equal(tmc_backup_put_unreadable(backup, 99, 1), -EINVAL);
	tmc_backup_abort(backup);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void chunks_beyond_the_volume_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct model *model = model_mixed(10 * 65536, 65536);
	struct tmc_volume volume = model_volume(model);
	static const uint64_t ranges[][2] = {
		{ 10, 1 }, { 9, 2 }, { UINT64_MAX, 1 }, { UINT64_MAX, 2 }, { 0, 0 }, { 0, 17 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		struct tmc_backup *backup;
		void *buffer;

		assert_success(tmc_backup_begin(repo, &volume, NULL, 1, &backup));
		buffer = tmc_backup_buffer(backup);
		assert_int_equal(tmc_backup_put(backup, ranges[i][0], (uint32_t)ranges[i][1], buffer,
						NULL), -EINVAL);
		tmc_backup_abort(backup);
	}
	model_destroy(model);
	tmc_repo_close(repo);
}

static void abort_leaves_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct model *model = model_mixed(4 * 1048576, 65536);
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup *backup;

	assert_success(tmc_backup_begin(repo, &volume, NULL, 2, &backup));
	tmc_backup_abort(backup);
	assert_success(tmc_backup_begin(repo, &volume, NULL, 2, &backup));
	assert_success(put_range(backup, model, 0, model->nr_chunks, NULL));
	tmc_backup_abort(backup);
	assert_int_equal(count_files(fixture, "packs"), 0);
	assert_int_equal(count_files(fixture, "index"), 0);
	assert_int_equal(count_files(fixture, "points"), 0);
	assert_int_equal(count_drafts(fixture), 0);
	model_destroy(model);
	tmc_repo_close(repo);
}

/* ---------------------------------------------------------------------- writers */

static void two_writers_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repos[2] = { make_repo(fixture->path, 4096) };
	struct model *models[2] = { model_mixed(600 * 4096, 4096), model_mixed(600 * 4096, 4096) };
	struct tmc_backup *backups[2];
	struct tmc_point points[2];

	assert_success(tmc_repo_open(fixture->path, &repos[1]));
	for (uint64_t chunk = 100; chunk < 200; chunk++) /* otherwise they are the same */
		model_fill(models[1], chunk, CONTENT_RANDOM);
	for (int i = 0; i < 2; i++) {
		struct tmc_volume volume = model_volume(models[i]);

		assert_success(tmc_backup_begin(repos[i], &volume, NULL, 1, &backups[i]));
	}
	for (uint64_t chunk = 0; chunk < 600; chunk += 50)
		for (int i = 0; i < 2; i++)
			assert_success(put_range(backups[i], models[i], chunk, 50, NULL));
	for (int i = 0; i < 2; i++)
		assert_success(tmc_backup_commit(backups[i], 1, 0, &points[i]));
	for (int i = 0; i < 2; i++) /* each sees what the other has written */
		for (int j = 0; j < 2; j++)
			assert_point_equals(repos[i], &points[j], models[j]);
	assert_verified(repos[0], 2);
	for (int i = 0; i < 2; i++) {
		model_destroy(models[i]);
		tmc_repo_close(repos[i]);
	}
}

static void a_live_writers_drafts_are_not_removed(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096), *other;
	struct model *model = model_mixed(200 * 4096, 4096);
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup *slow;
	struct tmc_backup_stats stats;
	struct tmc_point points[2];

	assert_success(tmc_backup_begin(repo, &volume, NULL, 1, &slow));
	assert_success(put_range(slow, model, 0, 100, NULL));
	do
		tmc_backup_get_stats(slow, &stats);
	while (!stats.stored_bytes);
	assert_int_equal(count_drafts(fixture), 1);
	assert_success(tmc_repo_open(fixture->path, &other));
	assert_success(model_backup(other, model, NULL, NULL, 1, &points[0]));
	tmc_repo_close(other);
	assert_int_equal(count_drafts(fixture), 1);
	assert_success(put_range(slow, model, 100, 100, NULL));
	assert_success(tmc_backup_commit(slow, 2, 0, &points[1]));
	assert_point_equals(repo, &points[0], model);
	assert_point_equals(repo, &points[1], model);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void a_lost_pack_is_stored_again(void **state)
{
	struct fixture *fixture = *state;
	struct file_list *files = calloc(1, sizeof(*files));
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(200 * 4096, 4096);
	struct tmc_verify_result result;
	struct tmc_point points[2];

	assert_success(model_backup(repo, model, NULL, NULL, 1, &points[0]));
	tmc_repo_close(repo);
	list_files(fixture, "packs", files);
	assert_int_equal(files->nr, 1);
	assert_int_equal(unlink(files->paths[0]), 0);

	assert_success(tmc_repo_open(fixture->path, &repo));
	assert_int_equal(extract_point(repo, &points[0], model), EXTRACTION_REFUSED);
	assert_int_equal(tmc_verify(repo, NULL, 1, NULL, NULL, NULL, &result), -EBADMSG);
	assert_int_equal(result.damaged_points, 1);
	assert_success(model_backup(repo, model, NULL, NULL, 2, &points[1]));
	assert_point_equals(repo, &points[1], model);
	assert_point_equals(repo, &points[0], model); /* healed as well */
	assert_int_equal(tmc_verify(repo, NULL, 1, NULL, NULL, NULL, &result), -EBADMSG);
	assert_int_equal(result.damaged_points, 0);
	free(files);
	model_destroy(model);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(each_generation_reads_back),
		T(one_changed_chunk_makes_one_node_per_level),
		T(an_unchanged_volume_stores_nothing),
		T(content_that_comes_back_is_not_stored_again),
		T(zeroing_everything_leaves_an_empty_tree),
		T(unreadable_ranges_are_named_and_can_heal),
		T(a_missing_chunk_is_refused_at_commit),
		T(a_chunk_twice_is_refused),
		T(chunks_beyond_the_volume_are_refused),
		T(abort_leaves_nothing),
		T(two_writers_at_once),
		T(a_live_writers_drafts_are_not_removed),
		T(a_lost_pack_is_stored_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
