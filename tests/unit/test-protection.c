// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The life of a protection: from the first scan on, over starts, gaps and stops.
 */
#include "protection_scene.h"

static void a_volume_is_protected_from_the_first_scan_on(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	scene->settings.points_ns = 100 * MS;
	begin_writing(scene, 1);
	start(scene);
	status = wait_for_streaming(scene);
	assert_int_equal(status.scan_bytes, VOLUME_BYTES);
	assert_int_equal(status.volume_bytes, VOLUME_BYTES);
	usleep(400000);
	wait_for_commits(scene, 4);
	promise_everything(scene);
	end_well(scene);
	check_marks(scene, 5);
	check_end(scene, VOLUME_BYTES);
	assert_int_equal(scene->nr_commits_unchecked, 0);
}

static void a_second_start_reads_what_was_written_meanwhile(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	begin_writing(scene, 2);
	end_well(scene);
	writers_free(scene->writers);
	touch(scene, 100, 7);
	assert_int_equal(module_dirty_chunks(scene->module), 7);
	start(scene);
	status = wait_for_streaming(scene);
	assert_int_equal(status.scan_bytes, 7 * CHUNK);
	assert_int_equal(status.scanned_bytes, 7 * CHUNK);
	begin_writing(scene, 3);
	usleep(300000);
	promise_everything(scene);
	end_well(scene);
	check_marks(scene, 5);
	check_end(scene, VOLUME_BYTES);
}

static void a_gap_costs_what_was_written_in_it(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	start(scene);
	wait_for_streaming(scene);
	begin_writing(scene, 4);
	for (unsigned int i = 0; i < 3; i++) {
		usleep(200000);
		module_lose_stream(scene->module);
		status = wait_until(scene, had_gaps, i + 1);
		assert_true(status.scan_bytes < VOLUME_BYTES / 4);
		assert_true(module_is_streaming(scene->module));
	}
	usleep(200000);
	promise_everything(scene);
	end_well(scene);
	check_marks(scene, 5);
	check_end(scene, VOLUME_BYTES);
}

/* The ring holds a few writes, and whoever finds no room waits 2 ms. */
static void a_ring_that_is_too_small_makes_gaps_and_no_lies(void **state)
{
	struct scene *scene = *state;
	uint64_t nr_gaps = 0;
	struct writers_options hurried = {.seed = 5, .pause_us = 200, .first_sector = 13};
	struct module_options options = {
		.name = "small", .volume_bytes = VOLUME_BYTES, .chunk_bytes = CHUNK,
		.ring_bytes = 65536, .stall_ms = 2, .flight_us = 100,
		.committing = check_commit, .context = scene,
	};

	module_destroy(scene->module);
	options.name = NAME;
	scene->module = module_create(&options);
	scene->writers = writers_start(scene->module, &hurried);
	start(scene);
	wait_for_streaming(scene);
	for (unsigned int i = 0; i < 10; i++) {
		usleep(60000);
		module_be_quiet(scene->module, true);
		usleep(20000);
		module_be_quiet(scene->module, false);
		nr_gaps = status_of(scene).nr_gaps;
	}
	promise_everything(scene);
	end_well(scene);
	assert_true(nr_gaps > 0);
	check_marks(scene, 5);
	check_end(scene, VOLUME_BYTES);
}

static void the_stream_can_be_lost_while_it_scans(void **state)
{
	struct scene *scene = *state;

	scene->settings.scan_bytes_per_second = 8u << 20;
	begin_writing(scene, 6);
	start(scene);
	wait_until(scene, has_scanned, 1u << 20);
	module_lose_stream(scene->module);
	wait_until(scene, had_gaps, 1);
	promise_everything(scene);
	end_well(scene);
	check_marks(scene, 1);
	check_end(scene, VOLUME_BYTES);
}

/* Refused, or as it was. */
static void check_instant(struct scene *scene, const struct tmc_when *when, const uint8_t *expected)
{
	uint8_t *data = malloc(VOLUME_BYTES);
	struct tmc_repo *repo = open_repo(scene);
	int r = look_at(repo, when, data);

	assert_true(r == 0 || r == -ENOENT);
	if (r == 0)
		assert_memory_equal(data, expected, VOLUME_BYTES);
	tmc_repo_close(repo);
	free(data);
}

/* The scan has read the first half; what it reads now is in records, or in none. */
static struct protection_status begin_slow_scan(struct scene *scene)
{
	struct protection_status status;

	scene->settings.scan_bytes_per_second = 4u << 20;
	start(scene);
	status = wait_until(scene, has_scanned, VOLUME_BYTES / 2);
	module_be_quiet(scene->module, true);
	return status;
}

/* Between the mark and the last read there is a write that the scan has seen. */
static void instants_begin_behind_the_last_read_of_a_scan(void **state)
{
	struct scene *scene = *state;
	struct tmc_when when = {.kind = TMC_WHEN_MARK, .mark = "before"};
	uint8_t *before = malloc(VOLUME_BYTES);

	touch(scene, NR_CHUNKS - 4, 4);
	module_read(scene->module, 0, VOLUME_BYTES / SECTOR, before);
	begin_slow_scan(scene);
	assert_int_equal(module_mark(scene->module, "before"), 0);
	touch(scene, NR_CHUNKS - 8, 8);
	wait_until(scene, has_scanned, VOLUME_BYTES);
	usleep(500000); /* what the last read has to rest, and more */
	module_be_quiet(scene->module, false);
	end_well(scene);
	check_instant(scene, &when, before);
	check_end(scene, VOLUME_BYTES);
	free(before);
}

/* Nothing has told the agent of the hole when the scan reads what no record tells. */
static void what_is_read_behind_a_hole_is_no_instant(void **state)
{
	struct scene *scene = *state;
	struct tmc_when when = {.kind = TMC_WHEN_SEQ};
	uint8_t *before = malloc(VOLUME_BYTES);

	touch(scene, 0, 4);
	touch(scene, NR_CHUNKS - 4, 4);
	module_read(scene->module, 0, VOLUME_BYTES / SECTOR, before);
	when.seq = begin_slow_scan(scene).recorder.first_seq;
	module_lose_stream(scene->module);
	touch(scene, NR_CHUNKS - 8, 8);
	wait_until(scene, has_scanned, VOLUME_BYTES);
	usleep(500000);
	module_be_quiet(scene->module, false);
	end_well(scene);
	check_instant(scene, &when, before);
	check_end(scene, VOLUME_BYTES);
	free(before);
}

/* Their parts are read last. */
static void marks_that_come_while_it_scans_are_right(void **state)
{
	struct scene *scene = *state;
	struct writers_options options = {
		.seed = 14, .pause_us = 3000,
		.first_sector = VOLUME_BYTES / SECTOR - WRITERS_NR * WRITERS_SECTORS,
	};

	scene->settings.scan_bytes_per_second = 8u << 20;
	scene->writers = writers_start(scene->module, &options);
	start(scene);
	wait_for_streaming(scene);
	promise(scene, scene->start_ns, UINT64_MAX);
	end_well(scene);
	check_marks(scene, 3);
	check_end(scene, VOLUME_BYTES);
}

static void the_stream_is_seen_to_go_on_while_it_scans(void **state)
{
	struct scene *scene = *state;
	uint64_t seq;

	scene->settings.scan_bytes_per_second = 4u << 20;
	start(scene);
	seq = wait_until(scene, has_scanned, VOLUME_BYTES / 4).recorder.seq;
	touch(scene, 7, 3);
	wait_until(scene, has_recorded, seq + 3);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static size_t count_segments(struct scene *scene)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_segment *segments;
	size_t nr;

	assert_success(tmc_segment_list(repo, NAME, &segments, &nr));
	free(segments);
	tmc_repo_close(repo);
	return nr;
}

/* At most the one of a cut that was made just then comes yet. */
static void an_idle_volume_makes_no_segments(void **state)
{
	struct scene *scene = *state;
	size_t nr;

	start(scene);
	wait_for_streaming(scene);
	touch(scene, 7, 3);
	usleep(500000);
	nr = count_segments(scene);
	usleep(1000000);
	assert_true(count_segments(scene) <= nr + 1);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void writes_that_fail_are_read_again(void **state)
{
	struct scene *scene = *state;
	struct writers_options options = {
		.seed = 7, .pause_us = 4000, .first_sector = 13, .fail = true,
	};

	scene->settings.points_ns = 100 * MS;
	scene->writes_fail = true;
	scene->writers = writers_start(scene->module, &options);
	start(scene);
	wait_for_streaming(scene);
	usleep(700000);
	module_lose_stream(scene->module);
	wait_until(scene, had_gaps, 1);
	promise_everything(scene);
	end_well(scene);
	check_marks(scene, 3);
	check_end(scene, VOLUME_BYTES);
}

static void what_is_said_to_be_durable_is(void **state)
{
	struct scene *scene = *state;
	uint64_t before_ns, told_ns;

	start(scene);
	wait_for_streaming(scene);
	module_be_quiet(scene->module, true);
	touch(scene, 5, 1);
	before_ns = clock_ns(CLOCK_REALTIME);
	usleep(1300000);
	told_ns = status_of(scene).durable_ns;
	assert_true(told_ns < before_ns);
	module_be_quiet(scene->module, false);
	wait_until(scene, is_durable_since, before_ns);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

/* --------------------------------------------------------------------------- stop */

static void it_can_be_stopped_in_each_state(void **state)
{
	struct scene *scene = *state;

	begin_writing(scene, 12);
	start(scene);
	stop(scene);
	scene->settings.scan_bytes_per_second = 1u << 20;
	start(scene);
	wait_until(scene, is_in, PROTECTION_SCANNING);
	stop(scene);
	scene->settings.scan_bytes_per_second = 0;
	start(scene);
	wait_for_streaming(scene);
	usleep(100000);
	promise(scene, scene->start_ns, clock_ns(CLOCK_REALTIME));
	stop(scene);
	assert_int_equal(rename(scene->fixture->path, scene->away), 0);
	start(scene);
	wait_until(scene, is_in, PROTECTION_WAITING);
	stop(scene);
	assert_int_equal(rename(scene->away, scene->fixture->path), 0);
	start(scene);
	promise(scene, scene->start_ns, UINT64_MAX);
	end_well(scene);
	check_marks(scene, 1);
	check_end(scene, VOLUME_BYTES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_volume_is_protected_from_the_first_scan_on),
		TEST(a_second_start_reads_what_was_written_meanwhile),
		TEST(a_gap_costs_what_was_written_in_it),
		TEST(a_ring_that_is_too_small_makes_gaps_and_no_lies),
		TEST(the_stream_can_be_lost_while_it_scans),
		TEST(instants_begin_behind_the_last_read_of_a_scan),
		TEST(what_is_read_behind_a_hole_is_no_instant),
		TEST(marks_that_come_while_it_scans_are_right),
		TEST(the_stream_is_seen_to_go_on_while_it_scans),
		TEST(an_idle_volume_makes_no_segments),
		TEST(writes_that_fail_are_read_again),
		TEST(what_is_said_to_be_durable_is),
		TEST(it_can_be_stopped_in_each_state),
	};

	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
