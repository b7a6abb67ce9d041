// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * historian DEVICE MAPPED NAME LOG START SECTORS BOUNDARIES SEED [PAUSE_US]
 *
 * Writes at random to its own SECTORS of DEVICE from START on, with direct I/O, one
 * request after another, and knows what they hold. At each boundary it has the device
 * flushed, gives the instant a mark in the stream of the mapped device MAPPED, "NAME-<n>",
 * and only then notes in LOG
 *
 *	NAME-<n> SHA256		of its sectors at that instant
 *
 * BOUNDARIES 0: until SIGTERM. A mark that finds no stream is noted nowhere. What the
 * sectors hold at the start is read from the device. Fails at the first error of the
 * device.
 */
#include "common/dm.h"
#include "common/sha256.h"

#include <err.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SECTOR      512
#define SECTORS_MAX 256 /* of a write */
#define OPS_MAX     12  /* between two boundaries */

static volatile sig_atomic_t ends;

struct historian {
	int device;
	FILE *log;
	const char *mapped, *name;
	uint64_t start, sectors;
	uint8_t *model; /* page-aligned */
	uint8_t *buffer;
};

static void on_signal(int signal)
{
	ends = 1;
}

static uint64_t below(uint64_t n)
{
	return ((uint64_t)random() << 31 | (uint64_t)random()) % n;
}

static void write_some(struct historian *h)
{
	uint64_t nr = 1 + below(below(4) ? 16 : SECTORS_MAX);
	uint64_t sector = below(h->sectors - nr + 1);
	size_t bytes = nr * SECTOR;

	for (size_t i = 0; i < bytes; i += sizeof(uint32_t)) {
		/* Half of them compress. */
		uint32_t word = nr & 1 ? (uint32_t)random() : (uint32_t)sector;

		memcpy(h->buffer + i, &word, sizeof(word));
	}
	memcpy(h->model + sector * SECTOR, h->buffer, bytes);
	if (pwrite(h->device, h->buffer, bytes, (off_t)((h->start + sector) * SECTOR)) != (ssize_t)bytes)
		err(1, "write to sector %llu", (unsigned long long)(h->start + sector));
}

static void zero_some(struct historian *h)
{
	uint64_t nr = 8 * (1 + below(32));
	uint64_t sector = below((h->sectors - nr) / 8) * 8;
	uint64_t range[2] = { (h->start + sector) * SECTOR, nr * SECTOR };

	memset(h->model + sector * SECTOR, 0, nr * SECTOR);
	if (ioctl(h->device, BLKZEROOUT, range) < 0)
		err(1, "zeroes at sector %llu", (unsigned long long)(h->start + sector));
}

static void note_boundary(struct historian *h, unsigned long nth)
{
	char message[128], hash[SHA256_HEX_SIZE];

	snprintf(message, sizeof(message), "mark %s-%lu", h->name, nth);
	if (fdatasync(h->device) < 0)
		err(1, "flush");
	if (dm_message(h->mapped, message) < 0)
		return;
	sha256_hex(h->model, h->sectors * SECTOR, hash);
	fprintf(h->log, "%s-%lu %s\n", h->name, nth, hash);
	fflush(h->log);
}

int main(int argc, char **argv)
{
	struct historian h;
	unsigned long nr_boundaries, nth;
	useconds_t pause_us;

	signal(SIGTERM, on_signal);
	if (argc < 9)
		errx(2, "see the head of historian.c");
	h = (struct historian){
		.device = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC),
		.mapped = argv[2],
		.name = argv[3],
		.log = fopen(argv[4], "a"),
		.start = strtoull(argv[5], NULL, 10),
		.sectors = strtoull(argv[6], NULL, 10),
	};
	nr_boundaries = strtoul(argv[7], NULL, 10);
	srandom((unsigned int)strtoul(argv[8], NULL, 10));
	pause_us = argc > 9 ? (useconds_t)strtoul(argv[9], NULL, 10) : 0;
	h.model = aligned_alloc(4096, h.sectors * SECTOR);
	h.buffer = aligned_alloc(4096, SECTORS_MAX * SECTOR);
	if (h.device < 0 || !h.log || !h.model || !h.buffer)
		err(1, "%s", argv[1]);
	if (pread(h.device, h.model, h.sectors * SECTOR, (off_t)(h.start * SECTOR)) !=
	    (ssize_t)(h.sectors * SECTOR))
		err(1, "%s: read", argv[1]);
	for (nth = 1; !ends && (!nr_boundaries || nth <= nr_boundaries); nth++) {
		for (uint64_t op = 1 + below(OPS_MAX); op; op--) {
			if (below(10))
				write_some(&h);
			else
				zero_some(&h);
			usleep(pause_us);
		}
		note_boundary(&h, nth);
	}
	return 0;
}
