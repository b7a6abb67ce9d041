// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What the module's base is in a repository: a point, or the end of the stretch that it names
 * a segment of, also where that segment is not kept any more; and how a protection cuts its
 * journal back.
 */
#include "journal_life.h"

#include "agent/protection.h"
#include "catalog/repo.h"

#define OLD_NS (50 * HOUR_NS)

struct scene {
	struct life *life;
	struct channel_info info;
	struct protection protection;
};

static unsigned int nr_said;
static char said[256];

static void say(const struct protection_settings *settings, enum protection_event event,
		const char *text)
{
	nr_said++;
	snprintf(said, sizeof(said), "%s", text);
}

static int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (life_setup((void **)&scene->life))
		return -1;
	scene->info.volume_bytes = LIFE_BYTES;
	scene->info.chunk_bytes = LIFE_CHUNK;
	scene->protection.live.info = &scene->info;
	scene->protection.say = say;
	snprintf(scene->protection.live.volume.volume_id, TMC_TEXT_BYTES, "test-volume");
	*state = scene;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;
	int ret = life_teardown((void **)&scene->life);

	free(scene);
	return ret;
}

/* The base is the segment that ends with seq. */
static void set_base(struct scene *scene, uint64_t seq)
{
	struct tmc_segment *segments;
	size_t nr;

	scene->protection.has_base = false;
	assert_success(tmc_segment_list(scene->life->repo, "test-volume", &segments, &nr));
	for (size_t i = 0; i < nr; i++) {
		if (segments[i].last_seq != seq)
			continue;
		scene->protection.has_base = true;
		scene->protection.base = segments[i].id;
	}
	free(segments);
	assert_true(scene->protection.has_base);
}

static bool find(struct scene *scene, struct tmc_point *ret_point)
{
	bool has_point;

	life_reopen(scene->life);
	scene->protection.repo = scene->life->repo;
	return protection_find_base(&scene->protection, ret_point, &has_point);
}

static void expect_base(struct scene *scene, uint64_t seq)
{
	struct life *life = scene->life;
	struct model *model = model_create(LIFE_BYTES, LIFE_CHUNK);
	struct tmc_point point;

	assert_true(find(scene, &point));
	assert_int_equal(point.moment.stretch, life->stretches[seq]);
	assert_int_equal(point.moment.seq, seq);
	assert_int_equal(point.moment.settles_seq, 0);
	memcpy(model->data, life->states[seq], LIFE_BYTES);
	assert_point_equals(life->repo, &point, model);
	model_destroy(model);
}

static void the_end_of_its_stretch_is_the_base(void **state)
{
	struct scene *scene = *state;

	life_add_stretch(scene->life, 5);
	life_add_point(scene->life, 1, 12);
	set_base(scene, 30);
	expect_base(scene, 50);
}

static void also_where_the_segment_is_not_kept_any_more(void **state)
{
	struct scene *scene = *state;

	life_add_stretch(scene->life, 5);
	life_add_point(scene->life, 35, 0);
	set_base(scene, 20);
	life_give_up(scene->life, 48 * HOUR_NS, 3);
	expect_base(scene, 50);
	life_sweep(scene->life);
	expect_base(scene, 50);
}

/* A later stretch has begun, and its scan has not ended. */
static void also_where_nothing_but_a_point_is_left_of_the_stretch(void **state)
{
	struct scene *scene = *state;

	life_add_stretch(scene->life, 5);
	life_add_point(scene->life, 50, 0);
	set_base(scene, 40);
	life_add_stretch(scene->life, 1);
	life_age(scene->life, 60, OLD_NS);
	life_give_up(scene->life, 48 * HOUR_NS, 5);
	life_sweep(scene->life);
	assert_int_equal(life_first_file(scene->life, 1), 0);
	expect_base(scene, 50);
}

static void what_is_behind_all_that_there_is_is_no_base(void **state)
{
	struct scene *scene = *state;
	struct tmc_point point;

	life_add_stretch(scene->life, 5);
	life_add_point(scene->life, 50, 0);
	set_base(scene, 50);
	scene->protection.base.bytes[15]++;
	assert_false(find(scene, &point));
	set_base(scene, 50);
	scene->protection.base.bytes[0]++; /* of another stretch */
	assert_false(find(scene, &point));
}

static void what_is_given_up_is_said_once(void **state)
{
	struct scene *scene = *state;
	struct protection_settings settings = {
		.repository = scene->life->fixture->path, .keep_journal_ns = 48 * HOUR_NS,
	};

	scene->protection.settings = &settings;
	life_add_stretch(scene->life, 5);
	life_add_point(scene->life, 1, 0);
	life_add_point(scene->life, 35, 0);
	nr_said = 0;
	assert_int_equal(protection_forget_journal(&scene->protection), 0);
	assert_int_equal(nr_said, 0);
	life_age(scene->life, 40, OLD_NS);
	assert_int_equal(protection_forget_journal(&scene->protection), 0);
	assert_int_equal(nr_said, 1);
	assert_non_null(strstr(said, "journal: 3 segments, "));
	assert_int_equal(protection_forget_journal(&scene->protection), 0);
	assert_int_equal(nr_said, 1);
	assert_int_equal(life_first_seq(scene->life, 1), 31);
	settings.repository = "/nonexistent";
	assert_int_equal(protection_forget_journal(&scene->protection), -ENOENT);
	assert_int_equal(nr_said, 1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(the_end_of_its_stretch_is_the_base),
		T(also_where_the_segment_is_not_kept_any_more),
		T(also_where_nothing_but_a_point_is_left_of_the_stretch),
		T(what_is_behind_all_that_there_is_is_no_base),
		T(what_is_given_up_is_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
