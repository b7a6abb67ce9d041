// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What two points differ in, by their trees, against a comparison chunk by chunk.
 */
#include "repo_fixture.h"

#include "common/io.h"

#define CHUNK 4096u

struct found {
	uint8_t *differs; /* by chunk of the larger volume */
	uint64_t end, sum;
	uint64_t nr_ranges;
	bool misused;
};

static int note_range(void *context, uint64_t offset, uint64_t bytes)
{
	struct found *found = context;

	if (!bytes || (found->nr_ranges && offset <= found->end))
		found->misused = true; /* not ascending, or not joined */
	for (uint64_t chunk = offset / CHUNK; chunk * CHUNK < offset + bytes; chunk++)
		found->differs[chunk] = 1;
	found->nr_ranges++;
	found->end = offset + bytes;
	found->sum += bytes;
	return 0;
}

static bool chunks_differ(const struct model *a, const struct model *b, uint64_t chunk)
{
	if (chunk >= a->nr_chunks || chunk >= b->nr_chunks ||
	    model_chunk_size(a, chunk) != model_chunk_size(b, chunk))
		return true;
	if (a->unreadable[chunk] || b->unreadable[chunk])
		return a->unreadable[chunk] != b->unreadable[chunk];
	return memcmp(a->data + chunk * CHUNK, b->data + chunk * CHUNK, model_chunk_size(a, chunk));
}

static void assert_diff(struct tmc_repo *repo, const struct model *a, const struct tmc_point *at_a,
			const struct model *b, const struct tmc_point *at_b)
{
	const struct model *larger = a->bytes > b->bytes ? a : b;
	struct found found = { .differs = calloc(larger->nr_chunks + 1, 1) };
	uint64_t bytes;

	assert_success(tmc_point_diff(repo, at_a, at_b, note_range, &found, &bytes));
	assert_false(found.misused);
	assert_int_equal(bytes, found.sum);
	for (uint64_t chunk = 0; chunk < larger->nr_chunks; chunk++)
		if (found.differs[chunk] != chunks_differ(a, b, chunk))
			fail_msg("chunk %llu of %llu and %llu: %s", (unsigned long long)chunk,
				 (unsigned long long)a->nr_chunks, (unsigned long long)b->nr_chunks,
				 found.differs[chunk] ? "is said to differ" : "is missed");
	free(found.differs);
}

static void change_some(struct model *model)
{
	for (uint64_t i = 0; i < 1 + model->nr_chunks / 50; i++) {
		uint64_t chunk = model_random(model) % model->nr_chunks;

		model_fill(model, chunk, (enum content)(model_random(model) % NR_CONTENTS));
		model->unreadable[chunk] = model_random(model) % 5 == 0;
	}
}

/* Sizes around the ends of chunks, nodes and levels, each against each. */
static void every_pair_of_points_differs_where_its_chunks_do(void **state)
{
	static const uint64_t sizes[] = { 1, CHUNK, CHUNK + 1, 32 * CHUNK, 32 * CHUNK + 1, 40 * CHUNK,
					  1024 * CHUNK - 5, 1025 * CHUNK, 1500 * CHUNK + 77 };
	enum { NR = 2 * sizeof(sizes) / sizeof(*sizes) };
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct tmc_point points[NR];
	struct model *models[NR];

	for (int i = 0; i < NR; i++) {
		models[i] = model_mixed(sizes[i / 2], CHUNK);
		if (i % 2)
			change_some(models[i]);
		assert_success(model_backup(repo, models[i], NULL, NULL, i + 1, &points[i]));
	}
	for (int a = 0; a < NR; a++)
		for (int b = 0; b < NR; b++)
			assert_diff(repo, models[a], &points[a], models[b], &points[b]);
	for (int i = 0; i < NR; i++)
		model_destroy(models[i]);
	tmc_repo_close(repo);
}

static void a_volume_that_grew_by_zeros_differs_beyond_its_old_end(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *small = model_create(10 * CHUNK + 100, CHUNK);
	struct model *large = model_create(2000 * CHUNK, CHUNK);
	struct tmc_point a, b;
	uint64_t bytes;

	assert_success(model_backup(repo, small, NULL, NULL, 1, &a));
	assert_success(model_backup(repo, large, NULL, NULL, 2, &b));
	assert_success(tmc_point_diff(repo, &a, &b, NULL, NULL, &bytes));
	assert_int_equal(bytes, large->bytes - small->bytes);
	model_destroy(small);
	model_destroy(large);
	tmc_repo_close(repo);
}

static unsigned int nr_reads; /* of nodes, points and heads; blocks of an index are larger */

static ssize_t counting_pread(int fd, void *data, size_t bytes, off_t offset)
{
	nr_reads += bytes < CHUNK;
	return io_ops_system.pread(fd, data, bytes, offset);
}

/* 40 changed chunks of 20000: at most 4 nodes in each tree above each of them. */
static void the_cost_grows_with_what_differs(void **state)
{
	static struct io_ops counting;
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *model = model_create(20000u * CHUNK, CHUNK);
	struct tmc_point a, b;
	uint64_t bytes;
	unsigned int nr_same;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		memcpy(model->data + chunk * CHUNK, &(uint64_t){ chunk + 1 }, sizeof(chunk));
	assert_success(model_backup(repo, model, NULL, NULL, 1, &a));
	for (uint64_t i = 0; i < 40; i++)
		model_fill(model, 7 + i * 499, CONTENT_RANDOM);
	assert_success(model_backup(repo, model, &a, NULL, 2, &b));
	counting = io_ops_system;
	counting.pread = counting_pread;
	io_ops = &counting;
	assert_success(tmc_point_diff(repo, &a, &b, NULL, NULL, &bytes));
	nr_same = nr_reads; /* opens indexes and packs, too */
	nr_reads = 0;
	assert_success(tmc_point_diff(repo, &a, &b, NULL, NULL, &bytes));
	assert_int_equal(bytes, 40 * CHUNK);
	assert_in_range(nr_reads, 40, 2 * 4 * 40 + 2);
	assert_in_range(nr_same, nr_reads, nr_reads + 2000);
	nr_reads = 0;
	assert_success(tmc_point_diff(repo, &a, &a, NULL, NULL, &bytes));
	assert_int_equal(bytes, 0);
	assert_in_range(nr_reads, 0, 2); /* the points themselves */
	io_ops = &io_ops_system;
	model_destroy(model);
	tmc_repo_close(repo);
}

static int stop(void *context, uint64_t offset, uint64_t bytes)
{
	return -ECANCELED;
}

static void the_callback_stops_the_comparison(void **state)
{
	struct fixture *fixture = *state;
	struct tmc_repo *repo = make_repo(fixture->path, CHUNK);
	struct model *model = model_mixed(100 * CHUNK, CHUNK);
	struct tmc_point a, b;
	uint64_t bytes = 42;

	assert_success(model_backup(repo, model, NULL, NULL, 1, &a));
	model_fill(model, 5, CONTENT_RANDOM);
	assert_success(model_backup(repo, model, NULL, NULL, 2, &b));
	assert_int_equal(tmc_point_diff(repo, &a, &b, stop, NULL, &bytes), -ECANCELED);
	assert_int_equal(bytes, 42);
	model_destroy(model);
	tmc_repo_close(repo);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(every_pair_of_points_differs_where_its_chunks_do),
		T(a_volume_that_grew_by_zeros_differs_beyond_its_old_end),
		T(the_cost_grows_with_what_differs),
		T(the_callback_stops_the_comparison),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
