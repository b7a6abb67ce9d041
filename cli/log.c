// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark log: which instants of a volume there are, and what was written when. The
 * tables of all segments of the time that is asked for are read, but no content.
 */
#include "cli/command.h"
#include "cli/log_report.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "restore/journal_volume.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_NS   1000000000ull
#define NR_BUCKETS  20u /* about so many are shown */
#define MARKS_MAX   (1u << 20)

static const char help[] =
	"Usage: tidemark log [VOLUME] [--since WHEN] [--until WHEN] [-r REPO] [--json]\n"
	"Tell which instants of a volume \"tidemark restore --at\" can restore, where points and\n"
	"marks are, and how much was written when. VOLUME is a name or an identity; it may be\n"
	"left out where only one volume has a journal.\n\n"
	"      --since WHEN  only what came later: \"2026-11-27 15:04\", 15:04 of today, -2h, -1d\n"
	"      --until WHEN  only what came before\n"
	"  -r, --repo REPO   the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json        report one JSON object\n"
	"  -h, --help        this text\n\n"
	"Example: tidemark log sdb1 --since -2h -r /backup/repo";

static void clear_log(struct log *log)
{
	free(log->intervals);
	free(log->points);
	free(log->marks);
	free(log->buckets);
}

static bool is_asked_for(const struct log *log, uint64_t from_ns, uint64_t to_ns)
{
	return to_ns >= log->since_ns && from_ns <= log->until_ns;
}

/* --------------------------------------------------------------------- buckets */

/* The finest round span of which not too many are needed. */
static uint64_t choose_bucket(uint64_t span_ns)
{
	static const uint32_t seconds[] = {
		1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
		86400, 2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400,
	};
	size_t nr = sizeof(seconds) / sizeof(*seconds);
	uint64_t bucket_ns = 0;

	for (size_t i = 0; i < nr; i++) {
		bucket_ns = seconds[i] * SECOND_NS;
		if (span_ns / bucket_ns < NR_BUCKETS)
			return bucket_ns;
	}
	while (span_ns / bucket_ns >= NR_BUCKETS)
		bucket_ns *= 2;
	return bucket_ns;
}

/* Buckets begin at round times of this zone. */
static uint64_t round_down(uint64_t ns, uint64_t bucket_ns)
{
	time_t seconds = (time_t)(ns / SECOND_NS);
	struct tm local = {0};
	uint64_t over;

	localtime_r(&seconds, &local);
	over = (ns + (uint64_t)local.tm_gmtoff * SECOND_NS) % bucket_ns;
	return ns > over ? ns - over : 0;
}

/* Clocks can step back. */
static uint64_t first_ns(const struct tmc_segment *segment)
{
	return segment->first_time_ns < segment->last_time_ns ? segment->first_time_ns :
								 segment->last_time_ns;
}

static uint64_t last_ns(const struct tmc_segment *segment)
{
	return segment->first_time_ns < segment->last_time_ns ? segment->last_time_ns :
								 segment->first_time_ns;
}

static int create_buckets(struct log *log, const struct tmc_segment *segments, size_t nr)
{
	uint64_t begin = UINT64_MAX, end = 0;

	for (size_t i = 0; i < nr; i++) {
		if (!is_asked_for(log, first_ns(&segments[i]), last_ns(&segments[i])))
			continue;
		begin = first_ns(&segments[i]) < begin ? first_ns(&segments[i]) : begin;
		end = last_ns(&segments[i]) > end ? last_ns(&segments[i]) : end;
	}
	begin = begin < log->since_ns ? log->since_ns : begin;
	end = end > log->until_ns ? log->until_ns : end;
	if (begin > end)
		return 0;
	log->bucket_ns = choose_bucket(end - begin);
	log->begin_ns = round_down(begin, log->bucket_ns);
	log->nr_buckets = (size_t)((end - log->begin_ns) / log->bucket_ns) + 1;
	log->buckets = calloc(log->nr_buckets, sizeof(*log->buckets));
	return log->buckets ? 0 : failure_set(-ENOMEM, "out of memory");
}

/* --------------------------------------------------------------------- records */

struct reading {
	struct log *log;
	uint64_t stretch;
};

static void count(struct log_bucket *bucket, const struct tmc_record *record)
{
	bool is_write = record->type == TMC_RECORD_WRITE;

	bucket->writes += is_write && !(record->flags & TMC_RECORD_MORE);
	bucket->bytes += is_write ? record->bytes : 0;
	bucket->flushes += record->type == TMC_RECORD_FLUSH || record->flags & TMC_RECORD_PREFLUSH;
}

static int add_mark(struct log *log, uint64_t stretch, const struct tmc_record *record)
{
	struct log_mark *grown;

	if (log->nr_marks == MARKS_MAX || record->payload_bytes > TMC_MARK_BYTES_MAX)
		return 0;
	grown = reallocarray(log->marks, log->nr_marks + 1, sizeof(*grown));
	if (!grown)
		return failure_set(-ENOMEM, "out of memory");
	log->marks = grown;
	grown += log->nr_marks++;
	*grown = (struct log_mark){
		.stretch = stretch, .seq = record->seq, .time_ns = record->time_ns,
	};
	memcpy(grown->text, record->payload, record->payload_bytes);
	return 0;
}

static int on_record(void *context, const struct tmc_record *record)
{
	struct reading *reading = context;
	struct log *log = reading->log;
	uint64_t nth;

	if (!is_asked_for(log, record->time_ns, record->time_ns))
		return 0;
	count(&log->sum, record);
	nth = (record->time_ns - log->begin_ns) / log->bucket_ns;
	if (record->time_ns >= log->begin_ns && nth < log->nr_buckets)
		count(&log->buckets[nth], record);
	return record->type == TMC_RECORD_MARK ? add_mark(log, reading->stretch, record) : 0;
}

/* Returns damage, after everything else has been read. */
static int read_segments(struct tmc_repo *repo, struct log *log)
{
	CLEANUP_FREE struct tmc_segment *segments = NULL;
	size_t nr = 0;
	int damage = tmc_segment_list(repo, log->volume.volume_id, &segments, &nr);
	int r = damage == -EBADMSG ? 0 : damage;

	if (r == 0)
		r = create_buckets(log, segments, nr);
	for (size_t i = 0; i < nr && log->nr_buckets && r == 0; i++) {
		struct reading reading = {log, segments[i].stretch};

		if (!is_asked_for(log, first_ns(&segments[i]), last_ns(&segments[i])))
			continue;
		r = tmc_segment_read(repo, &segments[i], on_record, &reading);
		if (r == -EBADMSG) {
			damage = r;
			r = 0;
		}
	}
	return r ? r : damage;
}

/* ------------------------------------------------------------- intervals, points */

static int load_intervals(struct tmc_repo *repo, struct log *log)
{
	size_t nr = 0;
	int r = tmc_interval_list(repo, log->volume.volume_id, &log->intervals, &nr);

	for (size_t i = 0; log->intervals && i < nr; i++)
		if (is_asked_for(log, log->intervals[i].first_time_ns,
				 log->intervals[i].last_time_ns))
			log->intervals[log->nr_intervals++] = log->intervals[i];
	return r;
}

static int load_points(struct tmc_repo *repo, struct log *log)
{
	size_t nr = 0;
	int r = tmc_point_list(repo, &log->points, &nr);

	for (size_t i = 0; i < nr; i++) {
		const struct tmc_point *point = &log->points[i];

		if (point->moment.stretch &&
		    strcmp(point->volume.volume_id, log->volume.volume_id) == 0 &&
		    is_asked_for(log, point->cut_time_ns, point->cut_time_ns))
			log->points[log->nr_points++] = *point;
	}
	return r;
}

static int load(struct tmc_repo *repo, const char *volume, struct log *log)
{
	int (*const parts[])(struct tmc_repo *, struct log *) = {
		load_intervals, load_points, read_segments,
	};
	int r = journal_volume_find(repo, volume, &log->volume);
	int damage = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && r == 0; i++) {
		r = parts[i](repo, log);
		if (r == -EBADMSG) {
			damage = r;
			r = 0;
		}
	}
	return r ? r : damage;
}

static enum exit_status show_log(const char *repository, const char *volume, struct log *log,
				 bool json)
{
	struct tmc_repo *repo;
	int r = tmc_repo_open(repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	r = load(repo, volume, log);
	if ((r == 0 || r == -EBADMSG) && log->volume.volume_id[0]) {
		if (json)
			log_report_json(log);
		else
			log_report_text(log);
	}
	fflush(stdout);
	if (r < 0)
		command_catalog_failure(r);
	tmc_repo_close(repo);
	return exit_status_of(r);
}

enum exit_status command_log(int argc, char **argv)
{
	static const struct option options[] = {
		{"since", required_argument, NULL, 's'},
		{"until", required_argument, NULL, 'u'},
		{"repo", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	CLEANUP(clear_log) struct log log = {.until_ns = UINT64_MAX};
	enum exit_status status = EXIT_STATUS_OK;
	const char *repository = NULL;
	bool json = false;
	int option;

	while (status == EXIT_STATUS_OK &&
	       (option = getopt_long(argc, argv, ":r:h", options, NULL)) != -1) {
		switch (option) {
		case 's':
			status = command_time("log", "log --since", optarg, &log.since_ns);
			break;
		case 'u':
			status = command_time("log", "log --until", optarg, &log.until_ns);
			break;
		case 'r':
			repository = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			status = command_bad_option("log", option, argv);
		}
	}
	if (status != EXIT_STATUS_OK)
		return status;
	if (argc - optind > 1)
		return command_usage("log", "log: give one volume");
	repository = command_repository("log", repository);
	if (!repository)
		return EXIT_STATUS_USAGE;
	return show_log(repository, argv[optind], &log, json);
}
