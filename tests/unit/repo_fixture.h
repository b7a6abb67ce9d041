/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A repository in a directory of its own, volumes in memory, and a sink that
 * checks that a point comes back exactly: each chunk once, aligned, bit for bit.
 */
#ifndef TESTS_UNIT_REPO_FIXTURE_H
#define TESTS_UNIT_REPO_FIXTURE_H

#include "catalog/key_slot.h"
#include "tidemark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE __attribute__((unused)) static

struct fixture {
	char directory[64];
	char path[80]; /* of the repository; not made yet */
};

FIXTURE int fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->directory, sizeof(fixture->directory), "%s/tidemark-unit.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(fixture->directory))
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "%s/repo", fixture->directory);
	*state = fixture;
	return 0;
}

FIXTURE int fixture_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

FIXTURE void remove_tree(const char *path)
{
	nftw(path, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

FIXTURE int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	remove_tree(fixture->directory);
	free(fixture);
	return 0;
}

#define assert_success(expression)                                                   \
	do {                                                                         \
		int ret_ = (expression);                                             \
		if (ret_ < 0)                                                        \
			fail_msg("%s: %d, %s", #expression, ret_, tmc_error_text()); \
	} while (0)

/* The long form is asked for: LONG=1; make hands on an empty one where it has none. */
FIXTURE bool is_long(void)
{
	const char *text = getenv("LONG");

	return text && *text;
}

/* With TIDEMARK_UNIT_ENCRYPTED in the environment every repository of a test is encrypted. */
FIXTURE int fixture_create(const char *path, uint32_t chunk_bytes)
{
	struct tmc_repo_options options = {
		.chunk_bytes = chunk_bytes, .passphrase = "of the fixture",
	};

	if (!getenv("TIDEMARK_UNIT_ENCRYPTED"))
		return tmc_repo_create(path, chunk_bytes);
	tmc_scrypt_cost = (struct tmc_scrypt_cost){ .log2_n = 10, .r = 1, .p = 1 };
	return tmc_repo_create_with(path, &options);
}

FIXTURE int fixture_open(const char *path, struct tmc_repo **ret_repo)
{
	struct tmc_repo_info info;
	int ret = tmc_repo_open(path, ret_repo);

	if (ret < 0)
		return ret;
	tmc_repo_get_info(*ret_repo, &info);
	if (info.locked && getenv("TIDEMARK_UNIT_ENCRYPTED"))
		ret = tmc_repo_unlock(*ret_repo, "of the fixture");
	if (ret < 0)
		tmc_repo_close(*ret_repo);
	return ret;
}

#define tmc_repo_create fixture_create
#define tmc_repo_open   fixture_open

FIXTURE struct tmc_repo *make_repo(const char *path, uint32_t chunk_bytes)
{
	struct tmc_repo *repo;

	assert_success(tmc_repo_create(path, chunk_bytes));
	assert_success(tmc_repo_open(path, &repo));
	return repo;
}

/* --------------------------------------------------------------------- volumes */

struct model {
	uint64_t bytes;
	uint64_t nr_chunks;
	uint32_t chunk_bytes;
	uint64_t seed;
	uint8_t *data;
	uint8_t *unreadable; /* by chunk */
};

FIXTURE uint64_t model_random(struct model *model)
{
	model->seed ^= model->seed << 13;
	model->seed ^= model->seed >> 7;
	model->seed ^= model->seed << 17;
	return model->seed;
}

FIXTURE struct model *model_create(uint64_t bytes, uint32_t chunk_bytes)
{
	struct model *model = calloc(1, sizeof(*model));

	model->bytes = bytes;
	model->chunk_bytes = chunk_bytes;
	model->nr_chunks = (bytes + chunk_bytes - 1) / chunk_bytes;
	model->seed = 88172645463325252u;
	model->data = calloc(model->nr_chunks + 1, chunk_bytes);
	model->unreadable = calloc(model->nr_chunks + 1, 1);
	return model;
}

FIXTURE void model_destroy(struct model *model)
{
	free(model->data);
	free(model->unreadable);
	free(model);
}

FIXTURE uint32_t model_chunk_size(const struct model *model, uint64_t chunk)
{
	uint64_t left = model->bytes - chunk * model->chunk_bytes;

	return left < model->chunk_bytes ? (uint32_t)left : model->chunk_bytes;
}

enum content {
	CONTENT_ZERO,
	CONTENT_RANDOM,       /* LZ4 does not pay */
	CONTENT_TEXT,         /* it does */
	CONTENT_DUPLICATE,    /* one of four contents */
	CONTENT_ALMOST_ZERO,  /* its last byte is not */
	NR_CONTENTS,
};

FIXTURE void model_fill(struct model *model, uint64_t chunk, enum content content)
{
	uint8_t *data = model->data + chunk * model->chunk_bytes;
	uint32_t bytes = model_chunk_size(model, chunk);
	uint64_t value = model_random(model);

	memset(data, 0, bytes);
	for (uint32_t i = 0; i < bytes; i++) {
		if (content == CONTENT_RANDOM)
			data[i] = (uint8_t)model_random(model);
		else if (content == CONTENT_TEXT)
			data[i] = (uint8_t)('a' + (i / 7 + (i % 64 ? 0 : value)) % 23);
		else if (content == CONTENT_DUPLICATE)
			data[i] = (uint8_t)(1 + value % 4 + i % 3);
	}
	if (content == CONTENT_TEXT && bytes >= sizeof(value))
		memcpy(data, &value, sizeof(value));
	if (content == CONTENT_ALMOST_ZERO && bytes)
		data[bytes - 1] = (uint8_t)(value | 1);
	model->unreadable[chunk] = 0;
}

FIXTURE struct model *model_mixed(uint64_t bytes, uint32_t chunk_bytes)
{
	struct model *model = model_create(bytes, chunk_bytes);

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, (enum content)(model_random(model) % NR_CONTENTS));
	return model;
}

/* --------------------------------------------------------------------- backups */

FIXTURE struct tmc_volume model_volume(const struct model *model)
{
	struct tmc_volume volume = {
		.volume_id = "test-volume",
		.name = "vol",
		.host = "unit",
		.fs_type = "ext4",
		.fs_uuid = "0123",
		.fs_label = "l\xc3\xa4" "bel",
		.volume_bytes = model->bytes,
	};

	return volume;
}

/* Put the chunks [first, first + nr) that chosen names, all where it is NULL. */
FIXTURE int put_range(struct tmc_backup *backup, const struct model *model, uint64_t first,
		      uint64_t nr, const uint8_t *chosen)
{
	uint64_t per_buffer = TMC_BUFFER_BYTES / model->chunk_bytes;

	for (uint64_t chunk = first; chunk < first + nr; chunk += per_buffer) {
		uint64_t part = first + nr - chunk < per_buffer ? first + nr - chunk : per_buffer;
		uint64_t bits[TMC_BUFFER_BYTES / TMC_CHUNK_BYTES_MIN / 64] = { 0 };
		void *buffer = tmc_backup_buffer(backup);
		bool any = false;
		int ret;

		if (!buffer)
			return -EIO;
		for (uint64_t n = 0; n < part; n++) {
			if (model->unreadable[chunk + n] || (chosen && !chosen[chunk + n]))
				continue;
			bits[n / 64] |= 1ull << n % 64;
			any = true;
			memcpy((uint8_t *)buffer + n * model->chunk_bytes,
			       model->data + (chunk + n) * model->chunk_bytes,
			       model_chunk_size(model, chunk + n));
		}
		if (!any) {
			tmc_backup_buffer_return(backup, buffer);
			continue;
		}
		ret = tmc_backup_put(backup, chunk, (uint32_t)part, buffer, bits);
		if (ret < 0)
			return ret;
	}
	for (uint64_t chunk = first; chunk < first + nr; chunk++) {
		int ret;

		if (!model->unreadable[chunk] || (chosen && !chosen[chunk]))
			continue;
		ret = tmc_backup_put_unreadable(backup, chunk, 1);
		if (ret < 0)
			return ret;
	}
	return 0;
}

FIXTURE int model_backup(struct tmc_repo *repo, const struct model *model,
			 const struct tmc_point *parent, const uint8_t *chosen,
			 uint64_t cut_time_ns, struct tmc_point *ret_point)
{
	struct tmc_volume volume = model_volume(model);
	struct tmc_backup *backup;
	int ret = tmc_backup_begin(repo, &volume, parent, 2, &backup);

	if (ret < 0)
		return ret;
	put_range(backup, model, 0, model->nr_chunks, chosen);
	return tmc_backup_commit(backup, cut_time_ns, model->bytes, ret_point);
}

/* ------------------------------------------------------------------------ read */

struct image {
	const struct model *model; /* for its geometry */
	uint8_t *data;
	_Atomic uint8_t *seen;     /* by chunk */
	uint8_t *unreadable;       /* by chunk */
	atomic_bool misused;       /* a call that the header does not allow */
	_Atomic uint64_t last_progress;
};

FIXTURE void image_mark(struct image *image, uint64_t offset, uint64_t bytes)
{
	const struct model *model = image->model;

	if (offset % model->chunk_bytes || offset + bytes > model->bytes || !bytes ||
	    (bytes % model->chunk_bytes && offset + bytes != model->bytes)) {
		image->misused = true;
		return;
	}
	for (uint64_t chunk = offset / model->chunk_bytes;
	     chunk * model->chunk_bytes < offset + bytes; chunk++)
		image->seen[chunk]++;
}

FIXTURE int image_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	struct image *image = context;

	image_mark(image, offset, bytes);
	if ((uintptr_t)data % 4096 || bytes > TMC_BUFFER_BYTES)
		image->misused = true;
	if (!image->misused)
		memcpy(image->data + offset, data, bytes);
	return 0;
}

FIXTURE int image_zero(void *context, uint64_t offset, uint64_t bytes)
{
	struct image *image = context;

	image_mark(image, offset, bytes);
	if (!image->misused)
		memset(image->data + offset, 0, bytes);
	return 0;
}

FIXTURE int image_unreadable(void *context, uint64_t offset, uint64_t bytes)
{
	struct image *image = context;
	uint32_t chunk_bytes = image->model->chunk_bytes;

	image_mark(image, offset, bytes);
	if (!image->misused)
		memset(image->unreadable + offset / chunk_bytes, 1,
		       (bytes + chunk_bytes - 1) / chunk_bytes);
	return 0;
}

FIXTURE void image_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
	struct image *image = context;

	if (done_bytes < image->last_progress || total_bytes != image->model->bytes)
		image->misused = true;
	image->last_progress = done_bytes;
}

enum extraction {
	EXTRACTION_EXACT,
	EXTRACTION_REFUSED, /* an error; what was delivered is right */
	EXTRACTION_WRONG,   /* must never happen */
};

FIXTURE enum extraction judge_image(const struct image *image, bool complete)
{
	const struct model *model = image->model;

	if (image->misused || (complete && model->bytes && image->last_progress != model->bytes))
		return EXTRACTION_WRONG;
	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++) {
		uint64_t offset = chunk * model->chunk_bytes;

		if (image->seen[chunk] > 1 || (complete && !image->seen[chunk]))
			return EXTRACTION_WRONG;
		if (!image->seen[chunk])
			continue;
		if (image->unreadable[chunk] != model->unreadable[chunk])
			return EXTRACTION_WRONG;
		if (!model->unreadable[chunk] &&
		    memcmp(image->data + offset, model->data + offset,
			   model_chunk_size(model, chunk)))
			return EXTRACTION_WRONG;
	}
	return complete ? EXTRACTION_EXACT : EXTRACTION_REFUSED;
}

FIXTURE enum extraction extract_point(struct tmc_repo *repo, const struct tmc_point *point,
				      const struct model *model)
{
	struct image image = {
		.model = model,
		.data = malloc((model->nr_chunks + 1) * model->chunk_bytes),
		.seen = calloc(model->nr_chunks + 1, 1),
		.unreadable = calloc(model->nr_chunks + 1, 1),
	};
	struct tmc_sink sink = {
		.data = image_data,
		.zero = image_zero,
		.unreadable = image_unreadable,
		.progress = image_progress,
		.context = &image,
	};
	int ret = tmc_point_extract(repo, point, 2, &sink);
	enum extraction extraction = judge_image(&image, !ret);

	free(image.data);
	free((void *)image.seen);
	free(image.unreadable);
	return extraction;
}

#define assert_point_equals(repo, point, model)                                  \
	do {                                                                     \
		enum extraction extraction_ = extract_point(repo, point, model); \
		if (extraction_ == EXTRACTION_REFUSED)                           \
			fail_msg("refused: %s", tmc_error_text());               \
		assert_int_equal(extraction_, EXTRACTION_EXACT);                 \
	} while (0)

/* ---------------------------------------------------------------------- verify */

FIXTURE void print_damage(void *context, const char *text)
{
	if (context)
		print_message("%s\n", text);
}

#define assert_verified(repo, nr_points)                                              \
	do {                                                                          \
		struct tmc_verify_result result_;                                     \
		assert_success(tmc_verify(repo, NULL, 2, print_damage, NULL, (void *)"", \
					  &result_));                                 \
		assert_int_equal(result_.points, nr_points);                          \
		assert_int_equal(result_.damaged_objects, 0);                         \
		assert_int_equal(result_.damaged_points, 0);                          \
	} while (0)

/* ----------------------------------------------------------------------- files */

struct file_list {
	char paths[256][256];
	size_t nr;
};

static struct file_list *fixture_files;

FIXTURE int fixture_collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type == FTW_F && fixture_files->nr < 256)
		snprintf(fixture_files->paths[fixture_files->nr++], 256, "%s", path);
	return 0;
}

/* All files below a directory of the repository: "packs", "index", "points". */
FIXTURE void list_files(const struct fixture *fixture, const char *directory,
			struct file_list *ret_list)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", fixture->path, directory);
	ret_list->nr = 0;
	fixture_files = ret_list;
	nftw(path, fixture_collect, 16, FTW_PHYS);
}

FIXTURE size_t count_files(const struct fixture *fixture, const char *directory)
{
	struct file_list *list = malloc(sizeof(*list));
	size_t nr;

	list_files(fixture, directory, list);
	nr = list->nr;
	free(list);
	return nr;
}

/* What lies in sessions, but for what makes them seen. */
FIXTURE size_t count_drafts(const struct fixture *fixture)
{
	struct file_list *list = malloc(sizeof(*list));
	size_t nr = 0;

	list_files(fixture, "sessions", list);
	for (size_t i = 0; i < list->nr; i++) {
		const char *name = strrchr(list->paths[i], '/') + 1;

		nr += strcmp(name, "alive") && strcmp(name, "avoids");
	}
	free(list);
	return nr;
}

FIXTURE uint8_t *read_file(const char *path, size_t *ret_bytes)
{
	FILE *file = fopen(path, "r");
	struct stat st;
	uint8_t *data;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	data = malloc((size_t)st.st_size + 1);
	*ret_bytes = fread(data, 1, (size_t)st.st_size, file);
	assert_int_equal(*ret_bytes, st.st_size);
	fclose(file);
	return data;
}

FIXTURE void write_file(const char *path, const void *data, size_t bytes)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, bytes, file), bytes);
	assert_int_equal(fclose(file), 0);
}

#endif
