// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 *   overwriter DEVICE FIRST_MIB NR_MIB SEED
 *
 * Overwrites that part of the device in direct writes of random place and length
 * until SIGTERM, reads some of it back as it goes, and all of it at the end. What
 * each block must hold is known without asking anybody: the block's number and how
 * often it was written. Each write and each read must succeed.
 *
 * Prints "writes N" at the end. Exit status 1, with a line that says where, when a
 * call failed or a block held something else. Not handled: torn writes; nobody
 * cuts the power here.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES 4096
#define RUN_BLOCKS  16

static const char *device;
static int fd;
static uint64_t first_block, nr_blocks, seed;
static uint32_t *generations;
static uint64_t *buffer;
static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	stopped = 1;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void fill(uint64_t *words, uint64_t block)
{
	uint64_t state = (seed << 48 | block << 20) + generations[block] * 2654435761u + 1;
	unsigned int i;

	for (i = 0; i < BLOCK_BYTES / 8; i++)
		words[i] = next_random(&state);
}

static off_t offset_of(uint64_t block)
{
	return (off_t)((first_block + block) * BLOCK_BYTES);
}

static void write_run(uint64_t block, uint64_t nr)
{
	uint64_t i;

	for (i = 0; i < nr; i++) {
		generations[block + i]++;
		fill(buffer + i * BLOCK_BYTES / 8, block + i);
	}
	if (pwrite(fd, buffer, nr * BLOCK_BYTES, offset_of(block)) != (ssize_t)(nr * BLOCK_BYTES))
		err(1, "%s: writing block %llu", device, (unsigned long long)(first_block + block));
}

static void check_run(uint64_t block, uint64_t nr)
{
	uint64_t want[BLOCK_BYTES / 8], i;

	if (pread(fd, buffer, nr * BLOCK_BYTES, offset_of(block)) != (ssize_t)(nr * BLOCK_BYTES))
		err(1, "%s: reading block %llu", device, (unsigned long long)(first_block + block));
	for (i = 0; i < nr; i++) {
		fill(want, block + i);
		if (memcmp(want, buffer + i * BLOCK_BYTES / 8, BLOCK_BYTES))
			errx(1, "%s: block %llu holds something else than was written last", device,
			     (unsigned long long)(first_block + block + i));
	}
}

/* All blocks, in runs. */
static void for_all(void (*run)(uint64_t block, uint64_t nr))
{
	uint64_t block, nr;

	for (block = 0; block < nr_blocks; block += nr) {
		nr = nr_blocks - block < RUN_BLOCKS ? nr_blocks - block : RUN_BLOCKS;
		run(block, nr);
	}
}

int main(int argc, char **argv)
{
	uint64_t state, block, nr, writes = 0;

	if (argc != 5)
		errx(1, "overwriter DEVICE FIRST_MIB NR_MIB SEED");
	device = argv[1];
	first_block = strtoull(argv[2], NULL, 10) * 256;
	nr_blocks = strtoull(argv[3], NULL, 10) * 256;
	seed = strtoull(argv[4], NULL, 10);
	state = seed + 1;
	signal(SIGTERM, stop);
	generations = calloc(nr_blocks, sizeof(*generations));
	buffer = aligned_alloc(BLOCK_BYTES, RUN_BLOCKS * BLOCK_BYTES);
	fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (!generations || !buffer || fd < 0)
		err(1, "%s", device);
	for_all(write_run);
	puts("ready");
	fflush(stdout);
	while (!stopped) {
		nr = next_random(&state) % RUN_BLOCKS + 1;
		block = next_random(&state) % (nr_blocks - nr + 1);
		if (++writes % 8)
			write_run(block, nr);
		else
			check_run(block, nr);
	}
	for_all(check_run);
	printf("writes %llu\n", (unsigned long long)writes);
	return 0;
}
