// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What goes into a backup comes out of its point, bit for bit.
 */
#include "repo_fixture.h"

#include <pthread.h>

static void round_trip(struct fixture *fixture, struct model *model)
{
	struct tmc_repo *repo = make_repo(fixture->path, model->chunk_bytes);
	struct tmc_point point;

	assert_success(model_backup(repo, model, NULL, NULL, 1000, &point));
	assert_point_equals(repo, &point, model);
	assert_verified(repo, 1);
	tmc_repo_close(repo);

	assert_success(tmc_repo_open(fixture->path, &repo)); /* nothing lives in memory only */
	assert_point_equals(repo, &point, model);
	tmc_repo_close(repo);
	assert_int_equal(count_drafts(fixture), 0);
	model_destroy(model);
	remove_tree(fixture->path);
}

static void mixed_content_of_each_chunk_size(void **state)
{
	round_trip(*state, model_mixed(3 * 1048576, 4096));
	round_trip(*state, model_mixed(6 * 1048576, 65536));
	round_trip(*state, model_mixed(9 * 1048576, 1048576));
}

static void a_tail_chunk_of_any_length(void **state)
{
	static const uint64_t tails[] = { 1, 512, 4095, 4096, 4097, 65535 };

	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		round_trip(*state, model_mixed(40 * 65536 + tails[i], 65536));
		round_trip(*state, model_mixed(tails[i], 65536));
	}
}

static void sizes_around_a_full_node(void **state)
{
	for (uint64_t nr = 31; nr <= 33; nr++)
		round_trip(*state, model_mixed(nr * 4096, 4096));
	for (uint64_t nr = 1023; nr <= 1025; nr++)
		round_trip(*state, model_mixed(nr * 4096, 4096));
}

static void one_content_throughout(void **state)
{
	for (int content = 0; content < NR_CONTENTS; content++) {
		struct model *model = model_create(70 * 4096 + 100, 4096);

		for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
			model_fill(model, chunk, (enum content)content);
		round_trip(*state, model);
	}
}

static void an_empty_volume(void **state)
{
	round_trip(*state, model_create(0, 65536));
}

static void a_last_chunk_of_zeros(void **state)
{
	struct model *model = model_mixed(65 * 4096, 4096);

	model_fill(model, 64, CONTENT_ZERO);
	round_trip(*state, model);
}

static void a_volume_of_zeros_stores_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct model *model = model_create(64 * 1048576, 65536);
	struct tmc_point point;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_int_equal(point.stored_bytes, 0);
	assert_int_equal(point.changed_bytes, 0);
	assert_int_equal(count_files(fixture, "packs"), 0);
	assert_int_equal(count_files(fixture, "index"), 0);
	assert_point_equals(repo, &point, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void duplicates_are_stored_once(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct model *model = model_create(32 * 1048576, 65536);
	struct tmc_point point;

	model_fill(model, 0, CONTENT_RANDOM);
	for (uint64_t chunk = 1; chunk < model->nr_chunks; chunk++)
		memcpy(model->data + chunk * 65536, model->data, 65536);
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_in_range(point.stored_bytes, 65536, 65536 + 16384);
	assert_int_equal(point.changed_bytes, model->bytes);
	assert_point_equals(repo, &point, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void a_second_full_backup_stores_nothing_new(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(4 * 1048576, 4096);
	struct tmc_point first, second;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &first));
	assert_success(model_backup(repo, model, NULL, NULL, 2, &second));
	assert_true(first.stored_bytes > 0);
	assert_int_equal(second.stored_bytes, 0);
	assert_memory_not_equal(&first.id, &second.id, sizeof(first.id));
	assert_point_equals(repo, &second, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void the_point_says_what_was_said_of_it(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct model *model = model_mixed(5 * 65536 + 17, 65536);
	struct tmc_volume volume = model_volume(model);
	struct tmc_point point, loaded;

	assert_success(model_backup(repo, model, NULL, NULL, 12345, &point));
	assert_success(tmc_point_get(repo, &point.id, &loaded));
	assert_memory_equal(&loaded, &point, sizeof(point));
	assert_memory_equal(&loaded.volume, &volume, sizeof(volume));
	assert_int_equal(loaded.cut_time_ns, 12345);
	assert_int_equal(loaded.read_bytes, model->bytes);
	assert_int_equal(loaded.chunk_bytes, 65536);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void the_statistics_add_up(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_create(40 * 4096, 4096);
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup_stats stats;
	struct tmc_backup *backup;
	struct tmc_point point;
	void *buffer;

	for (uint64_t chunk = 0; chunk < 30; chunk++)
		model_fill(model, chunk, CONTENT_RANDOM);
	memcpy(model->data + 5 * 4096, model->data, 4096); /* chunk 5 is chunk 0 again */
	assert_success(tmc_backup_begin(repo, &volume, NULL, 1, &backup));
	assert_success(put_range(backup, model, 0, 40, NULL));
	do
		tmc_backup_get_stats(backup, &stats);
	while (stats.hashed_bytes < model->bytes || stats.stored_bytes < 29 * 4096);
	assert_int_equal(stats.hashed_bytes, model->bytes);
	assert_int_equal(stats.zero_bytes, 10 * 4096);
	assert_int_equal(stats.known_bytes, 4096);
	assert_int_equal(stats.unchanged_bytes, 0);
	buffer = tmc_backup_buffer(backup);
	assert_non_null(buffer);
	tmc_backup_buffer_return(backup, buffer);
	assert_success(tmc_backup_commit(backup, 1, 7, &point));
	assert_int_equal(point.read_bytes, 7);
	assert_int_equal(point.changed_bytes, 30 * 4096);
	assert_true(point.stored_bytes >= stats.stored_bytes);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void chunks_in_any_order(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(500 * 4096 + 9, 4096);
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup *backup;
	struct tmc_point point;

	assert_success(tmc_backup_begin(repo, &volume, NULL, 3, &backup));
	for (uint64_t n = 0; n < model->nr_chunks; n++) /* 100 and 501 have no common factor */
		assert_success(put_range(backup, model, n * 100 % model->nr_chunks, 1, NULL));
	assert_success(tmc_backup_commit(backup, 1, 0, &point));
	assert_point_equals(repo, &point, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void a_buffer_of_which_some_chunks_count(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(256 * 4096, 4096);
	struct tmc_volume volume = model_volume(model);
	uint8_t odd[256], even[256];
	struct tmc_backup *backup;
	struct tmc_point point;

	for (int i = 0; i < 256; i++) {
		odd[i] = i & 1;
		even[i] = !odd[i];
	}
	assert_success(tmc_backup_begin(repo, &volume, NULL, 2, &backup));
	assert_success(put_range(backup, model, 0, 256, odd));
	assert_success(put_range(backup, model, 0, 256, even));
	assert_success(tmc_backup_commit(backup, 1, 0, &point));
	assert_point_equals(repo, &point, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

struct putter {
	struct tmc_backup *backup;
	const struct model *model;
	uint64_t first, nr;
	int ret;
};

static void *putter_thread(void *context)
{
	struct putter *putter = context;

	putter->ret = put_range(putter->backup, putter->model, putter->first, putter->nr, NULL);
	return NULL;
}

static void chunks_from_several_threads(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	struct model *model = model_mixed(16 * 1048576, 4096);
	struct tmc_volume volume = model_volume(model);
	struct putter putters[4];
	pthread_t threads[4];
	struct tmc_backup *backup;
	struct tmc_point point;

	assert_success(tmc_backup_begin(repo, &volume, NULL, 2, &backup));
	for (unsigned int i = 0; i < 4; i++) {
		putters[i] = (struct putter){ backup, model, i * 1024, 1024, 0 };
		pthread_create(&threads[i], NULL, putter_thread, &putters[i]);
	}
	for (unsigned int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(putters[i].ret, 0);
	}
	assert_success(tmc_backup_commit(backup, 1, 0, &point));
	assert_point_equals(repo, &point, model);
	assert_verified(repo, 1);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void more_than_one_pack(void **state)
{
	struct model *model = model_create(40 * 1048576, 65536);

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++) {
		uint64_t *words = (uint64_t *)(model->data + chunk * 65536);

		for (size_t i = 0; i < 65536 / sizeof(*words); i++)
			words[i] = model_random(model);
	}
	round_trip(*state, model);
}

static int count_call(void *context, uint64_t offset, const void *data, size_t bytes)
{
	atomic_fetch_add((atomic_uint *)context, 1);
	return 0;
}

static void scattered_chunks_come_together(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, 65536);
	struct model *model = model_create(20 * 1048576 + 7, 65536);
	struct tmc_point first, second;
	atomic_uint nr_calls = 0;
	const struct tmc_sink sink = { .data = count_call, .context = &nr_calls };

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, CONTENT_TEXT);
	assert_success(model_backup(repo, model, NULL, NULL, 1, &first));
	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk += 2)
		model_fill(model, chunk, CONTENT_TEXT);
	assert_success(model_backup(repo, model, NULL, NULL, 2, &second));
	assert_success(tmc_point_extract(repo, &second, 2, &sink));
	assert_int_equal(nr_calls, 21);
	assert_point_equals(repo, &second, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(mixed_content_of_each_chunk_size),
		T(a_tail_chunk_of_any_length),
		T(sizes_around_a_full_node),
		T(one_content_throughout),
		T(an_empty_volume),
		T(a_last_chunk_of_zeros),
		T(a_volume_of_zeros_stores_nothing),
		T(duplicates_are_stored_once),
		T(a_second_full_backup_stores_nothing_new),
		T(the_point_says_what_was_said_of_it),
		T(the_statistics_add_up),
		T(chunks_in_any_order),
		T(a_buffer_of_which_some_chunks_count),
		T(chunks_from_several_threads),
		T(more_than_one_pack),
		T(scattered_chunks_come_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
