// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Reads the log of the test disk (tests/kernel/tm-disk-record.h).
 *
 *   disklog print LOG          a line for each record: SEQ OP SECTOR SECTORS FLAGS HASH
 *   disklog replay LOG IMAGE   do to IMAGE what was done to the disk; needs payloads
 *
 * Fails where a record is missing, or a payload does not have its hash.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../kernel/tm-disk-record.h"

#define SECTOR 512

static const char *const names[] = {
	[TD_WRITE] = "write",       [TD_FLUSH] = "flush",         [TD_DISCARD] = "discard",
	[TD_WRITE_ZEROES] = "zero", [TD_SECURE_ERASE] = "erase",  [TD_POWER_CUT] = "power_cut",
	[TD_POWER_ON] = "power_on", [TD_RESIZE] = "resize",
};

/* A file in debugfs has no size to ask for. */
static uint8_t *read_all(const char *path, size_t *ret_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0, room = 1 << 20;
	uint8_t *data = malloc(room);
	ssize_t n;

	if (fd < 0 || !data)
		err(1, "%s", path);
	while ((n = read(fd, data + have, room - have)) > 0) {
		have += (size_t)n;
		if (have == room && !(data = realloc(data, room *= 2)))
			err(1, "%s", path);
	}
	if (n < 0)
		err(1, "%s", path);
	close(fd);
	*ret_bytes = have;
	return data;
}

static void print(const struct td_record *r)
{
	printf("%" PRIu64 " %s %" PRIu64 " %u %s%s%s%s %016" PRIx64 "\n", (uint64_t)r->seq,
	       names[r->op], (uint64_t)r->sector, r->nr_sectors,
	       r->flags & TD_FLAG_FUA ? "F" : "-", r->flags & TD_FLAG_NOWAIT ? "N" : "-",
	       r->flags & TD_FLAG_POLLED ? "P" : "-", r->flags & TD_FLAG_FAILED ? "!" : "-",
	       (uint64_t)r->hash);
}

static void write_at(int fd, const void *data, size_t bytes, uint64_t at)
{
	if (pwrite(fd, data, bytes, (off_t)at) != (ssize_t)bytes)
		err(1, "the image");
}

static void write_zeroes(int fd, const struct td_record *r)
{
	static const uint8_t zeroes[1 << 16];
	uint64_t at = r->sector * SECTOR, end = at + (uint64_t)r->nr_sectors * SECTOR;

	for (; at < end; at += sizeof(zeroes))
		write_at(fd, zeroes, end - at < sizeof(zeroes) ? end - at : sizeof(zeroes), at);
}

static void replay(int fd, const struct td_record *r)
{
	if (r->flags & TD_FLAG_FAILED)
		return;
	switch (r->op) {
	case TD_WRITE:
		if (r->payload_bytes != r->nr_sectors * SECTOR)
			errx(1, "record %" PRIu64 " has no payload", (uint64_t)r->seq);
		if (td_hash(TD_HASH_START, r + 1, r->payload_bytes) != r->hash)
			errx(1, "record %" PRIu64 " is not what its hash says", (uint64_t)r->seq);
		write_at(fd, r + 1, r->payload_bytes, r->sector * SECTOR);
		break;
	case TD_DISCARD:
	case TD_WRITE_ZEROES:
	case TD_SECURE_ERASE:
		write_zeroes(fd, r);
		break;
	case TD_POWER_CUT:
		errx(1, "what a power cut left cannot be told from the log");
	}
}

int main(int argc, char **argv)
{
	int image = -1;
	uint64_t seq = 0;
	size_t bytes, at;
	uint8_t *log;

	if (argc == 4 && !strcmp(argv[1], "replay")) {
		image = open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (image < 0)
			err(1, "%s", argv[3]);
	} else if (argc != 3 || strcmp(argv[1], "print")) {
		errx(1, "disklog print LOG | disklog replay LOG IMAGE");
	}
	log = read_all(argv[2], &bytes);
	for (at = 0; at < bytes; at += ((struct td_record *)(log + at))->record_bytes) {
		const struct td_record *r = (const void *)(log + at);

		if (seq && r->seq != seq + 1)
			errx(1, "the record after %" PRIu64 " is missing", seq);
		seq = r->seq;
		if (image < 0)
			print(r);
		else
			replay(image, r);
	}
	return 0;
}
