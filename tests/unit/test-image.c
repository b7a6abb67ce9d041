// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Repositories that released versions have written stay readable. They lie in
 * tests/images/ and are never changed; the content they must give back follows
 * from a formula. With TIDEMARK_MAKE_IMAGE=DIRECTORY the program writes a new one
 * instead.
 */
#include "repo_fixture.h"

#define IMAGE       "tests/images/format-1"
#define CHUNK_BYTES 4096u
#define NR_CHUNKS   70u
#define TAIL_BYTES  1234u
#define NR_POINTS   2

/* The content of point 0, and what point 1 changed in it. */
static struct model *image_model(int point)
{
	struct model *model = model_create((NR_CHUNKS - 1) * CHUNK_BYTES + TAIL_BYTES, CHUNK_BYTES);

	for (uint32_t chunk = 0; chunk < NR_CHUNKS; chunk++) {
		uint8_t *data = model->data + chunk * CHUNK_BYTES;
		uint32_t version = point && chunk % 11 == 3;

		for (uint32_t i = 0; i < model_chunk_size(model, chunk); i++) {
			uint32_t noise = (chunk * CHUNK_BYTES + i + version * 977) * 2654435761u;

			if (chunk % 3 == 0) /* does not compress */
				data[i] = (uint8_t)(noise >> 24 ^ noise >> 13);
			else if (chunk % 3 == 1 || version) /* does */
				data[i] = (uint8_t)(chunk + version + i / 64);
		}
	}
	if (point)
		memset(model->unreadable + 40, 1, 3);
	else
		model->unreadable[69] = 1;
	return model;
}

static int make_image(const char *path)
{
	struct tmc_point point;
	struct tmc_repo *repo;

	if (tmc_repo_create(path, CHUNK_BYTES) || tmc_repo_open(path, &repo))
		return 1;
	for (int i = 0; i < NR_POINTS; i++) {
		struct model *model = image_model(i);
		struct tmc_point parent = point;

		if (model_backup(repo, model, i ? &parent : NULL, NULL, 1000000000u * (i + 1u),
				 &point)) {
			fprintf(stderr, "%s\n", tmc_error_text());
			return 1;
		}
		model_destroy(model);
	}
	tmc_repo_close(repo);
	return 0;
}

static void format_1_stays_readable(void **state)
{
	struct tmc_point *points;
	struct tmc_repo_info info;
	struct tmc_repo *repo;
	size_t nr;

	assert_success(tmc_repo_open(IMAGE, &repo));
	tmc_repo_get_info(repo, &info);
	assert_int_equal(info.chunk_bytes, CHUNK_BYTES);
	assert_success(tmc_point_list(repo, &points, &nr));
	assert_int_equal(nr, NR_POINTS);
	for (int i = 0; i < NR_POINTS; i++) {
		struct model *model = image_model(i);

		assert_int_equal(points[i].cut_time_ns, 1000000000u * (i + 1u));
		assert_string_equal(points[i].volume.volume_id, "test-volume");
		assert_string_equal(points[i].volume.fs_label, "l\xc3\xa4" "bel");
		assert_int_equal(points[i].unreadable_chunks, i ? 3 : 1);
		assert_int_equal(points[i].read_bytes, model->bytes);
		assert_point_equals(repo, &points[i], model);
		model_destroy(model);
	}
	assert_memory_equal(&points[1].parent, &points[0].id, sizeof(struct tmc_id));
	assert_verified(repo, NR_POINTS);
	free(points);
	tmc_repo_close(repo);
}

/* A backup into a copy of it: the old objects are used, not stored again. */
static void format_1_can_be_continued(void **state)
{
	struct fixture *fixture = *state;
	struct file_list *files = calloc(1, sizeof(*files));
	struct fixture source = { .path = IMAGE };
	struct model *model = image_model(1);
	struct tmc_point point;
	struct tmc_repo *repo;

	list_files(&source, "", files);
	for (size_t i = 0; i < files->nr; i++) {
		char path[512];
		size_t bytes;
		uint8_t *data = read_file(files->paths[i], &bytes);

		snprintf(path, sizeof(path), "%s%s", fixture->path,
			 files->paths[i] + strlen(IMAGE));
		for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
			*slash = '\0';
			mkdir(path, 0700);
			*slash = '/';
		}
		write_file(path, data, bytes);
		free(data);
	}
	assert_success(tmc_repo_open(fixture->path, &repo));
	assert_success(model_backup(repo, model, NULL, NULL, 3, &point));
	assert_int_equal(point.stored_bytes, 0);
	assert_point_equals(repo, &point, model);
	assert_verified(repo, NR_POINTS + 1);
	tmc_repo_close(repo);
	model_destroy(model);
	free(files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_1_stays_readable),
		cmocka_unit_test_setup_teardown(format_1_can_be_continued, fixture_setup,
						fixture_teardown),
	};
	const char *path = getenv("TIDEMARK_MAKE_IMAGE");

	return path ? make_image(path) : cmocka_run_group_tests(tests, NULL, NULL);
}
