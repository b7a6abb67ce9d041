// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Protections whose agent dies, whose repository fails, or that meet a module whose base is
 * something else.
 */
#include "protection_scene.h"

/* ------------------------------------------------------------------- dying agents */

/* As a killed one: nothing more becomes durable. */
static void kill_agent(struct scene *scene, unsigned int *seed)
{
	bool drops = rand_r(seed) % 2;

	if (drops)
		take_repository_away(scene);
	promise(scene, scene->start_ns, status_of(scene).durable_ns);
	module_break(scene->module, rand_r(seed) % 2 ? MODULE_GONE : MODULE_NONSENSE);
	stop(scene);
	module_give_channel_back(scene->module); /* one that it did not come to take over */
	if (drops)
		bring_repository_back(scene);
}

static void agents_that_die_lose_nothing_that_was_durable(void **state)
{
	struct scene *scene = *state;
	unsigned int seed = 8;

	scene->settings.points_ns = 60 * MS;
	begin_writing(scene, 9);
	for (unsigned int i = 0; i < 30; i++) {
		start(scene);
		if (i % 3 == 0)
			wait_for_streaming(scene);
		usleep((useconds_t)rand_r(&seed) % 120000);
		kill_agent(scene, &seed);
	}
	end_well(scene);
	check_marks(scene, 3);
	check_end(scene, VOLUME_BYTES);
}

/* One of the things that happen to a protection that runs. */
static void befall(struct scene *scene, unsigned int *seed)
{
	switch (rand_r(seed) % 6) {
	case 0:
		module_lose_stream(scene->module);
		break;
	case 1:
		module_be_quiet(scene->module, true);
		usleep((useconds_t)rand_r(seed) % 60000);
		module_be_quiet(scene->module, false);
		break;
	case 2:
		kill_agent(scene, seed);
		start(scene);
		break;
	case 3:
		promise(scene, scene->start_ns, clock_ns(CLOCK_REALTIME));
		stop(scene);
		start(scene);
		break;
	default:
		usleep((useconds_t)rand_r(seed) % 100000);
		break;
	}
}

static void check_repository(struct scene *scene)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_verify_result result;

	assert_success(tmc_verify(repo, NULL, 2, print_damage, NULL, (void *)"", &result));
	assert_true(result.segments > 0);
	tmc_repo_close(repo);
}

static unsigned int draw_seed(void)
{
	const char *seed = getenv("SEED");

	if (seed)
		return (unsigned int)strtoul(seed, NULL, 10);
	return is_long() ? (unsigned int)clock_ns(CLOCK_REALTIME) : 13;
}

/*
 * In a small ring, under writers that fail now and then. LONG=1: each time another one; SEED=
 * the one that it printed.
 */
static void whatever_happens_no_instant_is_wrong(void **state)
{
	struct scene *scene = *state;
	unsigned int seed = draw_seed();
	struct writers_options options = {
		.pause_us = 3000,
		.first_sector = seed % (VOLUME_BYTES / SECTOR - WRITERS_NR * WRITERS_SECTORS),
	};
	struct module_options small = {
		.name = NAME, .volume_bytes = VOLUME_BYTES, .chunk_bytes = CHUNK,
		.ring_bytes = 131072, .stall_ms = 3, .flight_us = 2000,
		.committing = check_commit, .context = scene,
	};

	print_message("seed %u\n", seed);
	options.seed = seed;
	options.fail = scene->writes_fail = seed % 2;
	scene->settings.points_ns = 100 * MS;
	scene->settings.store = &scene->store;
	module_destroy(scene->module);
	scene->module = module_create(&small);
	scene->writers = writers_start(scene->module, &options);
	start(scene);
	for (unsigned int i = 0; i < 40; i++) {
		scene->settings.scan_bytes_per_second = rand_r(&seed) % 3 ? 0 : 16u << 20;
		befall(scene, &seed);
	}
	end_well(scene);
	check_marks(scene, 1);
	check_end(scene, VOLUME_BYTES);
	check_repository(scene);
}

static void the_repository_goes_away_and_comes_back(void **state)
{
	struct scene *scene = *state;

	begin_writing(scene, 10);
	start(scene);
	wait_for_streaming(scene);
	usleep(200000);
	take_repository_away(scene);
	wait_until(scene, is_in, PROTECTION_WAITING);
	promise(scene, scene->start_ns, status_of(scene).durable_ns);
	assert_false(module_is_streaming(scene->module));
	bring_repository_back(scene);
	end_well(scene);
	check_marks(scene, 3);
	check_end(scene, VOLUME_BYTES);
}

/* -------------------------------------------------------------------------- bases */

static void a_base_that_nobody_knows_means_that_all_is_read(void **state)
{
	static const uint8_t base[MODULE_BASE_BYTES] = {1, 2, 3};
	struct scene *scene = *state;

	touch(scene, 50, 50);
	end_well(scene);
	touch(scene, 60, 5);
	module_set_base(scene->module, base);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, VOLUME_BYTES);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void the_base_of_another_repository_is_none(void **state)
{
	struct scene *scene = *state;

	touch(scene, 50, 50);
	end_well(scene);
	assert_int_equal(rename(scene->fixture->path, scene->away), 0);
	assert_success(tmc_repo_create(scene->fixture->path, CHUNK));
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, VOLUME_BYTES);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void forget_all_points(struct scene *scene)
{
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_point *points;
	size_t nr;

	assert_success(tmc_point_list(repo, &points, &nr));
	for (size_t i = 0; i < nr; i++)
		assert_success(tmc_forget(repo, &points[i].id, 1));
	free(points);
	tmc_repo_close(repo);
}

static void a_stretch_without_a_point_is_no_base(void **state)
{
	struct scene *scene = *state;

	touch(scene, 50, 50);
	end_well(scene);
	forget_all_points(scene);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, VOLUME_BYTES);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void make_point(struct scene *scene, struct tmc_point *ret_point)
{
	struct model *model = model_create(VOLUME_BYTES, CHUNK);
	struct tmc_volume volume = {.volume_id = NAME, .name = NAME, .volume_bytes = VOLUME_BYTES};
	struct tmc_repo *repo = open_repo(scene);
	struct tmc_backup *backup;

	module_read(scene->module, 0, VOLUME_BYTES / SECTOR, model->data);
	assert_success(tmc_backup_begin(repo, &volume, NULL, 2, &backup));
	assert_success(put_range(backup, model, 0, NR_CHUNKS, NULL));
	assert_success(tmc_backup_commit(backup, clock_ns(CLOCK_REALTIME), VOLUME_BYTES,
					 ret_point));
	tmc_repo_close(repo);
	model_destroy(model);
}

static void a_backup_s_point_is_a_base(void **state)
{
	struct scene *scene = *state;
	struct tmc_point point;

	touch(scene, 200, 40);
	make_point(scene, &point);
	module_set_base(scene->module, point.id.bytes);
	touch(scene, 210, 3);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).scan_bytes, 3 * CHUNK);
	end_well(scene);
	check_end(scene, VOLUME_BYTES);
}

static void a_volume_of_another_size_is_read_anew(void **state)
{
	struct scene *scene = *state;
	const uint64_t smaller = VOLUME_BYTES - 5 * CHUNK - 3 * SECTOR;

	begin_writing(scene, 11);
	end_well(scene);
	writers_free(scene->writers);
	scene->writers = NULL;
	module_resize(scene->module, smaller);
	touch(scene, 30, 3);
	start(scene);
	assert_int_equal(wait_for_streaming(scene).volume_bytes, smaller);
	end_well(scene);
	check_end(scene, smaller);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(agents_that_die_lose_nothing_that_was_durable),
		TEST(whatever_happens_no_instant_is_wrong),
		TEST(the_repository_goes_away_and_comes_back),
		TEST(a_base_that_nobody_knows_means_that_all_is_read),
		TEST(the_base_of_another_repository_is_none),
		TEST(a_stretch_without_a_point_is_no_base),
		TEST(a_backup_s_point_is_a_base),
		TEST(a_volume_of_another_size_is_read_anew),
	};

	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
