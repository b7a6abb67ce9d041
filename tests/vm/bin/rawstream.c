// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Follows the stream of an attachment without the product's agent.
 *
 *   rawstream follow MAPPED LIVE DIR [precise] [ring=BYTES] [slow=USECS]
 *       Turn the stream on, read LIVE into DIR/base, append records to DIR/log.
 *       precise: the cut preserves, else it is fuzzy. slow: sleep per chunk read.
 *       Says "streaming EPOCH", then "scanned N" for the chunks read, then
 *         on SIGUSR1  makes a fuzzy cut, commits it when all records up to it are in
 *                     the log, says "cut EPOCH";
 *         when behind says "behind REASON", and streams again ("streaming", "scanned"),
 *                     from a base of which only the dirty chunks are read anew;
 *         on SIGTERM  drains, says "records N rescans N", and ends.
 *   rawstream replay DIR IMAGE [EPOCH]
 *       The base and the log up to the cut that ended EPOCH, or all of it.
 *   rawstream list DIR
 *       Each record: type, flags, sector and number of sectors.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"

#define SECTOR TIDEMARK_SECTOR_BYTES

typedef unsigned long long ull;

struct follower {
	struct channel channel;
	int live;
	int base;
	FILE *log;
	char log_path[PATH_MAX];
	useconds_t slow;
	bool precise;
	uint64_t nr_records, nr_rescans, nr_preserved;
	uint64_t latest_cut; /* epoch of the latest CUT record */
};

static volatile sig_atomic_t cut_wanted, end_wanted;

static void on_signal(int signal)
{
	if (signal == SIGUSR1)
		cut_wanted = 1;
	else
		end_wanted = 1;
}

static void say(const char *what, uint64_t number)
{
	printf("%s %llu\n", what, (ull)number);
	fflush(stdout);
}

static int open_in(const char *dir, const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void write_at(int fd, const void *data, size_t bytes, uint64_t offset)
{
	ssize_t done = pwrite(fd, data, bytes, (off_t)offset);

	if (done < 0)
		err(1, "the image");
	if (done != (ssize_t)bytes)
		errx(1, "the image: %zd of %zu bytes written: is there room?", done, bytes);
}

/* ---------------------------------------------------------------------- the log */

static void write_zeroes(int fd, const struct tidemark_record *r)
{
	static const char zeroes[65536];
	uint64_t at = r->sector * SECTOR, left = r->nr_sectors * SECTOR, n;

	for (; left; left -= n, at += n) {
		n = left < sizeof(zeroes) ? left : sizeof(zeroes);
		write_at(fd, zeroes, n, at);
	}
}

/* A discard leaves what was there: as good as anything. */
static void apply(int fd, const struct tidemark_record *r, const void *payload)
{
	if (r->type == TIDEMARK_RECORD_WRITE)
		write_at(fd, payload, r->payload_bytes, r->sector * SECTOR);
	else if (r->type == TIDEMARK_RECORD_ZEROES)
		write_zeroes(fd, r);
}

/* The next record; its payload is in *ret_payload until the next call. False: the end. */
static bool next_record(FILE *log, struct tidemark_record *r, const void **ret_payload)
{
	static char *payload;

	if (fread(r, sizeof(*r), 1, log) != 1)
		return false;
	free(payload);
	payload = malloc(r->payload_bytes + 1);
	if (!payload || fread(payload, 1, r->payload_bytes, log) != r->payload_bytes)
		errx(1, "the log is cut short");
	*ret_payload = payload;
	return true;
}

static void replay_log(const char *path, int image, uint64_t epoch)
{
	FILE *log = fopen(path, "r");
	struct tidemark_record r;
	const void *payload;
	bool found = !epoch;

	if (!log)
		err(1, "%s", path);
	while (next_record(log, &r, &payload)) {
		apply(image, &r, payload);
		if (epoch && r.type == TIDEMARK_RECORD_CUT && r.epoch == epoch) {
			found = true;
			break;
		}
	}
	if (!found)
		errx(1, "no cut of epoch %llu in the log", (ull)epoch);
	fclose(log);
}

static void do_replay(const char *dir, const char *image_path, uint64_t epoch)
{
	int image = open(image_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int base = open_in(dir, "base", O_RDONLY);
	static char buffer[1 << 20];
	char log[PATH_MAX];
	uint64_t at = 0;
	ssize_t n;

	if (image < 0)
		err(1, "%s", image_path);
	while ((n = read(base, buffer, sizeof(buffer))) > 0) {
		write_at(image, buffer, (size_t)n, at);
		at += (uint64_t)n;
	}
	snprintf(log, sizeof(log), "%s/log", dir);
	replay_log(log, image, epoch);
}

static const char *type_name(uint32_t type)
{
	static const char *const names[] = { "none", "preserved", "unreadable", "write", "discard",
					     "zeroes", "flush", "cut", "mark", "rescan" };

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown";
}

static void do_list(const char *dir)
{
	struct tidemark_record r;
	const void *payload;
	char path[PATH_MAX];
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", dir);
	log = fopen(path, "r");
	if (!log)
		err(1, "%s", path);
	while (next_record(log, &r, &payload))
		printf("%s%s%s%s%s %llu %llu%s%.*s\n", type_name(r.type),
		       r.flags & TIDEMARK_RECORD_PREFLUSH ? ",preflush" : "",
		       r.flags & TIDEMARK_RECORD_FUA ? ",fua" : "",
		       r.flags & TIDEMARK_RECORD_STARTS ? ",starts" : "",
		       r.flags & TIDEMARK_RECORD_MORE ? ",more" : "", (ull)r.sector,
		       (ull)r.nr_sectors, r.type == TIDEMARK_RECORD_MARK ? " " : "",
		       r.type == TIDEMARK_RECORD_MARK ? (int)r.payload_bytes : 0,
		       (const char *)payload);
}

/* -------------------------------------------------------------------- following */

/* What the sectors hold now counts more than the records before, less than those after. */
static void read_again(struct follower *f, const struct tidemark_record *rescan)
{
	struct tidemark_record r = *rescan;
	uint64_t left = rescan->nr_sectors;
	void *buffer = aligned_alloc(4096, 1 << 20);

	r.type = TIDEMARK_RECORD_WRITE;
	for (; left; left -= r.nr_sectors, r.sector += r.nr_sectors) {
		r.nr_sectors = left < 2048 ? left : 2048;
		r.payload_bytes = (uint32_t)r.nr_sectors * SECTOR;
		if (pread(f->live, buffer, r.payload_bytes,
			  (off_t)((f->channel.info.start_sector + r.sector) * SECTOR)) !=
		    (ssize_t)r.payload_bytes)
			err(1, "the live device");
		if (fwrite(&r, sizeof(r), 1, f->log) != 1 ||
		    fwrite(buffer, r.payload_bytes, 1, f->log) != 1)
			err(1, "the log");
	}
	free(buffer);
	f->nr_rescans++;
}

static uint64_t expected_payload(const struct follower *f, const struct tidemark_record *r)
{
	switch (r->type) {
	case TIDEMARK_RECORD_WRITE:
		return r->nr_sectors * SECTOR;
	case TIDEMARK_RECORD_PRESERVED:
		return channel_chunk_bytes(&f->channel, r->chunk);
	case TIDEMARK_RECORD_MARK:
		return r->payload_bytes;
	default:
		return 0;
	}
}

static void take_record(void *context, const struct tidemark_record *r)
{
	struct follower *f = context;

	if (r->payload_bytes != expected_payload(f, r) ||
	    (r->sector + r->nr_sectors) * SECTOR > f->channel.info.volume_bytes)
		errx(1, "%s record with %u bytes, sector %llu + %llu", type_name(r->type),
		     r->payload_bytes, (ull)r->sector, (ull)r->nr_sectors);
	f->nr_records++;
	if (r->type == TIDEMARK_RECORD_PRESERVED) {
		write_at(f->base, r + 1, r->payload_bytes, r->chunk * f->channel.info.chunk_bytes);
		f->nr_preserved++;
		return;
	}
	if (r->type == TIDEMARK_RECORD_CUT)
		f->latest_cut = r->epoch;
	if (fwrite(r, sizeof(*r) + r->payload_bytes, 1, f->log) != 1)
		err(1, "the log");
	if (r->type == TIDEMARK_RECORD_RESCAN)
		read_again(f, r);
}

static void drain(struct follower *f)
{
	channel_drain(&f->channel, take_record, f);
}

static void wait_for_records(struct follower *f, int timeout_ms)
{
	struct pollfd wait = { .fd = f->channel.fd, .events = POLLIN | POLLPRI };

	if (poll(&wait, 1, timeout_ms) < 0 && errno != EINTR)
		err(1, "poll");
	drain(f);
}

static void read_chunk(struct follower *f, uint64_t chunk, uint64_t *nr_read)
{
	uint64_t offset = chunk * f->channel.info.chunk_bytes;
	uint32_t bytes = channel_chunk_bytes(&f->channel, chunk);
	void *buffer = aligned_alloc(4096, f->channel.info.chunk_bytes);

	if (pread(f->live, buffer, bytes,
		  (off_t)(f->channel.info.start_sector * SECTOR + offset)) != (ssize_t)bytes)
		err(1, "the live device");
	if (!f->precise || channel_release(&f->channel, chunk)) {
		write_at(f->base, buffer, bytes, offset);
		(*nr_read)++;
	}
	free(buffer);
}

static void scan(struct follower *f)
{
	uint64_t *words = channel_read_frozen(&f->channel);
	uint64_t chunk, nr_read = 0;

	f->nr_preserved = 0;
	for (chunk = 0; chunk < f->channel.info.nr_chunks; chunk++) {
		if (!(words[chunk / 64] >> chunk % 64 & 1))
			continue;
		drain(f);
		read_chunk(f, chunk, &nr_read);
		if (f->slow)
			usleep(f->slow);
	}
	while (f->precise && nr_read + f->nr_preserved < f->channel.frozen)
		wait_for_records(f, 100);
	free(words);
	channel_end(&f->channel, TIDEMARK_END_COMMIT);
	say("scanned", nr_read + f->nr_preserved);
}

/* The base becomes what the log makes of it; what is read from here on is newer. */
static void fold_log(struct follower *f)
{
	fclose(f->log);
	replay_log(f->log_path, f->base, 0);
	f->log = fopen(f->log_path, "w");
	if (!f->log)
		err(1, "%s", f->log_path);
}

static void begin(struct follower *f, uint32_t flags)
{
	channel_cut(&f->channel, TIDEMARK_CUT_STREAM | flags | (f->precise ? 0 : TIDEMARK_CUT_FUZZY));
	say("streaming", f->channel.epoch);
	scan(f);
}

static void begin_again(struct follower *f)
{
	drain(f);
	say("behind", f->channel.producer->behind_reason);
	fold_log(f);
	begin(f, 0);
}

static void make_cut(struct follower *f)
{
	cut_wanted = 0;
	channel_cut(&f->channel, TIDEMARK_CUT_FUZZY);
	while (f->latest_cut != f->channel.epoch)
		wait_for_records(f, 100);
	if (fflush(f->log))
		err(1, "the log");
	channel_end(&f->channel, TIDEMARK_END_COMMIT);
	say("cut", f->channel.epoch);
}

static void do_follow(struct follower *f)
{
	begin(f, TIDEMARK_CUT_FULL);
	while (!end_wanted) {
		wait_for_records(f, 50);
		if (channel_stream_state(&f->channel) == TIDEMARK_STREAM_BEHIND)
			begin_again(f);
		if (cut_wanted)
			make_cut(f);
	}
	drain(f);
	if (fclose(f->log))
		err(1, "the log");
	printf("records %llu rescans %llu\n", (ull)f->nr_records, (ull)f->nr_rescans);
}

static void follow(const char *mapped, const char *live, const char *dir, char **options)
{
	static struct follower f;
	uint32_t ring_bytes = 0;

	for (; *options; options++) {
		if (!strcmp(*options, "precise"))
			f.precise = true;
		else if (!strncmp(*options, "ring=", 5))
			ring_bytes = (uint32_t)atoi(*options + 5);
		else if (!strncmp(*options, "slow=", 5))
			f.slow = (useconds_t)atoi(*options + 5);
		else
			errx(1, "%s: what?", *options);
	}
	f.live = open(live, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (f.live < 0)
		err(1, "%s", live);
	f.base = open_in(dir, "base", O_RDWR | O_CREAT | O_TRUNC);
	snprintf(f.log_path, sizeof(f.log_path), "%s/log", dir);
	f.log = fopen(f.log_path, "w");
	if (!f.log)
		err(1, "%s", f.log_path);
	signal(SIGUSR1, on_signal);
	signal(SIGTERM, on_signal);
	channel_bind(&f.channel, mapped, ring_bytes);
	do_follow(&f);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "follow") && argc > 4)
		follow(argv[2], argv[3], argv[4], argv + 5);
	else if (!strcmp(verb, "replay") && argc > 3)
		do_replay(argv[2], argv[3], argc > 4 ? strtoull(argv[4], NULL, 10) : 0);
	else if (!strcmp(verb, "list") && argc == 3)
		do_list(argv[2]);
	else
		errx(1, "the verbs are in the source's head");
	return 0;
}
