// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * replace IMAGE OTHER FIRST NR BYTES: replaces NR blocks of so many bytes, spread over
 * the image at random but always the same ones, by the blocks of OTHER from FIRST on,
 * and prints the numbers of the blocks in ascending order.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t block_bytes;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_file(const char *path, int flags, uint64_t *ret_blocks)
{
	int fd = open(path, flags);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	*ret_blocks = (uint64_t)st.st_size / block_bytes;
	return fd;
}

/* splitmix64: any generator will do as long as it stays the same. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* A choice of nr among all blocks, each set as likely as any other. */
static bool *choose(uint64_t nr_blocks, uint64_t nr, uint64_t seed)
{
	bool *chosen = calloc(nr_blocks, sizeof(*chosen));

	if (!chosen)
		die("calloc");
	while (nr) {
		uint64_t block = next_random(&seed) % nr_blocks;

		nr -= !chosen[block];
		chosen[block] = true;
	}
	return chosen;
}

int main(int argc, char **argv)
{
	char *data;
	uint64_t image_blocks, other_blocks, first, nr;
	int image, other;
	bool *chosen;

	if (argc != 6) {
		fprintf(stderr, "usage: replace IMAGE OTHER FIRST NR BYTES\n");
		return 2;
	}
	block_bytes = strtoull(argv[5], NULL, 10);
	data = malloc(block_bytes);
	if (!data)
		die("malloc");
	image = open_file(argv[1], O_WRONLY, &image_blocks);
	other = open_file(argv[2], O_RDONLY, &other_blocks);
	first = strtoull(argv[3], NULL, 10);
	nr = strtoull(argv[4], NULL, 10);
	if (nr > image_blocks || first + nr > other_blocks) {
		fprintf(stderr, "replace: there are not so many blocks\n");
		return 1;
	}
	chosen = choose(image_blocks, nr, nr);
	for (uint64_t block = 0; block < image_blocks; block++) {
		if (!chosen[block])
			continue;
		if (pread(other, data, block_bytes, (off_t)(first++ * block_bytes)) !=
		    (ssize_t)block_bytes)
			die(argv[2]);
		if (pwrite(image, data, block_bytes, (off_t)(block * block_bytes)) !=
		    (ssize_t)block_bytes)
			die(argv[1]);
		printf("%" PRIu64 "\n", block);
	}
	free(chosen);
	free(data);
	return 0;
}
