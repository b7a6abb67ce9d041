// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * changed REPO IMAGE LIST: an incremental backup as the agent makes it, without a
 * kernel module: the parent is the latest point, and only the blocks of 64 KiB whose
 * numbers are in LIST are read from the image and put.
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

#define BLOCK_BYTES 65536

static void die(const char *what)
{
	fprintf(stderr, "changed: %s: %s\n", what, tmc_error_text());
	exit(1);
}

static void put_block(struct tmc_backup *backup, const struct tmc_point *parent, int image,
		      uint64_t block)
{
	uint64_t offset = block * BLOCK_BYTES;
	uint64_t left = parent->volume.volume_bytes - offset;
	size_t bytes = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
	void *buffer = tmc_backup_buffer(backup);

	if (!buffer)
		die("buffer");
	if (pread(image, buffer, bytes, (off_t)offset) != (ssize_t)bytes) {
		perror("changed: pread");
		exit(1);
	}
	if (tmc_backup_put(backup, offset / parent->chunk_bytes,
			   (uint32_t)((bytes + parent->chunk_bytes - 1) / parent->chunk_bytes), buffer,
			   NULL) < 0)
		die("put");
}

int main(int argc, char **argv)
{
	struct tmc_point parent, point;
	struct tmc_backup *backup;
	struct tmc_repo *repo;
	uint64_t block, nr = 0;
	FILE *list;
	int image;

	if (argc != 4) {
		fprintf(stderr, "usage: changed REPO IMAGE LIST\n");
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
	if (parent.chunk_bytes > BLOCK_BYTES) {
		fprintf(stderr, "changed: chunks are larger than the blocks of the list\n");
		return 1;
	}
	for (; fscanf(list, "%" SCNu64, &block) == 1; nr++)
		put_block(backup, &parent, image, block);
	if (tmc_backup_commit(backup, (uint64_t)time(NULL) * 1000000000, nr * BLOCK_BYTES, &point) < 0)
		die("commit");
	tmc_repo_close(repo);
	return 0;
}
