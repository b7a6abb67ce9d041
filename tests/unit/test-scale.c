// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What it costs to open a repository, to list its points and to get the first byte
 * of a restore does not grow with the number of chunks: counted in calls and bytes.
 */
#include "repo_fixture.h"
#include "synthetic.h"

#include "common/io.h"

#include <pthread.h>

struct cost {
	uint64_t opens;
	uint64_t reads;
	uint64_t bytes;
};

static struct cost cost; /* of the main thread */
static atomic_bool counting;
static pthread_t main_thread;

static int counting_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	if (counting && pthread_equal(pthread_self(), main_thread))
		cost.opens++;
	return io_ops_system.openat(dir_fd, name, flags, mode);
}

/* The first read by a worker is the first of the point's content: all before it is the start. */
static ssize_t counting_pread(int fd, void *data, size_t bytes, off_t offset)
{
	if (!pthread_equal(pthread_self(), main_thread)) {
		counting = false;
	} else if (counting) {
		cost.reads++;
		cost.bytes += bytes;
	}
	return io_ops_system.pread(fd, data, bytes, offset);
}

static void start_counting(void)
{
	memset(&cost, 0, sizeof(cost));
	counting = true;
}

static int stop_at_once(void *context, uint64_t offset, const void *data, size_t bytes)
{
	atomic_bool *called = context;

	*called = true;
	return -ECANCELED;
}

struct costs {
	struct cost open, list, start;
};

static struct costs measure(const char *path, uint64_t nr_chunks)
{
	struct io_ops ops = io_ops_system;
	atomic_bool called = false;
	struct tmc_sink sink = { .data = stop_at_once, .context = &called };
	struct tmc_point *points;
	struct tmc_repo *repo;
	struct costs costs;
	size_t nr;

	main_thread = pthread_self();
	synthetic_repo(path, nr_chunks);
	ops.openat = counting_openat;
	ops.pread = counting_pread;
	io_ops = &ops;
	start_counting();
	assert_success(tmc_repo_open(path, &repo));
	costs.open = cost;
	start_counting();
	assert_success(tmc_point_list(repo, &points, &nr));
	costs.list = cost;
	assert_int_equal(nr, 1);
	start_counting();
	assert_int_equal(tmc_point_extract(repo, &points[0], 1, &sink), -ECANCELED);
	costs.start = cost;
	assert_true(called);
	assert_false(counting);
	io_ops = &io_ops_system;
	print_message("%llu chunks: open %llu reads, list %llu, start of a restore %llu, %llu KiB\n",
		      (unsigned long long)nr_chunks, (unsigned long long)costs.open.reads,
		      (unsigned long long)costs.list.reads, (unsigned long long)costs.start.reads,
		      (unsigned long long)costs.start.bytes >> 10);
	tmc_repo_close(repo);
	free(points);
	return costs;
}

static void opening_and_listing_cost_the_same_whatever_the_size(void **state)
{
	static const uint64_t sizes[] = { 10000, 1000000 };
	struct fixture *fixture = *state;
	struct costs costs[2];

	for (size_t i = 0; i < 2; i++) {
		costs[i] = measure(fixture->path, sizes[i]);
		remove_tree(fixture->path);
	}
	assert_memory_equal(&costs[0].open, &costs[1].open, sizeof(struct cost));
	assert_memory_equal(&costs[0].list, &costs[1].list, sizeof(struct cost));
	/*
	 * With one worker the planner looks up at most 64, 128 and 256 chunks before it has
	 * to wait: two reads for each of 448 chunks, four for each of 14 + 4 nodes, and some
	 * that a filter is wrong about. A small index is loaded instead: fewer.
	 */
	for (size_t i = 0; i < 2; i++) {
		assert_in_range(costs[i].start.reads, 64, 1200);
		assert_in_range(costs[i].start.bytes, 65536, 5 << 20);
		assert_in_range(costs[i].start.opens, 1, 40); /* most of them for the session */
	}
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(opening_and_listing_cost_the_same_whatever_the_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
