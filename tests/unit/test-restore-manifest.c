// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The manifest of a restore: what it says before, after, and of one that failed.
 */
#include "cli/restore_manifest.h"
#include "restore_scene.h"

#include "faults.h"

#include <json-c/json.h>

static char saved[128];

static int save(void *context, const struct restore_result *result)
{
	return restore_manifest_save(saved, "the target", result);
}

static struct json_object *load(void)
{
	struct json_object *object = json_object_from_file(saved);

	assert_non_null(object);
	return object;
}

static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *found;

	if (!json_object_object_get_ex(object, name, &found))
		fail_msg("has no %s", name);
	return found;
}

static uint64_t number(struct json_object *object, const char *name)
{
	return json_object_get_uint64(member(object, name));
}

static void assert_text(struct json_object *object, const char *name, const char *text)
{
	assert_string_equal(json_object_get_string(member(object, name)), text);
}

/* The ranges of each fate have its sum; those that exclude each other cover the range once. */
static void assert_ranges(const struct scene *scene, struct json_object *object)
{
	static const char *const names[] = {"written", "zeroed", "same", "known", "incomplete",
					    "unreadable"};
	uint8_t *times = calloc(scene->model->bytes, 1);

	for (int i = 0; i < 6; i++) {
		struct json_object *list = member(object, names[i]);
		uint64_t sum = 0;
		char of[32];

		for (size_t n = 0; n < json_object_array_length(list); n++) {
			struct json_object *range = json_object_array_get_idx(list, n);
			uint64_t offset = number(range, "offset"), bytes = number(range, "bytes");

			sum += bytes;
			for (uint64_t at = offset; i < 5 && at < offset + bytes; at++)
				times[at]++;
		}
		snprintf(of, sizeof(of), "%s_bytes", names[i]);
		assert_int_equal(number(object, of), sum);
	}
	for (uint64_t at = 0; at < scene->model->bytes; at++)
		assert_int_equal(times[at], at >= number(object, "begin") &&
					    at < number(object, "end"));
	free(times);
}

static void open_scene(struct scene *scene, void **state)
{
	struct model *model;
	uint8_t *before;

	model = scene_model(120 * 4096 + 700, 4096, true);
	scene_open(scene, *state, model);
	snprintf(saved, sizeof(saved), "%s/manifest", scene->directory);
	before = changed_content(model, 20);
	write_file(scene->image, before, model->bytes);
	scene->request.begins = save;
	free(before);
}

static void it_says_what_was_done(void **state)
{
	struct json_object *object;
	struct scene scene;
	char id[TMC_ID_TEXT];

	open_scene(&scene, state);
	scene.request.begin = 100;
	scene.request.end = 100 * 4096 + 1;
	assert_restored(&scene);
	object = load();
	assert_text(object, "state", "incomplete");
	assert_ranges(&scene, object);
	json_object_put(object);
	assert_int_equal(save(NULL, &scene.result), 0);
	object = load();
	tmc_id_format(&scene.point.id, id);
	assert_text(object, "state", "complete");
	assert_text(object, "point", id);
	assert_text(object, "volume", "vol");
	assert_text(object, "target", "the target");
	assert_text(object, "method", "delta");
	assert_text(object, "unchanged_by", "hash");
	assert_text(object, "hash", "SHA-256");
	assert_int_equal(number(object, "compared_chunks"), 101);
	assert_int_equal(number(object, "incomplete_bytes"), 0);
	assert_true(number(object, "same_bytes") > 0 && number(object, "written_bytes") > 0);
	assert_ranges(&scene, object);
	json_object_put(object);
	scene_close(&scene);
}

static void one_that_failed_says_what_is_missing(void **state)
{
	struct json_object *object;
	struct scene scene;
	unsigned int at = 1;

	open_scene(&scene, state);
	do {
		faults_arm(FAULT_ENOSPC, at++);
		scene_restore(&scene);
		faults_disarm();
		assert_true(at < 1000);
	} while (scene.result.stage != RESTORE_BEGUN);
	assert_int_equal(save(NULL, &scene.result), 0);
	object = load();
	assert_text(object, "state", "incomplete");
	assert_ranges(&scene, object);
	json_object_put(object);
	scene_close(&scene);
}

static void where_it_cannot_be_written_nothing_is_restored(void **state)
{
	struct scene scene;
	size_t bytes;
	uint8_t *before;

	open_scene(&scene, state);
	before = read_file(scene.image, &bytes);
	snprintf(saved, sizeof(saved), "%s/none/manifest", scene.directory);
	assert_int_equal(scene_restore(&scene), -ENOENT);
	assert_non_null(strstr(failure_text(), "manifest"));
	assert_file_is(scene.image, before, bytes);
	free(before);
	scene_close(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_says_what_was_done),
		TEST(one_that_failed_says_what_is_missing),
		TEST(where_it_cannot_be_written_nothing_is_restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
