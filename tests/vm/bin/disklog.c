// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Reads the log of the test disk (tests/kernel/tm-disk-record.h).
 *
 *   disklog print LOG          a line for each record: SEQ OP SECTOR SECTORS FLAGS HASH
 *   disklog replay LOG IMAGE   do to IMAGE what was done to the disk; needs payloads
 *   disklog marks LOG [AFTER]  a line for each flush and each FUA write behind the record AFTER:
 *                              SEQ and when, in nanoseconds
 *   disklog durable LOG IMAGE AFTER SEQ
 *       IMAGE is what a power cut just behind the record AFTER leaves at least, empty for 0.
 *       Make it what one just behind SEQ does: all up to the latest flush, and FUA writes.
 *   disklog survive LOG IMAGE SEQ SEED
 *       IMAGE is what is durable at SEQ. Add some of the writes that were in the cache alone.
 *
 * Fails where a record is missing, or a payload does not have its hash.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/disk_log.h"

#define SECTOR 512

static const char *const names[] = {
	[TD_WRITE] = "write",       [TD_FLUSH] = "flush",         [TD_DISCARD] = "discard",
	[TD_WRITE_ZEROES] = "zero", [TD_SECURE_ERASE] = "erase",  [TD_POWER_CUT] = "power_cut",
	[TD_POWER_ON] = "power_on", [TD_RESIZE] = "resize",
};

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
		write_at(fd, disk_log_payload(r), r->payload_bytes, r->sector * SECTOR);
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

/* A mark: something is durable now that was not before. */
static bool is_mark(const struct td_record *r)
{
	return !(r->flags & TD_FLAG_FAILED) && (r->op == TD_FLUSH || r->flags & TD_FLAG_FUA);
}

static uint64_t latest_flush(const struct disk_log *log, uint64_t upto)
{
	const struct td_record *r = NULL;
	uint64_t seq = 0;

	while ((r = disk_log_next(log, r)) && r->seq <= upto)
		if (r->op == TD_FLUSH && is_mark(r))
			seq = r->seq;
	return seq;
}

static void make_durable(const struct disk_log *log, int image, uint64_t after, uint64_t upto)
{
	uint64_t first = latest_flush(log, after), flush = latest_flush(log, upto);
	const struct td_record *r = NULL;

	while ((r = disk_log_next(log, r)) && r->seq <= upto)
		if (r->seq > first && (r->seq < flush || is_mark(r)))
			replay(image, r);
}

static void let_survive(const struct disk_log *log, int image, uint64_t upto, uint64_t seed)
{
	uint64_t flush = latest_flush(log, upto);
	const struct td_record *r = NULL;

	srandom((unsigned int)seed);
	while ((r = disk_log_next(log, r)) && r->seq <= upto)
		if (r->seq > flush && (is_mark(r) || random() & 1))
			replay(image, r);
}

static void replay_all(const struct disk_log *log, int image)
{
	const struct td_record *r = NULL;

	while ((r = disk_log_next(log, r)))
		replay(image, r);
}

static void print_all(const struct disk_log *log)
{
	const struct td_record *r = NULL;

	while ((r = disk_log_next(log, r)))
		print(r);
}

static void print_marks(const struct disk_log *log, uint64_t after)
{
	const struct td_record *r = NULL;

	while ((r = disk_log_next(log, r)))
		if (r->seq > after && is_mark(r))
			printf("%" PRIu64 " %" PRIu64 "\n", (uint64_t)r->seq, (uint64_t)r->time_ns);
}

static uint64_t number(const char *text)
{
	return text ? strtoull(text, NULL, 10) : 0;
}

static int open_image(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	struct disk_log log;

	if (argc > 2)
		disk_log_load(&log, argv[2]);
	if (!strcmp(verb, "print") && argc == 3)
		print_all(&log);
	else if (!strcmp(verb, "replay") && argc == 4)
		replay_all(&log, open_image(argv[3]));
	else if (!strcmp(verb, "marks") && argc <= 4)
		print_marks(&log, number(argv[3]));
	else if (!strcmp(verb, "durable") && argc == 6)
		make_durable(&log, open_image(argv[3]), number(argv[4]), number(argv[5]));
	else if (!strcmp(verb, "survive") && argc == 6)
		let_survive(&log, open_image(argv[3]), number(argv[4]), number(argv[5]));
	else
		errx(1, "the verbs are in the source's head");
	return 0;
}
