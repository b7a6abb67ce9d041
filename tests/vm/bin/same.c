// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * same NODE START SECTORS IMAGE
 *
 * Compare a range of a device, read past the page cache, with an image of it. NODE
 * may be a file too. cmp
 * could do it through a pipe, which takes ten times as long in an emulated machine.
 *
 * Exit status 0; 1 where they differ, with the first places on stderr; 2 for errors.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP   (1UL << 20)
#define BLOCK  512UL
#define PLACES 8

static uint64_t read_fully(const char *name, int fd, uint8_t *buffer, uint64_t at, uint64_t bytes)
{
	uint64_t done = 0;

	while (done < bytes) {
		ssize_t got = pread(fd, buffer + done, bytes - done, (off_t)(at + done));

		if (got < 0)
			err(2, "%s at byte %llu", name, (unsigned long long)(at + done));
		if (got == 0)
			errx(2, "%s ends at byte %llu", name, (unsigned long long)(at + done));
		done += (uint64_t)got;
	}
	return done;
}

static unsigned int report(const uint8_t *a, const uint8_t *b, uint64_t at, uint64_t bytes,
			   unsigned int nr)
{
	for (uint64_t i = 0; i < bytes; i += BLOCK) {
		uint64_t size = bytes - i < BLOCK ? bytes - i : BLOCK;

		if (!memcmp(a + i, b + i, size))
			continue;
		if (nr++ < PLACES)
			fprintf(stderr, "they differ in the sector at byte %llu\n",
				(unsigned long long)(at + i));
	}
	return nr;
}

int main(int argc, char **argv)
{
	uint8_t *a = aligned_alloc(4096, STEP), *b = aligned_alloc(4096, STEP);
	uint64_t start, bytes, at, step;
	unsigned int different = 0;
	struct stat st;
	int node, image;

	if (argc != 5)
		errx(2, "usage: same NODE START SECTORS IMAGE");
	node = open(argv[1], O_RDONLY | (stat(argv[1], &st) || !S_ISBLK(st.st_mode) ? 0 : O_DIRECT));
	image = open(argv[4], O_RDONLY);
	if (node < 0 || image < 0)
		err(2, "%s", node < 0 ? argv[1] : argv[4]);
	start = strtoull(argv[2], NULL, 0) * BLOCK;
	bytes = strtoull(argv[3], NULL, 0) * BLOCK;
	if (fstat(image, &st) || (S_ISREG(st.st_mode) && (uint64_t)st.st_size != bytes))
		errx(2, "%s: has another size", argv[4]);
	for (at = 0; at < bytes; at += step) {
		step = bytes - at < STEP ? bytes - at : STEP;
		read_fully(argv[1], node, a, start + at, step);
		read_fully(argv[4], image, b, at, step);
		if (memcmp(a, b, step))
			different = report(a, b, at, step, different);
	}
	if (different)
		fprintf(stderr, "%u sectors differ\n", different);
	return different ? 1 : 0;
}
