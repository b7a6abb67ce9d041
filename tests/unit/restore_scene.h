/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A repository with one point of a volume in memory, and an image file to restore it to.
 */
#ifndef TESTS_UNIT_RESTORE_SCENE_H
#define TESTS_UNIT_RESTORE_SCENE_H

#include "repo_fixture.h"

#include "common/failure.h"
#include "common/io.h"
#include "restore/restore.h"

#define SCENE_CHUNK 4096u

struct scene {
	struct fixture *fixture;
	struct model *model;
	struct tmc_point point;
	char directory[64]; /* of the image; not below /dev, where no new file is made */
	char image[96];
	struct restore_request request;
	struct restore_result result;
};

/* The model becomes the scene's; unreadable chunks of it are zeros in its data. */
FIXTURE void scene_open(struct scene *scene, struct fixture *fixture, struct model *model)
{
	struct tmc_repo *repo = make_repo(fixture->path, model->chunk_bytes);

	*scene = (struct scene){.fixture = fixture, .model = model};
	assert_success(model_backup(repo, model, NULL, NULL, 1, &scene->point));
	tmc_repo_close(repo);
	snprintf(scene->directory, sizeof(scene->directory), "/tmp/tidemark-unit.XXXXXX");
	assert_non_null(mkdtemp(scene->directory));
	snprintf(scene->image, sizeof(scene->image), "%s/image", scene->directory);
	scene->request = (struct restore_request){
		.repository = fixture->path,
		.point = "latest",
		.target = scene->image,
		.force = TARGET_FORCE,
		.method = RESTORE_DELTA,
	};
}

FIXTURE void scene_close(struct scene *scene)
{
	restore_result_clear(&scene->result);
	model_destroy(scene->model);
	remove_tree(scene->directory);
}

FIXTURE int scene_restore(struct scene *scene)
{
	restore_result_clear(&scene->result);
	return restore_run(&scene->request, &scene->result);
}

#define assert_restored(scene)                                                 \
	do {                                                                   \
		int restored_ = scene_restore(scene);                          \
		if (restored_ < 0)                                             \
			fail_msg("restore: %d, %s", restored_, failure_text()); \
	} while (0)

FIXTURE void assert_file_is(const char *path, const uint8_t *data, uint64_t bytes)
{
	size_t found_bytes;
	uint8_t *found = read_file(path, &found_bytes);

	assert_int_equal(found_bytes, bytes);
	for (uint64_t i = 0; i < bytes; i++)
		if (found[i] != data[i])
			fail_msg("%s: byte %llu is %02x, not %02x", path, (unsigned long long)i,
				 found[i], data[i]);
	free(found);
}

/* All fates of the tally together are its range. */
FIXTURE void assert_accounted(const struct scene *scene)
{
	const struct tally *tally = &scene->result.tally;
	uint64_t sum = 0;

	for (int fate = 0; fate < TALLY_NR_FATES; fate++)
		sum += tally_bytes(tally, (enum tally_fate)fate);
	assert_int_equal(sum, tally->end - tally->begin);
	assert_int_equal(tally_bytes(tally, TALLY_INCOMPLETE), 0);
}

/* A mixed volume with chunks that nobody could read, which hold zeros. */
FIXTURE struct model *scene_model(uint64_t bytes, uint32_t chunk_bytes, bool with_unreadable)
{
	struct model *model = model_mixed(bytes, chunk_bytes);

	for (uint64_t i = 0; with_unreadable && i < 3; i++) {
		uint64_t chunk = model_random(model) % model->nr_chunks;

		model_fill(model, chunk, CONTENT_ZERO);
		model->unreadable[chunk] = 1;
	}
	return model;
}

/* What the model holds, changed in so many chunks, in the first and the last one too. */
FIXTURE uint8_t *changed_content(struct model *model, uint64_t nr_changes)
{
	uint8_t *data = malloc(model->nr_chunks * model->chunk_bytes);

	memcpy(data, model->data, model->nr_chunks * model->chunk_bytes);
	data[0] ^= 1;
	data[model->bytes - 1] ^= 1;
	for (uint64_t i = 0; i < nr_changes; i++) {
		uint64_t chunk = model_random(model) % model->nr_chunks;
		uint8_t *at = data + chunk * model->chunk_bytes;
		uint32_t bytes = model_chunk_size(model, chunk);

		if (i % 3 == 0)
			memset(at, 0, bytes);
		else
			at[model_random(model) % bytes] ^= 0x80;
	}
	return data;
}

#endif
