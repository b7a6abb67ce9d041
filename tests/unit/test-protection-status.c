// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What is told of a protection: since when, how far behind, what failed and since when.
 */
#include "protection_scene.h"

static bool has_no_lag(const struct protection_status *status, uint64_t seq)
{
	return status->state == PROTECTION_STREAMING && status->recorder.durable_seq >= seq &&
	       status->knows_lag && !status->lag_ns;
}

static bool lags(const struct protection_status *status, uint64_t lag_ns)
{
	return status->knows_lag && status->lag_ns >= lag_ns;
}

static bool has_point_since(const struct protection_status *status, uint64_t time_ns)
{
	return status->point_ns >= time_ns;
}

static bool has_checked_since(const struct protection_status *status, uint64_t time_ns)
{
	return status->point_checked_ns >= time_ns;
}

static void nothing_is_claimed_before_it_is_so(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	scene->settings.scan_bytes_per_second = 4u << 20;
	start(scene);
	status = wait_until(scene, has_scanned, VOLUME_BYTES / 4);
	assert_false(status.knows_lag);
	assert_int_equal(status.since_ns, 0);
	assert_int_equal(status.durable_ns, 0);
	assert_int_equal(status.point_ns, 0);
	assert_in_range(status.state_ns, scene->start_ns, clock_ns(CLOCK_REALTIME));
	end_well(scene);
}

static void an_idle_volume_does_not_fall_behind(void **state)
{
	struct scene *scene = *state;
	struct protection_status status, later;
	uint64_t seq;

	start(scene);
	wait_for_streaming(scene);
	touch(scene, 5, 3);
	seq = module_last_seq(scene->module);
	status = wait_until(scene, has_no_lag, seq);
	assert_in_range(status.since_ns, scene->start_ns, clock_ns(CLOCK_REALTIME));
	assert_in_range(status.state_ns, status.since_ns, clock_ns(CLOCK_REALTIME));
	assert_int_equal(status.failing_ns, 0);
	assert_int_equal(status.ring_bytes, 1u << 20);
	assert_string_equal(status.attachment, NAME);
	/* Its time goes on, and it stays what it is. */
	later = wait_until(scene, is_durable_since, clock_ns(CLOCK_REALTIME));
	assert_int_equal(later.since_ns, status.since_ns);
	end_well(scene);
}

static void what_waits_in_the_ring_is_counted(void **state)
{
	struct scene *scene = *state;

	start(scene);
	wait_for_streaming(scene);
	module_be_quiet(scene->module, true);
	touch(scene, 5, 3);
	assert_in_range(status_of(scene).ring_waiting_bytes, 1, 1u << 20);
	module_be_quiet(scene->module, false);
	end_well(scene);
}

/* All that was recorded is durable, but not all is recorded any more. */
static void a_stream_that_is_lost_lags_before_it_is_noticed(void **state)
{
	struct scene *scene = *state;

	start(scene);
	wait_for_streaming(scene);
	wait_until(scene, is_durable_since, clock_ns(CLOCK_REALTIME));
	module_be_quiet(scene->module, true);
	module_lose_stream(scene->module);
	wait_until(scene, lags, 1500 * MS);
	assert_int_equal(status_of(scene).nr_gaps, 0);
	module_be_quiet(scene->module, false);
	wait_until(scene, had_gaps, 1);
	end_well(scene);
}

/* A long promise, so that nothing else makes it durable. */
static void a_write_that_is_not_durable_has_an_age(void **state)
{
	struct scene *scene = *state;

	scene->settings.rpo_ns = 3000 * MS;
	start(scene);
	wait_for_streaming(scene);
	touch(scene, 5, 3);
	wait_until(scene, lags, 500 * MS);
	wait_until(scene, has_no_lag, module_last_seq(scene->module));
	end_well(scene);
}

static void a_failure_is_told_until_it_is_over(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;
	uint64_t failing_ns, before_ns;

	start(scene);
	wait_for_streaming(scene);
	wait_until(scene, is_durable_since, clock_ns(CLOCK_REALTIME));
	before_ns = clock_ns(CLOCK_REALTIME);
	take_repository_away(scene);
	touch(scene, 5, 3);
	status = wait_until(scene, is_in, PROTECTION_WAITING);
	failing_ns = status.failing_ns;
	assert_in_range(failing_ns, before_ns, clock_ns(CLOCK_REALTIME));
	assert_int_equal(status.since_ns, 0);
	assert_int_not_equal(status.reason[0], '\0');
	/* Also over the next tries, and while nothing is written. */
	wait_until(scene, lags, 4500 * MS);
	assert_int_equal(status_of(scene).failing_ns, failing_ns);
	bring_repository_back(scene);
	status = wait_until(scene, has_no_lag, 0);
	assert_int_equal(status.failing_ns, 0);
	assert_true(status.since_ns > failing_ns);
	end_well(scene);
}

static void a_gap_has_a_time(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;
	uint64_t since_ns, before_ns;

	start(scene);
	since_ns = wait_for_streaming(scene).since_ns;
	before_ns = clock_ns(CLOCK_REALTIME);
	module_lose_stream(scene->module);
	status = wait_until(scene, had_gaps, 1);
	assert_in_range(status.gap_ns, before_ns, clock_ns(CLOCK_REALTIME));
	assert_true(status.since_ns > since_ns);
	end_well(scene);
}

/* Its time is that of the last write. */
static void an_idle_volume_s_point_does_not_grow_old(void **state)
{
	struct scene *scene = *state;
	struct protection_status before, after;
	uint64_t write_ns;

	scene->settings.points_ns = 50 * MS;
	scene->settings.acknowledge_ns = UINT64_MAX / 4;
	start(scene);
	wait_for_streaming(scene);
	write_ns = clock_ns(CLOCK_REALTIME_COARSE); /* as records have it */
	touch(scene, 5, 1);
	before = wait_until(scene, has_point_since, write_ns);
	after = wait_until(scene, has_checked_since, clock_ns(CLOCK_REALTIME));
	assert_int_equal(after.point_ns, before.point_ns);
	assert_true(after.point_checked_ns > after.point_ns);
	end_well(scene);
}

static void the_latest_point_is_known_after_a_start(void **state)
{
	struct scene *scene = *state;
	struct protection_status before, after;
	uint64_t now_ns;

	scene->settings.points_ns = 100 * MS;
	start(scene);
	wait_for_streaming(scene);
	now_ns = clock_ns(CLOCK_REALTIME_COARSE);
	touch(scene, 5, 3);
	wait_until(scene, has_point_since, now_ns);
	promise(scene, scene->start_ns, now_ns);
	before = status_of(scene);
	stop(scene);
	scene->settings.scan_bytes_per_second = 1;
	touch(scene, 50, 3);
	start(scene);
	after = wait_until(scene, is_in, PROTECTION_SCANNING);
	assert_true(after.point_ns >= before.point_ns);
	stop(scene);
	scene->settings.scan_bytes_per_second = 0;
	start(scene);
	end_well(scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_claimed_before_it_is_so),
		TEST(an_idle_volume_does_not_fall_behind),
		TEST(what_waits_in_the_ring_is_counted),
		TEST(a_stream_that_is_lost_lags_before_it_is_noticed),
		TEST(a_write_that_is_not_durable_has_an_age),
		TEST(a_failure_is_told_until_it_is_over),
		TEST(a_gap_has_a_time),
		TEST(an_idle_volume_s_point_does_not_grow_old),
		TEST(the_latest_point_is_known_after_a_start),
	};

	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
