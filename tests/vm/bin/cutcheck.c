// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 *   cutcheck DISK BLOCK_BYTES ROUNDS SEED
 *
 * Does the test disk /dev/DISK lose what it may lose, and nothing else? Each round
 * writes stamped blocks, discards some, flushes now and then, cuts the power, and
 * compares. It keeps its own books: of each block, what was last flushed and what was
 * written since. A block must hold one of these, whole; BLOCK_BYTES is what the disk
 * promises to keep whole. I/O must fail while the power is off.
 *
 * Prints "latest N older N flushed N": unflushed blocks that had their latest, an
 * older, or only their flushed content. Fails where one of the three never happened.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NR_BLOCKS = 512, SINCE_MAX = 64, STEPS = 300 };

/* A stamp names a content; 0: zeroes. */
struct block {
	uint64_t flushed;
	uint64_t since[SINCE_MAX];
	unsigned int nr_since;
};

static struct block blocks[NR_BLOCKS];
static uint64_t next_stamp = 1, random_state;
static size_t block_bytes;
static const char *disk;
static int fd;
static unsigned long nr_latest, nr_older, nr_flushed;

/* splitmix64 */
static uint64_t random_below(uint64_t limit)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % limit;
}

static void command(const char *verb, uint64_t seed)
{
	char line[128];
	int control = open("/sys/kernel/debug/tm-disk/control", O_WRONLY | O_CLOEXEC);
	int bytes = seed ? snprintf(line, sizeof(line), "%s %s seed=%" PRIu64, verb, disk, seed) :
			   snprintf(line, sizeof(line), "%s %s", verb, disk);

	if (control < 0 || write(control, line, (size_t)bytes) != bytes)
		err(1, "%s", line);
	close(control);
}

static void fill(uint64_t *words, uint64_t index, uint64_t stamp)
{
	for (size_t i = 0; i < block_bytes / 8; i++)
		words[i] = stamp ? stamp * 0x9e3779b97f4a7c15 + index * 4096 + i : 0;
}

static void note(uint64_t index, uint64_t stamp)
{
	struct block *b = &blocks[index];

	if (b->nr_since == SINCE_MAX)
		errx(1, "too many writes to one block");
	b->since[b->nr_since++] = stamp;
}

static void write_some(uint8_t *buffer)
{
	uint64_t first = random_below(NR_BLOCKS), nr = 1 + random_below(8);

	if (nr > NR_BLOCKS - first)
		nr = NR_BLOCKS - first;
	for (uint64_t i = 0; i < nr; i++) {
		note(first + i, next_stamp);
		fill((uint64_t *)(buffer + i * block_bytes), first + i, next_stamp++);
	}
	if (pwrite(fd, buffer, nr * block_bytes, (off_t)(first * block_bytes)) !=
	    (ssize_t)(nr * block_bytes))
		err(1, "write");
}

static void discard_some(void)
{
	uint64_t first = random_below(NR_BLOCKS - 8), nr = 1 + random_below(8);
	uint64_t range[2] = { first * block_bytes, nr * block_bytes };

	if (ioctl(fd, random_below(2) ? BLKDISCARD : BLKZEROOUT, range))
		err(1, "discard");
	while (nr--)
		note(first + nr, 0);
}

static void flush(void)
{
	if (fdatasync(fd))
		err(1, "flush");
	for (struct block *b = blocks; b < blocks + NR_BLOCKS; b++) {
		if (b->nr_since)
			b->flushed = b->since[b->nr_since - 1];
		b->nr_since = 0;
	}
}

static bool holds(const uint64_t *content, uint64_t index, uint64_t stamp)
{
	static uint64_t want[512];

	fill(want, index, stamp);
	return !memcmp(content, want, block_bytes);
}

/* What the block holds is from now on what it holds for good. */
static void settle(uint64_t index, const uint64_t *content)
{
	struct block *b = &blocks[index];
	unsigned int n = b->nr_since;

	while (n && !holds(content, index, b->since[n - 1]))
		n--;
	if (!n && !holds(content, index, b->flushed))
		errx(1, "block %" PRIu64 " holds neither its flushed content nor one of %u since",
		     index, b->nr_since);
	if (b->nr_since) {
		nr_latest += n == b->nr_since;
		nr_older += n && n < b->nr_since;
		nr_flushed += !n;
	}
	if (n)
		b->flushed = b->since[n - 1];
	b->nr_since = 0;
}

static void cut_power(uint8_t *buffer)
{
	command("power_cut", 1 + random_below(UINT32_MAX));
	if (pread(fd, buffer, block_bytes, 0) >= 0 || pwrite(fd, buffer, block_bytes, 0) >= 0)
		errx(1, "I/O works without power");
	command("power_on", 0);
	for (uint64_t i = 0; i < NR_BLOCKS; i++) {
		if (pread(fd, buffer, block_bytes, (off_t)(i * block_bytes)) !=
		    (ssize_t)block_bytes)
			err(1, "read");
		settle(i, (const uint64_t *)buffer);
	}
}

static void run_round(uint8_t *buffer)
{
	for (int step = 0; step < STEPS; step++) {
		uint64_t dice = random_below(100);

		if (dice < 90)
			write_some(buffer);
		else if (dice < 98)
			discard_some();
		else
			flush();
	}
	cut_power(buffer);
}

int main(int argc, char **argv)
{
	uint8_t *buffer = aligned_alloc(4096, 8 * 4096);
	char path[64];
	long rounds;

	if (argc != 5 || !buffer)
		errx(1, "cutcheck DISK BLOCK_BYTES ROUNDS SEED");
	disk = argv[1];
	block_bytes = strtoul(argv[2], NULL, 0);
	random_state = strtoull(argv[4], NULL, 0);
	snprintf(path, sizeof(path), "/dev/%s", disk);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	for (rounds = strtol(argv[3], NULL, 0); rounds; rounds--)
		run_round(buffer);
	printf("latest %lu older %lu flushed %lu\n", nr_latest, nr_older, nr_flushed);
	return nr_latest && nr_older && nr_flushed ? 0 : 1;
}
