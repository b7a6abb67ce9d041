// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A program that has nothing of this project but the installed library: backs up
 * a buffer, reads the point back, compares. outside REPOSITORY
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidemark.h>

#define CHUNK_BYTES  4096u
#define VOLUME_BYTES (3 * TMC_BUFFER_BYTES + 1000)

static unsigned char volume_data[VOLUME_BYTES], image[VOLUME_BYTES];

static int failed(const char *call)
{
	fprintf(stderr, "%s: %s\n", call, tmc_error_text());
	return 1;
}

static int store_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	memcpy(image + offset, data, bytes);
	return 0;
}

static int store_zeros(void *context, uint64_t offset, uint64_t bytes)
{
	memset(image + offset, 0, bytes);
	return 0;
}

static int back_up(struct tmc_repo *repo, struct tmc_point *ret_point)
{
	struct tmc_volume volume = { .volume_id = "outside", .name = "outside",
				     .volume_bytes = VOLUME_BYTES };
	struct tmc_backup *backup;

	if (tmc_backup_begin(repo, &volume, NULL, 1, &backup))
		return failed("begin");
	for (uint64_t offset = 0; offset < VOLUME_BYTES; offset += TMC_BUFFER_BYTES) {
		uint64_t left = VOLUME_BYTES - offset;
		size_t part = left < TMC_BUFFER_BYTES ? (size_t)left : TMC_BUFFER_BYTES;
		void *buffer = tmc_backup_buffer(backup);

		if (!buffer)
			break;
		memcpy(buffer, volume_data + offset, part);
		if (tmc_backup_put(backup, offset / CHUNK_BYTES,
				   (uint32_t)((part + CHUNK_BYTES - 1) / CHUNK_BYTES), buffer,
				   NULL))
			break;
	}
	return tmc_backup_commit(backup, 1, VOLUME_BYTES, ret_point) ? failed("commit") : 0;
}

int main(int argc, char **argv)
{
	const struct tmc_sink sink = { .data = store_data, .zero = store_zeros };
	struct tmc_point point, latest;
	struct tmc_repo *repo;

	for (size_t i = 0; i < VOLUME_BYTES; i++)
		volume_data[i] = i / 100000 % 3 ? (unsigned char)(i * 2654435761u >> 13) : 0;
	memset(image, 0xaa, sizeof(image));
	if (argc != 2 || tmc_repo_create(argv[1], CHUNK_BYTES) || tmc_repo_open(argv[1], &repo))
		return failed("create");
	if (back_up(repo, &point))
		return 1;
	if (tmc_point_find(repo, "latest", NULL, &latest) ||
	    tmc_point_extract(repo, &latest, 1, &sink))
		return failed("extract");
	tmc_repo_close(repo);
	if (!memcmp(image, volume_data, VOLUME_BYTES) && !memcmp(&latest.id, &point.id, TMC_ID_BYTES))
		return 0;
	fprintf(stderr, "what came back is not what was backed up\n");
	return 1;
}
