// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * changed REPO IMAGE LIST BYTES: an incremental backup as the agent makes it, without a
 * kernel module: the parent is the latest point, and only the chunks of the blocks whose
 * numbers are in LIST, ascending, are read from the image and put. BYTES: of a block.
 * Prints what the point added to packs.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tidemark.h>

static void die(const char *what)
{
	fprintf(stderr, "changed: %s: %s\n", what, tmc_error_text());
	exit(1);
}

/* Of chunks [first, end) that fit into a buffer; returns the bytes read. */
static uint64_t put_chunks(struct tmc_backup *backup, const struct tmc_point *parent, int image,
			   uint64_t first, uint64_t end)
{
	uint64_t offset = first * parent->chunk_bytes;
	uint64_t left = parent->volume.volume_bytes - offset;
	uint64_t bytes = (end - first) * parent->chunk_bytes;
	void *buffer = tmc_backup_buffer(backup);

	if (!buffer)
		die("buffer");
	bytes = left < bytes ? left : bytes;
	if (pread(image, buffer, bytes, (off_t)offset) != (ssize_t)bytes) {
		perror("changed: pread");
		exit(1);
	}
	if (tmc_backup_put(backup, first, (uint32_t)(end - first), buffer, NULL) < 0)
		die("put");
	return bytes;
}

static uint64_t put_list(struct tmc_backup *backup, const struct tmc_point *parent, int image,
			 FILE *list, uint64_t block_bytes)
{
	uint64_t block, next = 0, read_bytes = 0;

	while (fscanf(list, "%" SCNu64, &block) == 1) {
		uint64_t first = block * block_bytes / parent->chunk_bytes;
		uint64_t end = ((block + 1) * block_bytes - 1) / parent->chunk_bytes + 1;

		first = first < next ? next : first;
		if (first < end)
			read_bytes += put_chunks(backup, parent, image, first, end);
		next = end;
	}
	return read_bytes;
}

int main(int argc, char **argv)
{
	struct tmc_point parent, point;
	struct tmc_backup *backup;
	struct tmc_repo *repo;
	uint64_t read_bytes;
	FILE *list;
	int image;

	if (argc != 5) {
		fprintf(stderr, "usage: changed REPO IMAGE LIST BYTES\n");
		return 2;
	}
	image = open(argv[2], O_RDONLY);
	list = fopen(argv[3], "r");
	if (image < 0 || !list) {
		perror(image < 0 ? argv[2] : argv[3]);
		return 1;
	}
	if (tmc_repo_open(argv[1], &repo) < 0 || tmc_point_find(repo, "latest", NULL, &parent) < 0 ||
	    tmc_backup_begin(repo, &parent.volume, &parent, 0, &backup) < 0)
		die(argv[1]);
	read_bytes = put_list(backup, &parent, image, list, strtoull(argv[4], NULL, 10));
	if (tmc_backup_commit(backup, (uint64_t)time(NULL) * 1000000000, read_bytes, &point) < 0)
		die("commit");
	printf("%" PRIu64 "\n", point.stored_bytes);
	tmc_repo_close(repo);
	return 0;
}
