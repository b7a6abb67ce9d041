// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What is made of devices that go, come back, are swapped or change their size, on an imitated
 * module: docs/devices.md, without anybody who looks by himself.
 */
#include "repo_fixture.h"
#include "imitated_module.h"

#include "agent/known_volume.h"
#include "agent/source.h"
#include "agent/volume_pin.h"
#include "common/failure.h"

#define MIB   (1u << 20)
#define CHUNK 4096u
#define PATH  "/dev/disk"

struct scene {
	struct fixture *fixture;
	struct module *module;
	struct known_volume volume;
	struct attachment attachment;
	char refused[TMC_TEXT_BYTES];
	unsigned int nr_said;
	char said[1024];
};

static void say(void *context, const char *text)
{
	struct scene *scene = context;

	scene->nr_said++;
	snprintf(scene->said, sizeof(scene->said), "%s", text);
}

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct module_options options = {
		.name = "data", .volume_bytes = MIB, .chunk_bytes = CHUNK, .ring_bytes = 65536,
	};

	if (fixture_setup((void **)&scene->fixture) < 0)
		return -1;
	setenv("STATE_DIRECTORY", scene->fixture->directory, 1);
	scene->module = module_create(&options);
	scene->volume = (struct known_volume){
		.name = "data", .device = PATH, .say = say, .context = scene,
	};
	module_plug(scene->module, PATH, "wwid:a");
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	module_destroy(scene->module);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

static int look(struct scene *scene)
{
	return known_volume_look(&scene->volume, &scene->attachment, scene->refused);
}

static int attach(struct scene *scene)
{
	return known_volume_attach(&scene->volume, CHUNK, &scene->attachment, scene->refused);
}

static void assert_known(const char *expected)
{
	char id[TMC_TEXT_BYTES];

	assert_int_equal(volume_pin_read("data", id), 0);
	assert_string_equal(id, expected);
}

static void assert_said(struct scene *scene, unsigned int nr, const char *text)
{
	assert_int_equal(scene->nr_said, nr);
	if (nr && !strstr(scene->said, text))
		fail_msg("\"%s\", not \"%s\"", scene->said, text);
}

static void what_is_attached_first_is_known(void **state)
{
	struct scene *scene = *state;
	char id[TMC_TEXT_BYTES];

	assert_int_equal(volume_pin_read("data", id), -ENOENT);
	assert_int_equal(look(scene), 0);
	assert_false(module_is_attached(scene->module));
	assert_int_equal(attach(scene), 0);
	assert_string_equal(scene->attachment.name, "data");
	assert_true(module_is_attached(scene->module));
	assert_known("wwid:a");
	assert_int_equal(look(scene), 1);
	assert_int_equal(attach(scene), 0);
	assert_said(scene, 0, "");
}

static void what_is_gone_is_put_away(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(attach(scene), 0);
	module_unplug(scene->module);
	assert_int_equal(look(scene), -ENXIO);
	assert_string_equal(failure_text(), PATH ": is not there; goes on by itself once it is "
			    "back");
	assert_false(module_is_attached(scene->module));
	assert_int_equal(attach(scene), -ENXIO);
	assert_known("wwid:a");
	assert_said(scene, 0, "");
}

static void what_comes_back_is_attached(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(attach(scene), 0);
	module_unplug(scene->module);
	assert_int_equal(look(scene), -ENXIO);
	module_plug(scene->module, PATH, "wwid:a");
	assert_int_equal(look(scene), 0);
	assert_int_equal(attach(scene), 0);
	assert_true(module_is_attached(scene->module));
	assert_int_equal(scene->attachment.dirty_chunks, MIB / CHUNK);
	assert_said(scene, 1, "everything will be read");
}

/* Its old attachment holds nothing but a number that may be another device's by now. */
static void what_comes_back_before_anybody_looks_is_attached(void **state)
{
	struct scene *scene = *state;
	struct attachment before;

	assert_int_equal(attach(scene), 0);
	before = scene->attachment;
	module_unplug(scene->module);
	strcpy(before.device_state, "gone");
	assert_int_equal(look(scene), -ENXIO);
	module_plug(scene->module, PATH, "wwid:a");
	assert_int_equal(attach(scene), 0);
	assert_true(scene->attachment.live != before.live);
}

static void another_one_is_refused_until_it_is_accepted(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(attach(scene), 0);
	module_unplug(scene->module);
	assert_int_equal(look(scene), -ENXIO);
	module_plug(scene->module, PATH, "wwid:b");
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(attach(scene), -EMEDIUMTYPE);
		assert_string_equal(scene->refused, "wwid:b");
		assert_string_equal(failure_text(), PATH ": is another volume: wwid:b, not wwid:a; "
				    "where that is meant, run \"tidemark job accept data\"");
		assert_false(module_is_attached(scene->module));
		assert_known("wwid:a");
	}
	assert_said(scene, 0, "");
	assert_int_equal(volume_pin_write("data", scene->refused), 0);
	assert_int_equal(attach(scene), 0);
	assert_string_equal(scene->refused, "");
	assert_known("wwid:b");
	assert_true(module_is_attached(scene->module));
}

/* The blank disk that was put in has no identity, and is not the old one. */
static void one_without_an_identity_is_another_one(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(attach(scene), 0);
	module_unplug(scene->module);
	assert_int_equal(look(scene), -ENXIO);
	module_plug(scene->module, PATH, "node:host:vdb");
	assert_int_equal(attach(scene), -EMEDIUMTYPE);
	assert_string_equal(scene->refused, "node:host:vdb");
}

static void an_identity_takes_the_place_of_none(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(volume_pin_write("data", "node:host:vdb"), 0);
	assert_int_equal(attach(scene), 0);
	assert_known("wwid:a");
	assert_said(scene, 2, "is known as wwid:a from now on; it was node:host:vdb");
	assert_int_equal(attach(scene), 0);
	assert_said(scene, 2, "");
}

static void assert_anew(struct scene *scene, uint64_t bytes, const char *said)
{
	scene->nr_said = 0;
	module_change_size(scene->module, bytes);
	assert_int_equal(look(scene), 0);
	assert_said(scene, 1, said);
	assert_false(module_is_attached(scene->module));
	assert_int_equal(attach(scene), 0);
	assert_int_equal(scene->attachment.nr_sectors, bytes / 512);
	assert_int_equal(look(scene), 1);
	assert_said(scene, 2, "everything will be read");
}

static void another_size_is_attached_anew(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(attach(scene), 0);
	assert_anew(scene, 3 * MIB, "has grown");
	assert_anew(scene, MIB / 2, "has become shorter");
}

/* Whoever else attached it wants it so. */
static void what_others_attached_is_left_alone(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(attach(scene), 0);
	module_change_size(scene->module, 2 * MIB);
	scene->volume.name = "other";
	assert_int_equal(look(scene), 1);
	assert_string_equal(scene->attachment.name, "data");
	assert_int_equal(attach(scene), 0);
	scene->volume.device = "data";
	assert_int_equal(look(scene), 1);
	module_unplug(scene->module);
	assert_int_equal(look(scene), -ENXIO);
	assert_true(module_is_attached(scene->module));
	assert_false(known_volume_owns(&scene->volume, "data"));
	assert_said(scene, 0, "");
}

/* A link that udev has not made again says nothing of the device. */
static void a_path_may_be_missing_while_the_device_is_held(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(attach(scene), 0);
	scene->volume.device = "/dev/elsewhere";
	assert_int_equal(look(scene), 1);
	assert_int_equal(attach(scene), 0);
}

static struct module *add_device(const char *path, const char *identity)
{
	struct module_options options = {
		.name = "second", .volume_bytes = MIB, .chunk_bytes = CHUNK, .ring_bytes = 65536,
	};
	struct module *module = module_create(&options);

	module_plug(module, path, identity);
	return module;
}

static void a_path_that_leads_elsewhere_is_noticed(void **state)
{
	struct scene *scene = *state;
	struct module *second = add_device("/dev/second", "wwid:b");

	assert_int_equal(attach(scene), 0);
	scene->volume.device = "/dev/second";
	assert_int_equal(look(scene), -EMEDIUMTYPE);
	assert_string_equal(scene->refused, "wwid:b");
	assert_int_equal(attach(scene), -EMEDIUMTYPE);
	assert_string_equal(scene->refused, "wwid:b");
	/* The volume is still attached; and may have another node. */
	assert_true(module_is_attached(scene->module));
	assert_false(module_is_attached(second));
	module_plug(second, "/dev/second", "wwid:a");
	assert_int_equal(look(scene), 0);
	assert_false(module_is_attached(scene->module));
	module_destroy(second);
}

static void a_name_that_no_file_can_have_is_said(void **state)
{
	struct scene *scene = *state;
	char id[TMC_TEXT_BYTES];

	assert_int_equal(volume_pin_write("..", "x"), -EINVAL);
	assert_int_equal(volume_pin_write("a/b", "x"), -EINVAL);
	assert_int_equal(volume_pin_write("", "x"), -EINVAL);
	assert_int_equal(volume_pin_read(".a", id), -EINVAL);
	setenv("STATE_DIRECTORY", "/proc/1/nowhere", 1);
	assert_int_equal(attach(scene), 0);
	assert_said(scene, 1, "would not be recognised");
}

/* A run names the attachment, in whatever directory tidemarkd was started. */
static void a_file_of_an_attachments_name_is_not_meant(void **state)
{
	struct scene *scene = *state;
	bool meant;

	assert_int_equal(attach(scene), 0);
	assert_int_equal(chdir(scene->fixture->directory), 0);
	write_file("data", "x", 1);
	write_file("other", "x", 1);
	assert_int_equal(source_is_meant("data", &meant), 0);
	assert_false(meant);
	assert_int_equal(source_is_meant("./data", &meant), 0);
	assert_true(meant);
	assert_int_equal(source_is_meant("other", &meant), 0);
	assert_true(meant);
	assert_int_equal(chdir("/"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_attached_first_is_known),
		TEST(what_is_gone_is_put_away),
		TEST(what_comes_back_is_attached),
		TEST(what_comes_back_before_anybody_looks_is_attached),
		TEST(another_one_is_refused_until_it_is_accepted),
		TEST(one_without_an_identity_is_another_one),
		TEST(an_identity_takes_the_place_of_none),
		TEST(another_size_is_attached_anew),
		TEST(what_others_attached_is_left_alone),
		TEST(a_path_may_be_missing_while_the_device_is_held),
		TEST(a_path_that_leads_elsewhere_is_noticed),
		TEST(a_name_that_no_file_can_have_is_said),
		TEST(a_file_of_an_attachments_name_is_not_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
