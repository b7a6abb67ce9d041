// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What becomes of protections when tidemarkd's config is read anew: two volumes of an imitated
 * module. A protection that was disturbed has opened a second channel.
 */
#include "repo_fixture.h"
#include "imitated_module.h"

#include "common/clock_ns.h"
#include "daemon/guards.h"

#define MS          1000000ull
#define PATIENCE_NS (20000 * MS) /* of a test that fails */

struct scene {
	struct fixture *fixture;
	struct module *modules[2];
	struct guards guards;
};

static const char *const names[] = {"one", "two"};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (fixture_setup((void **)&scene->fixture) < 0)
		return -1;
	assert_success(tmc_repo_create(scene->fixture->path, 4096));
	setenv("STATE_DIRECTORY", scene->fixture->directory, 1);
	guards_init(&scene->guards, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		struct module_options options = {
			.name = names[i], .volume_bytes = 1u << 20, .chunk_bytes = 4096,
			.ring_bytes = 65536, .stall_ms = 1000,
		};

		scene->modules[i] = module_create(&options);
	}
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	guards_exit(&scene->guards);
	for (unsigned int i = 0; i < 2; i++)
		module_destroy(scene->modules[i]);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

/* The volumes from first on, of which the last one has another rpo where it says so. */
static void adopt(struct scene *scene, unsigned int first, unsigned int nr, uint64_t last_rpo_ns)
{
	struct config config = {.nr_volumes = nr, .volumes = calloc(nr, sizeof(*config.volumes))};

	for (unsigned int i = 0; i < nr; i++)
		config.volumes[i] = (struct protection_settings){
			.name = strdup(names[first + i]),
			.device = strdup(names[first + i]),
			.repository = strdup(scene->fixture->path),
			.rpo_ns = i + 1 == nr ? last_rpo_ns : 1000 * MS,
			.acknowledge_ns = 10000 * MS,
			.memory_bytes = 8u << 20,
		};
	guards_adopt(&scene->guards, &config);
}

static void wait_for(struct scene *scene, const char *summary)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;
	char text[128] = "";

	while (strcmp(text, summary) != 0) {
		if (clock_ns(CLOCK_MONOTONIC) > end_ns)
			fail_msg("%s, not %s", text, summary);
		usleep(2000);
		guards_summary(&scene->guards, text, sizeof(text));
	}
}

static void what_stays_goes_on_undisturbed(void **state)
{
	struct scene *scene = *state;

	adopt(scene, 0, 2, 1000 * MS);
	wait_for(scene, "2 of 2 volumes protected");
	adopt(scene, 0, 2, 1000 * MS);
	wait_for(scene, "2 of 2 volumes protected");
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(module_nr_channels(scene->modules[i]), 1);
}

static void what_changes_begins_anew(void **state)
{
	struct scene *scene = *state;

	adopt(scene, 0, 2, 1000 * MS);
	wait_for(scene, "2 of 2 volumes protected");
	adopt(scene, 0, 2, 2000 * MS);
	wait_for(scene, "2 of 2 volumes protected");
	assert_int_equal(module_nr_channels(scene->modules[0]), 1);
	assert_int_equal(module_nr_channels(scene->modules[1]), 2);
}

static void what_is_gone_ends_and_what_is_new_begins(void **state)
{
	struct scene *scene = *state;

	adopt(scene, 0, 1, 1000 * MS);
	wait_for(scene, "1 of 1 volumes protected");
	adopt(scene, 0, 2, 1000 * MS);
	wait_for(scene, "2 of 2 volumes protected");
	adopt(scene, 1, 1, 1000 * MS);
	wait_for(scene, "1 of 1 volumes protected");
	assert_false(module_is_streaming(scene->modules[0]));
	assert_int_equal(module_nr_channels(scene->modules[0]), 1);
	assert_int_equal(module_nr_channels(scene->modules[1]), 1);
}

static const char *text_of(struct json_object *volume, const char *member)
{
	return json_object_get_string(json_object_object_get(volume, member));
}

static bool is_null(struct json_object *volume, const char *member)
{
	struct json_object *value = volume;

	return json_object_object_get_ex(volume, member, &value) && !value;
}

static void the_status_tells_of_each_volume(void **state)
{
	struct scene *scene = *state;
	struct json_object *answer, *volumes, *volume;

	adopt(scene, 0, 2, 2000 * MS);
	wait_for(scene, "2 of 2 volumes protected");
	answer = guards_to_json(&scene->guards);
	volumes = json_object_object_get(answer, "volumes");
	assert_int_equal(json_object_array_length(volumes), 2);
	volume = json_object_array_get_idx(volumes, 1);
	assert_string_equal(text_of(volume, "volume"), "two");
	assert_string_equal(text_of(volume, "device"), "two");
	assert_string_equal(text_of(volume, "volume_id"), "two");
	assert_string_equal(text_of(volume, "repository"), scene->fixture->path);
	assert_string_equal(text_of(volume, "state"), "streaming");
	assert_string_equal(text_of(volume, "reason"), "");
	assert_string_equal(text_of(volume, "volume_bytes"), "1048576");
	assert_string_equal(text_of(volume, "scanned_bytes"), "1048576");
	assert_string_equal(text_of(volume, "gaps"), "0");
	assert_string_equal(text_of(volume, "rpo_ms"), "2000");
	assert_string_equal(text_of(volume, "attachment"), "two");
	assert_string_equal(text_of(volume, "failing_since_ms"), "0");
	assert_string_not_equal(text_of(volume, "protected_since_ms"), "0");
	assert_string_equal(text_of(volume, "ring_bytes"), "65536");
	assert_string_equal(text_of(volume, "stalls"), "0");
	assert_string_equal(text_of(volume, "device_state"), "ok");
	assert_false(is_null(volume, "dirty_bytes"));
	json_object_put(answer);
}

/* Of a volume that never had a value there is none. */
static void the_status_makes_nothing_up(void **state)
{
	struct scene *scene = *state;
	struct json_object *answer, *volume;
	char gone[128];

	snprintf(gone, sizeof(gone), "%s.gone", scene->fixture->path);
	assert_int_equal(rename(scene->fixture->path, gone), 0);
	adopt(scene, 0, 1, 2000 * MS);
	answer = guards_to_json(&scene->guards);
	volume = json_object_array_get_idx(json_object_object_get(answer, "volumes"), 0);
	assert_true(is_null(volume, "lag_ms"));
	assert_true(is_null(volume, "ring_bytes"));
	assert_true(is_null(volume, "ring_waiting_bytes"));
	assert_string_equal(text_of(volume, "durable_ms"), "0");
	assert_string_equal(text_of(volume, "protected_since_ms"), "0");
	assert_string_equal(text_of(volume, "point"), "");
	json_object_put(answer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_stays_goes_on_undisturbed),
		TEST(what_changes_begins_anew),
		TEST(what_is_gone_ends_and_what_is_new_begins),
		TEST(the_status_tells_of_each_volume),
		TEST(the_status_makes_nothing_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
