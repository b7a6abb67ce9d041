// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Ranges at every alignment, streams, and restores that are gone on with.
 */
#include "restore_scene.h"

#include "faults.h"

#define VOLUME_BYTES (90ull * 4096 + 1536)

static const uint64_t bounds[] = {
	0, 1, 511, 512, 4095, 4096, 4097, 8192, 12289, 65536, 65537, 40 * 4096 - 1, 40 * 4096,
	VOLUME_BYTES - 1537, VOLUME_BYTES - 1536, VOLUME_BYTES - 1535, VOLUME_BYTES - 1,
	VOLUME_BYTES,
};

#define NR_BOUNDS (sizeof(bounds) / sizeof(*bounds))

static void expect(const struct scene *scene, uint8_t *data, uint64_t begin, uint64_t end)
{
	memcpy(data + begin, scene->model->data + begin, (size_t)(end - begin));
}

static void restore_range(struct scene *scene, enum restore_method method, uint64_t begin,
			  uint64_t end)
{
	uint8_t *data = malloc(VOLUME_BYTES);

	memset(data, 0xa5, VOLUME_BYTES);
	write_file(scene->image, data, VOLUME_BYTES);
	scene->request.method = method;
	scene->request.begin = begin;
	scene->request.end = end;
	scene->request.read_back = true;
	assert_restored(scene);
	expect(scene, data, begin, end);
	assert_file_is(scene->image, data, VOLUME_BYTES);
	assert_accounted(scene);
	assert_int_equal(tally_bytes(&scene->result.tally, TALLY_WRITTEN) +
			 tally_bytes(&scene->result.tally, TALLY_ZEROED), end - begin);
	free(data);
}

/* LONG=1 takes all pairs. */
static void a_range_is_exact_at_each_pair_of_bounds(void **state)
{
	size_t step = is_long() ? 1 : 4;
	struct scene scene;

	scene_open(&scene, *state, scene_model(VOLUME_BYTES, 4096, true));
	for (size_t i = 0; i < NR_BOUNDS; i++)
		for (size_t j = i + 1; j < NR_BOUNDS; j += j == i + 1 ? 1 : step)
			restore_range(&scene, (i + j) % 2 ? RESTORE_WHOLE : RESTORE_DELTA, bounds[i],
				      bounds[j]);
	scene_close(&scene);
}

static void a_range_leaves_the_size_of_a_larger_file(void **state)
{
	uint8_t *data = malloc(200 * 4096);
	struct scene scene;

	scene_open(&scene, *state, scene_model(VOLUME_BYTES, 4096, false));
	memset(data, 0x11, 200 * 4096);
	write_file(scene.image, data, 200 * 4096);
	scene.request.begin = 4000;
	scene.request.end = 5000;
	assert_restored(&scene);
	expect(&scene, data, 4000, 5000);
	assert_file_is(scene.image, data, 200 * 4096);
	free(data);
	scene_close(&scene);
}

static void a_range_beyond_the_volume_is_refused(void **state)
{
	static const uint64_t ranges[][2] = {
		{0, VOLUME_BYTES + 1}, {5, 5}, {6, 5}, {VOLUME_BYTES + 1, 0}, {UINT64_MAX, 0},
	};
	struct scene scene;

	scene_open(&scene, *state, scene_model(VOLUME_BYTES, 4096, false));
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		scene.request.begin = ranges[i][0];
		scene.request.end = ranges[i][1];
		assert_int_equal(scene_restore(&scene), -ERANGE);
		assert_int_equal(access(scene.image, F_OK), -1);
	}
	scene_close(&scene);
}

/* ---------------------------------------------------------------------- streams */

/* Standard output is a file meanwhile. */
static int restore_to_file_by_stdout(struct scene *scene, const char *path)
{
	int kept, fd, r;

	fflush(stdout);
	kept = dup(STDOUT_FILENO);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	r = scene_restore(scene);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	return r;
}

static void a_stream_is_the_range_in_its_order(void **state)
{
	/* More than one window. */
	struct model *model = model_create((33ull << 20) + 777, 65536);
	struct scene scene;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		if (chunk % 3)
			model_fill(model, chunk, chunk % 50 ? CONTENT_DUPLICATE : CONTENT_RANDOM);
	scene_open(&scene, *state, model);
	scene.request.target = RESTORE_STDOUT;
	scene.request.method = RESTORE_WHOLE;
	assert_int_equal(restore_to_file_by_stdout(&scene, scene.image), 0);
	assert_file_is(scene.image, model->data, model->bytes);
	assert_accounted(&scene);
	scene.request.begin = 65535;
	scene.request.end = (32ull << 20) + 1;
	assert_int_equal(restore_to_file_by_stdout(&scene, scene.image), 0);
	assert_file_is(scene.image, model->data + 65535, (32ull << 20) + 1 - 65535);
	scene.request.dry_run = true;
	assert_int_equal(restore_to_file_by_stdout(&scene, scene.image), 0);
	assert_file_is(scene.image, NULL, 0);
	scene.request.method = RESTORE_DELTA;
	scene.request.dry_run = false;
	assert_int_equal(restore_to_file_by_stdout(&scene, scene.image), -EINVAL);
	scene_close(&scene);
}

static void a_stream_that_cannot_be_written_is_an_error(void **state)
{
	struct scene scene;

	if (access("/dev/full", W_OK) < 0)
		skip();
	scene_open(&scene, *state, scene_model(VOLUME_BYTES, 4096, false));
	scene.request.target = RESTORE_STDOUT;
	scene.request.method = RESTORE_WHOLE;
	assert_int_equal(restore_to_file_by_stdout(&scene, "/dev/full"), -ENOSPC);
	assert_int_equal(tally_bytes(&scene.result.tally, TALLY_INCOMPLETE), VOLUME_BYTES);
	scene_close(&scene);
}

/* ---------------------------------------------------------------------- resuming */

static void a_resumed_file_is_exact_and_gets_its_name_at_the_end(void **state)
{
	unsigned int at = 1, nr_failed = 0, nr_went_on = 0;
	char partial[128];
	struct scene scene;

	scene_open(&scene, *state, scene_model(3 * VOLUME_BYTES, 4096, true));
	scene.request.method = RESTORE_RESUME;
	scene.request.force = TARGET_CAREFUL;
	snprintf(partial, sizeof(partial), "%s.partial", scene.image);
	for (bool fired = true; fired; at++) {
		int r;

		unlink(scene.image);
		faults_arm(FAULT_KILL, at);
		r = scene_restore(&scene);
		fired = faults_fired();
		faults_disarm();
		nr_failed += r < 0;
		if (r < 0) {
			uint64_t same;

			assert_int_equal(access(scene.image, F_OK), -1);
			assert_restored(&scene);
			same = tally_bytes(&scene.result.tally, TALLY_SAME);
			nr_went_on += same > VOLUME_BYTES;
		}
		assert_file_is(scene.image, scene.model->data, scene.model->bytes);
		assert_int_equal(access(partial, F_OK), -1);
	}
	assert_true(nr_failed > 2);
	assert_true(nr_went_on > 0);
	scene_close(&scene);
}

static void what_is_in_use_is_not_gone_on_with(void **state)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	char partial[128];
	struct scene scene;
	int fd;

	scene_open(&scene, *state, scene_model(VOLUME_BYTES, 4096, false));
	snprintf(partial, sizeof(partial), "%s.partial", scene.image);
	fd = open(partial, O_RDWR | O_CREAT, 0600);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	scene.request.method = RESTORE_RESUME;
	assert_int_equal(scene_restore(&scene), -ETXTBSY);
	close(fd);
	assert_int_equal(unlink(partial), 0);
	assert_int_equal(symlink("elsewhere", partial), 0);
	assert_true(scene_restore(&scene) < 0);
	assert_int_equal(unlink(partial), 0);
	assert_restored(&scene);
	scene_close(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_range_is_exact_at_each_pair_of_bounds),
		TEST(a_range_leaves_the_size_of_a_larger_file),
		TEST(a_range_beyond_the_volume_is_refused),
		TEST(a_stream_is_the_range_in_its_order),
		TEST(a_stream_that_cannot_be_written_is_an_error),
		TEST(a_resumed_file_is_exact_and_gets_its_name_at_the_end),
		TEST(what_is_in_use_is_not_gone_on_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
