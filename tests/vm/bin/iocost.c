// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 *   iocost DEVICE read|write BYTES PATTERN [TIMES]
 *
 * Direct requests of 4 KiB, one at a time, to the first BYTES of DEVICE; prints the
 * mean time of one in nanoseconds, which are instructions where the machine counts
 * them. PATTERN:
 *   fill       each block once, in random order
 *   OFFSET     one request to each 64 KiB, OFFSET bytes into it, in order
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../bench/hot.h"

enum { BLOCK = 4096, CHUNK = 65536 };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static off_t *shuffled_blocks(size_t nr)
{
	off_t *at = calloc(nr, sizeof(*at));

	if (!at)
		err(1, "memory");
	srandom(1);
	for (size_t i = 0; i < nr; i++) {
		size_t j = (size_t)random() % (i + 1);

		at[i] = at[j];
		at[j] = (off_t)i * BLOCK;
	}
	return at;
}

static off_t *one_in_each_chunk(size_t nr, off_t offset)
{
	off_t *at = calloc(nr, sizeof(*at));

	if (!at)
		err(1, "memory");
	for (size_t i = 0; i < nr; i++)
		at[i] = (off_t)i * CHUNK + offset;
	return at;
}

static void run(int fd, bool write, const off_t *at, size_t nr, void *buffer)
{
	for (size_t i = 0; i < nr; i++) {
		ssize_t n = write ? pwrite(fd, buffer, BLOCK, at[i]) :
				    pread(fd, buffer, BLOCK, at[i]);

		if (n != BLOCK)
			err(1, "at %lld", (long long)at[i]);
	}
}

int main(int argc, char **argv)
{
	bool write = argc > 2 && !strcmp(argv[2], "write");
	long times = argc > 5 ? atol(argv[5]) : 1;
	void *buffer = aligned_alloc(BLOCK, BLOCK);
	uint64_t start;
	size_t bytes, nr;
	off_t *at;
	int fd;

	if (argc < 5 || !buffer)
		errx(1, "iocost DEVICE read|write BYTES fill|OFFSET [TIMES]");
	fd = open(argv[1], (write ? O_WRONLY : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[1]);
	bytes = strtoul(argv[3], NULL, 0);
	nr = bytes / (strcmp(argv[4], "fill") ? CHUNK : BLOCK);
	at = strcmp(argv[4], "fill") ? one_in_each_chunk(nr, atol(argv[4])) : shuffled_blocks(nr);
	memset(buffer, 0x55, BLOCK);
	HOT_START();
	start = now_ns();
	for (long i = 0; i < times; i++)
		run(fd, write, at, nr, buffer);
	start = now_ns() - start;
	HOT_STOP();
	printf("%llu\n", (unsigned long long)(start / ((uint64_t)times * nr)));
	return 0;
}
