// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A scan that comes to no end: what it has read is not read again unless it is written to, and
 * nothing is made of it but the scan that goes on.
 */
#include "protection_scene.h"

/* The only point that is the part of a scan, and how many there are. */
static size_t find_part(struct scene *scene, struct tmc_point *ret_part)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_point *points;
	size_t nr, nr_parts = 0;

	assert_success(tmc_point_list(repo, &points, &nr));
	for (size_t i = 0; i < nr; i++)
		if (points[i].moment.settles_seq == UINT64_MAX) {
			*ret_part = points[i];
			nr_parts++;
		}
	free(points);
	tmc_repo_close(repo);
	return nr_parts;
}

/* Scans slowly until so much has been read, and is stopped then. */
static struct tmc_point scan_a_part(struct scene *scene, uint64_t bytes)
{
	struct tmc_point part = {0};

	scene->settings.scan_bytes_per_second = 8u << 20;
	start(scene);
	wait_until(scene, has_scanned, bytes);
	stop(scene);
	assert_true(find_part(scene, &part) > 0);
	scene->settings.scan_bytes_per_second = 0;
	return part;
}

static bool has_no_part(struct scene *scene)
{
	struct tmc_point part;

	return find_part(scene, &part) == 0;
}

static void wait_until_no_part_is_left(struct scene *scene)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;

	while (!has_no_part(scene)) {
		if (clock_ns(CLOCK_MONOTONIC) > end_ns)
			fail_msg("a part of a scan is left");
		usleep(20000);
	}
}

static void what_was_read_is_not_read_again(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;
	struct tmc_point part;

	touch(scene, 0, NR_CHUNKS);
	part = scan_a_part(scene, VOLUME_BYTES / 4);
	assert_true(part.unreadable_chunks > 0 && part.unreadable_chunks <= NR_CHUNKS * 3 / 4);
	assert_int_equal(module_dirty_chunks(scene->module), 0);
	start(scene);
	status = wait_for_streaming(scene);
	assert_int_equal(status.scan_bytes, part.unreadable_chunks * CHUNK);
	assert_int_equal(status.scanned_bytes, part.unreadable_chunks * CHUNK);
	wait_until_no_part_is_left(scene);
	end_well(scene);
	assert_int_equal(scene->nr_parts_checked, 1);
	check_end(scene, VOLUME_BYTES);
}

/* Of both what was read and what was not. */
static void what_was_written_since_is_read(void **state)
{
	struct scene *scene = *state;
	struct tmc_point part;

	touch(scene, 0, NR_CHUNKS);
	part = scan_a_part(scene, VOLUME_BYTES / 4);
	touch(scene, 1, 5);
	touch(scene, NR_CHUNKS - 5, 5);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, (part.unreadable_chunks + 5) * CHUNK);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void a_scan_can_be_stopped_again_and_again(void **state)
{
	struct scene *scene = *state;
	uint64_t last_bytes = VOLUME_BYTES;

	touch(scene, 0, NR_CHUNKS);
	for (unsigned int i = 0; i < 4; i++) {
		scene->settings.scan_bytes_per_second = 4u << 20;
		start(scene);
		wait_until(scene, has_scanned, 1);
		assert_true(i == 0 || status_of(scene).scan_bytes < last_bytes);
		last_bytes = status_of(scene).scan_bytes;
		stop(scene);
	}
	scene->settings.scan_bytes_per_second = 0;
	start(scene);
	wait_for_streaming(scene);
	wait_until_no_part_is_left(scene);
	end_well(scene);
	assert_true(scene->nr_parts_checked >= 4);
	check_end(scene, VOLUME_BYTES);
}

static void under_writers_each_instant_is_right(void **state)
{
	struct scene *scene = *state;
	struct writers_options options = {
		.seed = 31, .pause_us = 2000,
		.first_sector = VOLUME_BYTES / SECTOR - WRITERS_NR * WRITERS_SECTORS,
	};
	unsigned int seed = 31;

	touch(scene, 0, NR_CHUNKS);
	scene->writers = writers_start(scene->module, &options);
	for (unsigned int i = 0; i < 6; i++) {
		scene->settings.scan_bytes_per_second = 8u << 20;
		start(scene);
		wait_until(scene, has_scanned, 1);
		usleep((useconds_t)rand_r(&seed) % 100000);
		if (i % 2)
			module_lose_stream(scene->module);
		usleep((useconds_t)rand_r(&seed) % 200000);
		stop(scene);
	}
	scene->settings.scan_bytes_per_second = 0;
	start(scene);
	wait_for_streaming(scene);
	promise(scene, clock_ns(CLOCK_REALTIME), UINT64_MAX);
	usleep(200000);
	end_well(scene);
	assert_true(scene->nr_parts_checked > 0);
	check_marks(scene, 3);
	check_end(scene, VOLUME_BYTES);
}

static void a_stream_that_is_lost_costs_no_part(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	touch(scene, 0, NR_CHUNKS);
	scene->settings.scan_bytes_per_second = 8u << 20;
	start(scene);
	wait_until(scene, has_scanned, VOLUME_BYTES / 2);
	module_lose_stream(scene->module);
	status = wait_until(scene, had_gaps, 1);
	assert_true(status.scan_bytes <= VOLUME_BYTES / 2);
	end_well(scene);
	assert_int_equal(scene->nr_parts_checked, 1);
	check_end(scene, VOLUME_BYTES);
}

static void nothing_is_made_of_a_part(void **state)
{
	struct scene *scene = *state;
	struct tmc_journal_forgotten forgotten;
	struct tmc_verify_result result;
	struct tmc_interval *intervals;
	struct tmc_repo *repo;
	struct tmc_point point;
	size_t nr;

	touch(scene, 0, NR_CHUNKS);
	scan_a_part(scene, VOLUME_BYTES / 4);
	repo = open_repo(scene);
	assert_success(tmc_interval_list(repo, NAME, &intervals, &nr));
	assert_int_equal(nr, 0);
	assert_int_equal(tmc_point_find(repo, "latest", NULL, &point), -ENOENT);
	free(intervals);
	assert_success(tmc_verify(repo, NULL, 1, print_damage, NULL, (void *)"", &result));
	assert_success(tmc_journal_forget(repo, NAME, 1, false, &forgotten));
	tmc_repo_close(repo);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

/* Nobody knows the module's base, and what the latest point has is something else. */
static void a_part_of_everything_takes_nothing_from_the_latest_point(void **state)
{
	static const uint8_t base[MODULE_BASE_BYTES] = {1, 2, 3};
	struct scene *scene = *state;
	struct tmc_point part;

	end_well(scene);
	touch(scene, 0, NR_CHUNKS);
	module_set_base(scene->module, base);
	part = scan_a_part(scene, VOLUME_BYTES / 4);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, part.unreadable_chunks * CHUNK);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void a_part_that_is_gone_means_that_all_is_read(void **state)
{
	struct scene *scene = *state;
	struct tmc_point part;
	struct tmc_repo *repo;

	touch(scene, 0, NR_CHUNKS);
	part = scan_a_part(scene, VOLUME_BYTES / 4);
	repo = open_repo(scene);
	assert_success(tmc_forget(repo, &part.id, 1));
	tmc_repo_close(repo);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, VOLUME_BYTES);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_read_is_not_read_again),
		TEST(what_was_written_since_is_read),
		TEST(a_scan_can_be_stopped_again_and_again),
		TEST(under_writers_each_instant_is_right),
		TEST(a_stream_that_is_lost_costs_no_part),
		TEST(nothing_is_made_of_a_part),
		TEST(a_part_of_everything_takes_nothing_from_the_latest_point),
		TEST(a_part_that_is_gone_means_that_all_is_read),
	};

	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
