// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * When the tracker is believed, and that what it does not name is the point's: docs/restore.md.
 */
#include "repo_fixture.h"

#include "agent/device.h"
#include "common/bit_run.h"
#include "common/failure.h"
#include "imitated_module.h"
#include "restore/tracker.h"

#define CHUNK 4096u
#define BYTES (300ull * CHUNK + 1536)
#define WORDS 8u
#define NAME  "volume"

struct scene {
	struct tmc_repo *repo;
	struct model *model;
	struct module *module;
	struct tracker tracker;
	uint64_t changed[WORDS];
};

static void write_device(struct scene *scene, uint64_t offset, uint64_t bytes, const void *data)
{
	unsigned int seed = 1;

	module_write(scene->module, MODULE_WRITE, offset / 512, bytes / 512, data, &seed);
}

static void open_scene(struct scene *scene, void **state)
{
	struct fixture *fixture = *state;
	const struct module_options options = {
		.name = NAME,
		.volume_bytes = BYTES,
		.chunk_bytes = CHUNK,
		.ring_bytes = 1 << 20,
		.stall_ms = 1000,
	};

	*scene = (struct scene){
		.repo = make_repo(fixture->path, CHUNK),
		.model = model_mixed(BYTES, CHUNK),
		.module = module_create(&options),
	};
}

static void close_scene(struct scene *scene)
{
	tracker_close(&scene->tracker);
	module_destroy(scene->module);
	model_destroy(scene->model);
	tmc_repo_close(scene->repo);
}

static struct tmc_point keep(struct scene *scene)
{
	struct tmc_point point;

	assert_success(model_backup(scene->repo, scene->model, NULL, NULL, 1, &point));
	return point;
}

/* The device is the model, and the tracker knows it by that point. */
static void settle_on(struct scene *scene, const struct tmc_point *point)
{
	write_device(scene, 0, BYTES, scene->model->data);
	module_set_base(scene->module, point->id.bytes);
}

static void change(struct model *model, unsigned int nr)
{
	while (nr--)
		model_fill(model, model_random(model) % model->nr_chunks,
			   (enum content)(model_random(model) % NR_CONTENTS));
}

static void spoil(struct scene *scene, unsigned int nr)
{
	uint8_t junk[3 * 512];

	memset(junk, 0xee, sizeof(junk));
	while (nr--) {
		uint64_t sector = model_random(scene->model) % (BYTES / 512 - 3);

		write_device(scene, sector * 512, sizeof(junk), junk);
	}
}

/* As tracker_open() does where the target is a device. */
static int find(struct scene *scene, const struct tmc_point *point, const char *volume_id)
{
	tracker_close(&scene->tracker);
	scene->tracker = (struct tracker){0};
	memset(scene->changed, 0, sizeof(scene->changed));
	assert_int_equal(device_find(NAME, &scene->tracker.attachment), 0);
	assert_int_equal(channel_open(&scene->tracker.attachment, &scene->tracker.channel), 0);
	return tracker_find_changed(&scene->tracker, scene->repo, point, volume_id,
				    scene->changed);
}

static void doubted(struct scene *scene, const struct tmc_point *point, const char *volume_id,
		    const char *why)
{
	assert_int_equal(find(scene, point, volume_id), 0);
	if (!strstr(scene->tracker.why, why))
		fail_msg("\"%s\" does not say \"%s\"", scene->tracker.why, why);
}

/* -------------------------------------------------------------------- believed */

static void assert_rest_is_the_model(struct scene *scene)
{
	uint8_t *found = malloc(BYTES);

	module_read(scene->module, 0, BYTES / 512, found);
	for (uint64_t chunk = 0; chunk < scene->model->nr_chunks; chunk++) {
		uint64_t at = chunk * CHUNK;

		if (!bit_is_set(scene->changed, chunk) &&
		    memcmp(found + at, scene->model->data + at,
			   model_chunk_size(scene->model, chunk)))
			fail_msg("chunk %u is said to be unchanged", (unsigned int)chunk);
	}
	free(found);
}

/* The wanted point is the later one here, and the base an earlier one, or the other way round. */
static void what_is_not_named_is_the_points(void **state)
{
	struct scene scene;

	open_scene(&scene, state);
	for (unsigned int round = 0; round < 12; round++) {
		struct tmc_point base = keep(&scene), wanted;
		uint8_t seen_base[MODULE_BASE_BYTES];
		uint64_t nr_dirty, nr_changed = 0;

		settle_on(&scene, &base);
		change(scene.model, round * 3);
		wanted = keep(&scene);
		spoil(&scene, round % 4 * 5);
		nr_dirty = module_dirty_chunks(scene.module);
		assert_int_equal(find(&scene, &wanted, "test-volume"), 1);
		assert_rest_is_the_model(&scene);
		for (unsigned int i = 0; i < WORDS; i++)
			nr_changed += (uint64_t)__builtin_popcountll(scene.changed[i]);
		assert_true(nr_changed <= nr_dirty + round * 3);
		/* Nobody can tell that somebody has looked. */
		assert_int_equal(module_dirty_chunks(scene.module), nr_dirty);
		module_get_base(scene.module, seen_base);
		assert_memory_equal(seen_base, base.id.bytes, sizeof(seen_base));
		tracker_close(&scene.tracker);
	}
	close_scene(&scene);
}

/* --------------------------------------------------------------------- doubted */

static void a_base_that_is_not_proven_is_not_believed(void **state)
{
	uint8_t unknown[MODULE_BASE_BYTES] = {1, 2, 3};
	struct tmc_point point, other;
	struct model *small;
	struct scene scene;

	open_scene(&scene, state);
	point = keep(&scene);
	write_device(&scene, 0, BYTES, scene.model->data);
	doubted(&scene, &point, "test-volume", "has no base");
	tracker_close(&scene.tracker);
	module_set_base(scene.module, unknown);
	doubted(&scene, &point, "test-volume", "no point of this repository");
	tracker_close(&scene.tracker);
	module_set_base(scene.module, point.id.bytes);
	assert_int_equal(find(&scene, &point, "test-volume"), 1);
	doubted(&scene, &point, "another", "another volume");
	small = model_mixed(200 * CHUNK, CHUNK);
	assert_success(model_backup(scene.repo, small, NULL, NULL, 2, &other));
	doubted(&scene, &other, "test-volume", "another size");
	tracker_close(&scene.tracker);
	module_set_base(scene.module, other.id.bytes);
	doubted(&scene, &point, "test-volume", "another size");
	tracker_close(&scene.tracker);
	model_fill(scene.model, 7, CONTENT_ZERO);
	scene.model->unreadable[7] = 1;
	other = keep(&scene);
	module_set_base(scene.module, other.id.bytes);
	doubted(&scene, &point, "test-volume", "could not be read");
	model_destroy(small);
	close_scene(&scene);
}

static void a_tracker_that_does_not_answer_is_not_believed(void **state)
{
	struct tmc_point point;
	struct scene scene;

	open_scene(&scene, state);
	point = keep(&scene);
	settle_on(&scene, &point);
	assert_int_equal(find(&scene, &point, "test-volume"), 1);
	module_break(scene.module, MODULE_GONE);
	assert_int_equal(tracker_find_changed(&scene.tracker, scene.repo, &point, "test-volume",
					      scene.changed), 0);
	close_scene(&scene);
}

/* ----------------------------------------------------------------------- alone */

static void who_writes_meanwhile_is_noticed(void **state)
{
	uint64_t written[WORDS] = {0};
	struct tmc_point point;
	struct scene scene;
	uint8_t data[CHUNK] = {7};

	open_scene(&scene, state);
	point = keep(&scene);
	settle_on(&scene, &point);
	write_device(&scene, 5 * CHUNK, CHUNK, data);
	assert_int_equal(find(&scene, &point, "test-volume"), 1);
	assert_int_equal(tracker_check_alone(&scene.tracker, written), 0);
	bit_set(written, 100, 103);
	write_device(&scene, 5 * CHUNK, CHUNK, data);
	write_device(&scene, 101 * CHUNK, CHUNK, data);
	assert_int_equal(tracker_check_alone(&scene.tracker, written), 0);
	write_device(&scene, 300 * CHUNK, 512, data);
	assert_int_equal(tracker_check_alone(&scene.tracker, written), -ESTALE);
	assert_non_null(strstr(failure_text(), "byte 1228800"));
	assert_int_equal(module_dirty_chunks(scene.module), 3);
	close_scene(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_named_is_the_points),
		TEST(a_base_that_is_not_proven_is_not_believed),
		TEST(a_tracker_that_does_not_answer_is_not_believed),
		TEST(who_writes_meanwhile_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
