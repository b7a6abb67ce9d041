// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A point that is written to, against the volume in memory: writes and zeros of any sectors, by
 * one process and by the one that comes after it.
 */
#include "repo_fixture.h"

#include "restore/scratch.h"

#include <sys/wait.h>

#define CHUNK  16384u
#define SECTOR 512u

struct scene {
	struct tmc_repo *repo;
	struct model *model;
	struct tmc_point point;
	struct tmc_image *image;
	struct scratch *scratch;
	struct server_backend backend;
};

static void begin(struct scene *scene, const struct fixture *fixture, uint64_t bytes)
{
	scene->repo = make_repo(fixture->path, CHUNK);
	scene->model = model_mixed(bytes, CHUNK);
	assert_success(model_backup(scene->repo, scene->model, NULL, NULL, 1, &scene->point));
	assert_success(tmc_image_open(scene->repo, &scene->point, 1u << 20, &scene->image));
	assert_success(scratch_open(fixture->directory, bytes, &scene->scratch));
	scratch_set_image(scene->scratch, scene->image);
	scene->backend = scratch_backend(scene->scratch);
}

static void end(struct scene *scene)
{
	scratch_close(scene->scratch);
	tmc_image_close(scene->image);
	model_destroy(scene->model);
	tmc_repo_close(scene->repo);
}

static void assert_range(struct scene *scene, uint64_t offset, uint32_t bytes)
{
	uint8_t *data = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);

	assert_int_equal(scene->backend.read(scene->backend.context, offset, data, bytes), 0);
	assert_memory_equal(data, scene->model->data + offset, bytes);
	free(data);
}

static void assert_all(struct scene *scene)
{
	for (uint64_t at = 0; at < scene->model->bytes; at += 1u << 18) {
		uint64_t left = scene->model->bytes - at;

		assert_range(scene, at, left < 1u << 18 ? (uint32_t)left : 1u << 18);
	}
}

static void change_at_random(struct scene *scene)
{
	struct model *model = scene->model;
	uint64_t nr_sectors = model->bytes / SECTOR;
	uint64_t first = model_random(model) % nr_sectors;
	uint64_t nr = 1 + model_random(model) % 100;
	uint64_t offset = first * SECTOR;
	uint32_t bytes;

	nr = nr < nr_sectors - first ? nr : nr_sectors - first;
	bytes = (uint32_t)(nr * SECTOR);
	if (model_random(model) % 3 == 0) {
		memset(model->data + offset, 0, bytes);
		assert_int_equal(scene->backend.zero(scene->backend.context, offset, bytes), 0);
		return;
	}
	for (uint32_t i = 0; i < bytes; i++)
		model->data[offset + i] = (uint8_t)model_random(model);
	assert_int_equal(scene->backend.write(scene->backend.context, offset, model->data + offset,
					      bytes), 0);
}

static void what_is_written_is_read(void **state)
{
	static const uint64_t sizes[] = {SECTOR, 4096 * 3 + SECTOR, 40 * CHUNK, 61 * CHUNK + 3 * SECTOR};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct fixture *fixture = *state;
		struct scene scene = {0};
		struct model *before;

		begin(&scene, fixture, sizes[i]);
		assert_all(&scene);
		for (int n = 0; n < 60; n++)
			change_at_random(&scene);
		assert_all(&scene);
		assert_true(scratch_written_bytes(scene.scratch) > 0);
		assert_true(scratch_written_bytes(scene.scratch) <= sizes[i] + 4095);
		before = model_mixed(sizes[i], CHUNK);
		assert_point_equals(scene.repo, &scene.point, before);
		model_destroy(before);
		end(&scene);
		remove_tree(fixture->path);
	}
}

static void a_successor_has_what_was_written(void **state)
{
	struct scene scene = {0};
	int status;
	pid_t pid;

	begin(&scene, *state, 30 * CHUNK);
	memset(scene.model->data + 5 * SECTOR, 0x77, 39 * SECTOR);
	pid = fork();
	if (pid == 0)
		_exit(scene.backend.write(scene.backend.context, 5 * SECTOR,
					  scene.model->data + 5 * SECTOR, 39 * SECTOR) != 0);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_range(&scene, 0, 30 * CHUNK);
	end(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(a_successor_has_what_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
