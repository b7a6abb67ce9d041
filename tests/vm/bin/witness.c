// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * witness LOG SECTORS CLOCK_SECTOR QUIET
 *
 * Says whether an image of a test disk is what the disk was at an instant, by the disk's own
 * LOG (of SECTORS, with payloads, from its first write on; a copy). It knows nothing of
 * Tidemark. Each line on standard input is the path of an image, and is answered by one on
 * standard output:
 *
 *	good CLOCK NEWER AHEAD	of the sectors NEWER are in a state that was in flight; of these
 *				the latest reached the disk AHEAD records after the clock's next
 *	wrong CLOCK SECTORS	the first of them are named on standard error
 *
 * The instant is found by the clock that stamper keeps on the disk: the image has a number of
 * it. Where that one is n, everything that the disk did before it did n - 1 has to be in
 * the image, for n was submitted after that, and the instant is not before n's submission.
 *
 *	the log	 ------ n-1 ------- n ------ n+1 ---------- q ------->
 *		  all of it |      in flight: either state  | none of it
 *
 * What a file's sector holds from a write behind must not be there if its stamp is later than n.
 * A sector without a stamp, of the file system's own, tells no more than the log, in which a
 * write can be any time later than it was submitted. So the test freezes the file system now
 * and then: QUIET has numbers of the clock, one a line, that were written while nothing else was
 * in flight. What came behind the first such q after n is not in the image.
 *
 * A discarded sector holds anything until it is written again.
 */
#include "common/disk_log.h"
#include "common/stamp.h"

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NR_SHOWN = 5 };

/* What a write left in a sector. */
struct version {
	uint64_t seq; /* of the disk's record */
	const uint8_t *data;
	bool undefined;
};

static const uint8_t zeroes[SECTOR_BYTES];

static struct disk_log recording;
static uint64_t clock_sector, nr_sectors;
/* Those of sector s, in the disk's order: from versions[first_of[s]] to first_of[s + 1]. */
static struct version *versions;
static size_t *first_of;
/* The records in which the disk did 1, 2, ...; how many before had changed sectors. */
static uint64_t *clock_seqs, *clock_changes, nr_clock;
static uint64_t *quiet, nr_quiet;

static void *make_room(size_t nr, size_t bytes)
{
	void *room = calloc(nr, bytes);

	if (!room)
		err(1, "memory");
	return room;
}

/* ------------------------------------------------------------------------ the log */

/* Does it change sectors? What the test has no use for ends it. */
static bool changes_sectors(const struct td_record *r)
{
	if (r->flags & TD_FLAG_FAILED || r->op == TD_POWER_CUT || r->op == TD_RESIZE)
		errx(1, "record %" PRIu64 ": it is not told what that left", (uint64_t)r->seq);
	return r->op == TD_WRITE || r->op == TD_DISCARD || r->op == TD_WRITE_ZEROES ||
	       r->op == TD_SECURE_ERASE;
}

static void count_versions(void)
{
	const struct td_record *r = NULL;

	while ((r = disk_log_next(&recording, r))) {
		if (!changes_sectors(r))
			continue;
		if (r->sector + r->nr_sectors > nr_sectors)
			errx(1, "record %" PRIu64 " is beyond the end", (uint64_t)r->seq);
		for (uint32_t i = 0; i < r->nr_sectors; i++)
			first_of[r->sector + i + 1]++;
	}
	for (uint64_t s = 0; s < nr_sectors; s++)
		first_of[s + 1] += first_of[s];
}

static void note_versions(const struct td_record *r, size_t *nr_noted)
{
	const uint8_t *data = r->op == TD_WRITE ? disk_log_payload(r) : NULL;

	for (uint64_t i = 0, s = r->sector; i < r->nr_sectors; i++, s++)
		versions[first_of[s] + nr_noted[s]++] = (struct version){
			.seq = r->seq,
			.data = data ? data + i * SECTOR_BYTES : zeroes,
			.undefined = r->op == TD_DISCARD || r->op == TD_SECURE_ERASE,
		};
}

/* The clock has a record of its own for each number, and never jumps. */
static void note_clock(const struct td_record *r, uint64_t nr_changes)
{
	struct stamp stamp;

	if (r->op != TD_WRITE || r->sector != clock_sector)
		return;
	memcpy(&stamp, r + 1, sizeof(stamp));
	if (r->nr_sectors != 1 || stamp.magic != STAMP_CLOCK || stamp.clock != nr_clock + 1)
		errx(1, "record %" PRIu64 " is not number %" PRIu64 " of the clock",
		     (uint64_t)r->seq, nr_clock + 1);
	clock_seqs[++nr_clock] = r->seq;
	clock_changes[nr_clock] = nr_changes;
}

static void read_log(const char *path)
{
	const struct td_record *r = NULL;
	size_t *nr_noted, nr_records = 1;
	uint64_t nr_changes = 0;

	disk_log_load(&recording, path);
	while ((r = disk_log_next(&recording, r)))
		nr_records++;
	first_of = make_room(nr_sectors + 1, sizeof(*first_of));
	count_versions();
	versions = make_room(first_of[nr_sectors] + 1, sizeof(*versions));
	nr_noted = make_room(nr_sectors, sizeof(*nr_noted));
	clock_seqs = make_room(nr_records + 1, sizeof(*clock_seqs));
	clock_changes = make_room(nr_records + 1, sizeof(*clock_changes));
	while ((r = disk_log_next(&recording, r))) {
		if (!changes_sectors(r))
			continue;
		note_versions(r, nr_noted);
		note_clock(r, nr_changes++);
	}
	free(nr_noted);
}

/* The file system was frozen from before the number in front of it: the log has to show it. */
static void read_quiet(const char *path)
{
	FILE *file = fopen(path, "r");
	uint64_t number;

	if (!file)
		err(1, "%s", path);
	quiet = make_room(nr_clock + 1, sizeof(*quiet));
	while (nr_quiet < nr_clock && fscanf(file, "%" SCNu64, &number) == 1) {
		if (number < 2 || number > nr_clock)
			errx(1, "the clock never was %" PRIu64, number);
		if (clock_changes[number] != clock_changes[number - 1] + 1)
			errx(1, "at number %" PRIu64 " of the clock it was not quiet", number);
		quiet[nr_quiet++] = number;
	}
	fclose(file);
}

/* ---------------------------------------------------------------------- an image */

/* Records in front of the first one have to be in the image, those from the second on not. */
struct bounds {
	uint64_t clock;
	uint64_t has_seq, has_not_seq;
};

static bool find_bounds(const uint8_t *image, struct bounds *ret)
{
	struct stamp stamp;

	memcpy(&stamp, image + clock_sector * SECTOR_BYTES, sizeof(stamp));
	if (stamp.magic != STAMP_CLOCK || stamp.clock < 2 || stamp.clock > nr_clock)
		return false;
	ret->clock = stamp.clock;
	ret->has_seq = clock_seqs[stamp.clock - 1];
	ret->has_not_seq = UINT64_MAX;
	for (uint64_t i = 0; i < nr_quiet && ret->has_not_seq == UINT64_MAX; i++)
		if (quiet[i] > stamp.clock)
			ret->has_not_seq = clock_seqs[quiet[i]];
	return true;
}

static bool is_from_later(const uint8_t *data, uint64_t clock)
{
	struct stamp stamp;

	memcpy(&stamp, data, sizeof(stamp));
	return stamp.magic == STAMP_DATA && stamp.clock > clock;
}

/* The seq of the version that the sector has, 0 of what it held before any; or UINT64_MAX. */
static uint64_t find_version(uint64_t sector, const uint8_t *data, const struct bounds *b)
{
	const struct version *v = versions + first_of[sector];
	const struct version *end = versions + first_of[sector + 1];
	const struct version none = { .data = zeroes }, *last = &none;

	if (is_from_later(data, b->clock))
		return UINT64_MAX;
	for (; v < end && v->seq < b->has_seq; v++)
		last = v;
	while (!last->undefined && memcmp(last->data, data, SECTOR_BYTES)) {
		if (v == end || v->seq >= b->has_not_seq)
			return UINT64_MAX;
		last = v++;
	}
	return last->seq;
}

static void judge(const uint8_t *image)
{
	uint64_t nr_wrong = 0, nr_newer = 0, ahead = 0, next, seq;
	struct bounds b;

	if (!find_bounds(image, &b)) {
		printf("wrong 0 1\n");
		return;
	}
	next = b.clock < nr_clock ? clock_seqs[b.clock + 1] : UINT64_MAX;
	for (uint64_t s = 0; s < nr_sectors; s++) {
		if (s == clock_sector)
			continue;
		seq = find_version(s, image + s * SECTOR_BYTES, &b);
		if (seq == UINT64_MAX) {
			if (nr_wrong++ < NR_SHOWN)
				warnx("sector %" PRIu64 " is wrong at clock %" PRIu64, s,
				      b.clock);
			continue;
		}
		nr_newer += seq >= b.has_seq;
		if (seq > next && seq - next > ahead)
			ahead = seq - next;
	}
	if (nr_wrong)
		printf("wrong %" PRIu64 " %" PRIu64 "\n", b.clock, nr_wrong);
	else
		printf("good %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", b.clock, nr_newer, ahead);
}

static void judge_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t bytes = nr_sectors * SECTOR_BYTES;
	struct stat st;
	void *image;

	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", path);
	if ((uint64_t)st.st_size != bytes)
		errx(1, "%s has another size", path);
	image = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (image == MAP_FAILED)
		err(1, "%s", path);
	judge(image);
	fflush(stdout);
	munmap(image, bytes);
	close(fd);
}

int main(int argc, char **argv)
{
	char path[4096];

	if (argc != 5)
		errx(2, "see the head of witness.c");
	nr_sectors = strtoull(argv[2], NULL, 0);
	clock_sector = strtoull(argv[3], NULL, 0);
	read_log(argv[1]);
	read_quiet(argv[4]);
	while (fgets(path, sizeof(path), stdin)) {
		path[strcspn(path, "\n")] = 0;
		judge_file(path);
	}
	return 0;
}
