// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A protection whose device goes, comes back, is swapped or changes its size: what it says, and
 * that what is kept is right all the same.
 */
#include "protection_scene.h"

#include "agent/volume_pin.h"

#define PATH "/dev/disk"

static bool is_device(const struct protection_status *status, uint64_t device)
{
	return status->state == PROTECTION_WAITING && (uint64_t)status->device == device;
}

static bool streams_all(const struct protection_status *status, uint64_t bytes)
{
	return status->state == PROTECTION_STREAMING && status->volume_bytes == bytes;
}

static int set_up_device(void **state)
{
	struct scene *scene;
	int r = set_up(state);

	if (r < 0)
		return r;
	scene = *state;
	scene->settings.device = PATH;
	module_plug(scene->module, PATH, NAME);
	return 0;
}

static void wait_for_detach(struct scene *scene)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;

	while (module_is_attached(scene->module) && clock_ns(CLOCK_MONOTONIC) < end_ns)
		usleep(1000);
	assert_false(module_is_attached(scene->module));
}

static void pull(struct scene *scene)
{
	struct protection_status status;

	module_unplug(scene->module);
	status = wait_until(scene, is_device, KNOWN_VOLUME_GONE);
	assert_string_equal(status.reason, PATH ": is not there; goes on by itself once it is "
			    "back");
	assert_true(status.failing_ns > 0);
	wait_for_detach(scene);
}

static void a_device_that_comes_back_is_read_anew(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	start(scene);
	status = wait_for_streaming(scene);
	assert_int_equal(status.device, KNOWN_VOLUME_THERE);
	touch(scene, 5, 3);
	wait_until(scene, is_durable_since, clock_ns(CLOCK_REALTIME));
	pull(scene);
	touch(scene, 50, 7); /* elsewhere */
	module_plug(scene->module, PATH, NAME);
	status = wait_for_streaming(scene);
	assert_int_equal(status.device, KNOWN_VOLUME_THERE);
	assert_int_equal(status.scan_bytes, VOLUME_BYTES);
	touch(scene, 80, 2);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void another_device_is_not_recorded_until_it_is_accepted(void **state)
{
	struct scene *scene = *state;
	struct protection_status status;

	assert_int_equal(volume_pin_write(NAME, "before"), 0);
	start(scene);
	status = wait_until(scene, is_device, KNOWN_VOLUME_REPLACED);
	assert_string_equal(status.refused_id, NAME);
	assert_non_null(strstr(status.reason, "is another volume: " NAME ", not before"));
	assert_false(module_is_attached(scene->module));
	assert_int_equal(module_nr_channels(scene->module), 0);
	assert_int_equal(protection_accept(scene->protection), 0);
	status = wait_for_streaming(scene);
	assert_string_equal(status.volume_id, NAME);
	assert_string_equal(status.refused_id, "");
	assert_int_equal(protection_accept(scene->protection), -ENOENT);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void change_size(struct scene *scene, uint64_t bytes)
{
	struct protection_status status;

	module_change_size(scene->module, bytes);
	status = wait_until(scene, streams_all, bytes);
	wait_for_streaming(scene);
	assert_int_equal(status.scan_bytes, bytes);
	assert_int_equal(status.failing_ns, 0);
}

static void another_size_is_followed(void **state)
{
	struct scene *scene = *state;

	start(scene);
	wait_for_streaming(scene);
	touch(scene, 5, 3);
	change_size(scene, VOLUME_BYTES / 2);
	touch(scene, 7, 3);
	change_size(scene, VOLUME_BYTES);
	touch(scene, VOLUME_BYTES / CHUNK - 4, 3);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

/* Also where a copy of its channel is kept. */
static void a_channel_that_is_kept_is_given_up_with_its_device(void **state)
{
	struct scene *scene = *state;

	scene->settings.store = &scene->store;
	start(scene);
	wait_for_streaming(scene);
	change_size(scene, VOLUME_BYTES / 2);
	pull(scene);
	module_plug(scene->module, PATH, NAME);
	wait_for_streaming(scene);
	stop(scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_device, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_that_comes_back_is_read_anew),
		TEST(another_device_is_not_recorded_until_it_is_accepted),
		TEST(another_size_is_followed),
		TEST(a_channel_that_is_kept_is_given_up_with_its_device),
	};

	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
