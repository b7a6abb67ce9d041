// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * stamper DEVICE CLOCK_SECTOR DIR SEED
 *
 * Changes files in DIR, which lies on DEVICE, at random until SIGTERM, and keeps a clock on
 * the device: 1, 2, 3, ... in one sector that nobody else writes, with direct I/O, each number
 * when the one before is complete. Behind each multiple of 32 it has the device flushed before
 * it goes on. Whoever records the writes to the device, wherever, sees the clock as well: it
 * says what was there before what, in one recording as in the other, and needs no time of day.
 * Each sector of a file tells which number was complete when it was made up: it cannot be on
 * the device before that number is.
 *
 * Two threads change files of their own, through the page cache and past it, cut and punch
 * them, rename and remove them, and sync often. An error ends it at once.
 *
 * witness reads what comes of it.
 */
#include "common/stamp.h"

#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NR_WRITERS = 2,
	NR_FILES = 4, /* of each */
	FILE_BYTES_MAX = 384 * 1024,
	WRITE_SECTORS_MAX = 64,
	DIRECT_BYTES = 4096,
	CLOCK_PAUSE_US = 500,
	CLOCK_FLUSH = 32,
	OPEN_FLAGS = O_RDWR | O_CREAT | O_CLOEXEC,
};

struct writer {
	pthread_t thread;
	unsigned int nth;
	uint64_t random_state;
	uint64_t serial;
	uint8_t *buffer; /* aligned */
};

static volatile sig_atomic_t ends;
static _Atomic uint64_t now; /* the number that is complete */
static int dir;

static void on_signal(int signal)
{
	ends = 1;
}

/* splitmix64 */
static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t below(struct writer *w, uint64_t limit)
{
	return mix(w->random_state += 0x9e3779b97f4a7c15) % limit;
}

/* ------------------------------------------------------------------------- the clock */

static void run_clock(int device, uint64_t sector)
{
	struct stamp *stamp = aligned_alloc(4096, SECTOR_BYTES);
	off_t at = (off_t)(sector * SECTOR_BYTES);

	if (!stamp)
		err(1, "memory");
	memset(stamp, 0, SECTOR_BYTES);
	stamp->magic = STAMP_CLOCK;
	while (!ends) {
		stamp->clock = now + 1;
		if (pwrite(device, stamp, SECTOR_BYTES, at) != SECTOR_BYTES)
			err(1, "the clock");
		now = stamp->clock;
		if (now % CLOCK_FLUSH == 0 && fdatasync(device) < 0)
			err(1, "flush");
		usleep(CLOCK_PAUSE_US);
	}
	free(stamp);
}

/* ------------------------------------------------------------------------- the files */

static void name_file(struct writer *w, char name[16])
{
	snprintf(name, 16, "%u.%u", w->nth, (unsigned int)below(w, NR_FILES));
}

static void fill(struct writer *w, size_t bytes)
{
	uint64_t clock = now;

	for (size_t at = 0; at < bytes; at += SECTOR_BYTES) {
		struct stamp stamp = { STAMP_DATA, clock, (uint64_t)w->nth << 48 | ++w->serial };

		/* Half of them compress. */
		for (size_t i = 0; i < SECTOR_BYTES; i += 8) {
			uint64_t word = mix(stamp.serial & 1 ? stamp.serial : stamp.serial + i);

			memcpy(w->buffer + at + i, &word, 8);
		}
		memcpy(w->buffer + at, &stamp, sizeof(stamp));
	}
}

static void write_file(struct writer *w, int fd, const char *name)
{
	size_t bytes = (1 + below(w, WRITE_SECTORS_MAX)) * SECTOR_BYTES;
	off_t at = (off_t)(below(w, (FILE_BYTES_MAX - bytes) / SECTOR_BYTES) * SECTOR_BYTES);

	fill(w, bytes);
	if (pwrite(fd, w->buffer, bytes, at) != (ssize_t)bytes)
		err(1, "%s: write", name);
}

static void write_directly(struct writer *w, int fd, const char *name)
{
	size_t bytes = (1 + below(w, 8)) * DIRECT_BYTES;
	off_t at = (off_t)(below(w, (FILE_BYTES_MAX - bytes) / DIRECT_BYTES) * DIRECT_BYTES);

	fill(w, bytes);
	if (fcntl(fd, F_SETFL, O_DIRECT) < 0 ||
	    pwrite(fd, w->buffer, bytes, at) != (ssize_t)bytes)
		err(1, "%s: direct write", name);
}

static void punch(struct writer *w, int fd, const char *name)
{
	off_t at = (off_t)below(w, FILE_BYTES_MAX), bytes = 1 + (off_t)below(w, 65536);
	int mode = below(w, 2) ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

	if (fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, at, bytes) < 0)
		err(1, "%s: fallocate", name);
}

static void change_file(struct writer *w, int fd, const char *name)
{
	switch (below(w, 10)) {
	case 0:
		if (ftruncate(fd, (off_t)below(w, FILE_BYTES_MAX)) < 0)
			err(1, "%s: truncate", name);
		break;
	case 1:
		punch(w, fd, name);
		break;
	case 2:
	case 3:
		write_directly(w, fd, name);
		break;
	default:
		write_file(w, fd, name);
	}
}

static void change_name(struct writer *w, const char *name)
{
	char other[16];

	name_file(w, other);
	if (below(w, 2) ? unlinkat(dir, name, 0) : renameat(dir, name, dir, other))
		err(1, "%s: rename", name);
}

static void step(struct writer *w)
{
	char name[16];
	int fd;

	name_file(w, name);
	fd = openat(dir, name, OPEN_FLAGS, 0644);
	if (fd < 0)
		err(1, "%s", name);
	change_file(w, fd, name);
	if (below(w, 3) == 0 && (below(w, 2) ? fsync(fd) : fdatasync(fd)))
		err(1, "%s: sync", name);
	close(fd);
	if (below(w, 12) == 0)
		change_name(w, name);
}

static void *write_until_end(void *argument)
{
	struct writer *w = argument;

	w->buffer = aligned_alloc(4096, WRITE_SECTORS_MAX * SECTOR_BYTES);
	if (!w->buffer)
		err(1, "memory");
	while (!ends)
		step(w);
	free(w->buffer);
	return NULL;
}

int main(int argc, char **argv)
{
	struct writer writers[NR_WRITERS];
	int device;

	signal(SIGTERM, on_signal);
	if (argc != 5)
		errx(2, "see the head of stamper.c");
	device = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	dir = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (device < 0 || dir < 0)
		err(1, "%s", device < 0 ? argv[1] : argv[3]);
	for (unsigned int n = 0; n < NR_WRITERS; n++) {
		writers[n].nth = n;
		writers[n].serial = 0;
		writers[n].random_state = mix(strtoull(argv[4], NULL, 0) + n);
		if (pthread_create(&writers[n].thread, NULL, write_until_end, &writers[n]))
			err(1, "threads");
	}
	run_clock(device, strtoull(argv[2], NULL, 0));
	for (int n = 0; n < NR_WRITERS; n++)
		pthread_join(writers[n].thread, NULL);
	return 0;
}
