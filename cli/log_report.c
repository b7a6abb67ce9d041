// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The bars are for terminals: a program that reads the table wants columns alone.
 */
#include "cli/log_report.h"

#include "cli/json.h"
#include "common/size_text.h"
#include "common/time_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS   1000000000u
#define BAR_COLUMNS 30u

/* ------------------------------------------------------------------------ text */

/* Whoever may write to the repository chooses it: nothing for a terminal to obey. */
static void print_mark_text(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
	putchar('\n');
}

static void print_intervals(const struct log *log)
{
	char first[TIME_TEXT_BYTES], last[TIME_TEXT_BYTES];

	if (!log->nr_intervals) {
		puts("no instant can be restored");
		return;
	}
	printf("%-23s  %-23s  %12s  %12s\n", "INSTANTS FROM", "TO", "SEQ", "TO SEQ");
	for (size_t i = 0; i < log->nr_intervals; i++) {
		const struct tmc_interval *interval = &log->intervals[i];

		if (i)
			puts("(gap)");
		printf("%-23s  %-23s  %12" PRIu64 "  %12" PRIu64 "\n",
		       time_text_format(interval->first_time_ns, first),
		       time_text_format(interval->last_time_ns, last), interval->first_seq,
		       interval->last_seq);
	}
}

static void print_points(const struct log *log)
{
	char when[TIME_TEXT_BYTES], id[TMC_ID_TEXT];

	if (log->nr_points)
		printf("\n%-23s  %12s  %s\n", "POINTS", "SEQ", "POINT");
	for (size_t i = 0; i < log->nr_points; i++) {
		const struct tmc_point *point = &log->points[i];

		tmc_id_format(&point->id, id);
		printf("%-23s  %12" PRIu64 "  %.12s%s\n",
		       time_text_format(point->cut_time_ns, when), point->moment.seq, id,
		       point->moment.settles_seq ? "  (scan)" : "");
	}
}

static void print_marks(const struct log *log)
{
	char when[TIME_TEXT_BYTES];

	if (log->nr_marks)
		printf("\n%-23s  %12s  %s\n", "MARKS", "SEQ", "NAME");
	for (size_t i = 0; i < log->nr_marks; i++) {
		printf("%-23s  %12" PRIu64 "  ", time_text_format(log->marks[i].time_ns, when),
		       log->marks[i].seq);
		print_mark_text(log->marks[i].text);
	}
}

static void print_bar(uint64_t bytes, uint64_t most)
{
	/* Their quotient is at most 1; dividing first keeps it from overflowing. */
	uint64_t columns = most > BAR_COLUMNS ? bytes / (most / BAR_COLUMNS) : 0;

	columns = columns < BAR_COLUMNS ? columns : BAR_COLUMNS;
	if (!columns && bytes)
		columns = 1;
	fputs("  ", stdout);
	while (columns--)
		putchar('#');
}

static void print_buckets(const struct log *log)
{
	bool bars = isatty(STDOUT_FILENO);
	char when[TIME_TEXT_BYTES], size[SIZE_TEXT_BYTES], rate[SIZE_TEXT_BYTES];
	uint64_t most = 0;

	if (log->nr_buckets)
		printf("\n%-19s  %10s  %10s  %10s  %12s\n", "FROM", "WRITES", "FLUSHES", "WRITTEN",
		       "PER SECOND");
	for (size_t i = 0; i < log->nr_buckets; i++)
		most = log->buckets[i].bytes > most ? log->buckets[i].bytes : most;
	for (size_t i = 0; i < log->nr_buckets; i++) {
		const struct log_bucket *bucket = &log->buckets[i];

		printf("%.19s  %10" PRIu64 "  %10" PRIu64 "  %10s  %10s/s",
		       time_text_format(log->begin_ns + i * log->bucket_ns, when), bucket->writes,
		       bucket->flushes, size_text_format(bucket->bytes, size),
		       size_text_format(bucket->bytes / (log->bucket_ns / SECOND_NS), rate));
		if (bars)
			print_bar(bucket->bytes, most);
		putchar('\n');
	}
}

void log_report_text(const struct log *log)
{
	char size[SIZE_TEXT_BYTES];

	printf("%s (%s)\n\n", log->volume.name, log->volume.volume_id);
	print_intervals(log);
	print_points(log);
	print_marks(log);
	print_buckets(log);
	printf("\n%" PRIu64 " writes, %s, %" PRIu64 " flushes\n", log->sum.writes,
	       size_text_format(log->sum.bytes, size), log->sum.flushes);
}

/* ------------------------------------------------------------------------ json */

static void add_stretch(struct json_object *object, uint64_t stretch)
{
	char digits[17];

	snprintf(digits, sizeof(digits), "%016" PRIx64, stretch);
	json_add_text(object, "stretch", digits);
}

static void add_intervals(struct json_object *object, const struct log *log)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < log->nr_intervals; i++) {
		const struct tmc_interval *interval = &log->intervals[i];
		struct json_object *member = json_object_new_object();

		add_stretch(member, interval->stretch);
		json_add_number(member, "first_seq", interval->first_seq);
		json_add_number(member, "last_seq", interval->last_seq);
		json_add_number(member, "first_time_ns", interval->first_time_ns);
		json_add_number(member, "last_time_ns", interval->last_time_ns);
		json_object_array_add(array, member);
	}
	json_object_object_add(object, "intervals", array);
}

static void add_points(struct json_object *object, const struct log *log)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < log->nr_points; i++) {
		const struct tmc_point *point = &log->points[i];
		struct json_object *member = json_object_new_object();
		char id[TMC_ID_TEXT];

		tmc_id_format(&point->id, id);
		json_add_text(member, "point", id);
		add_stretch(member, point->moment.stretch);
		json_add_number(member, "seq", point->moment.seq);
		if (point->moment.settles_seq)
			json_add_number(member, "settles_seq", point->moment.settles_seq);
		json_add_number(member, "cut_time_ns", point->cut_time_ns);
		json_object_array_add(array, member);
	}
	json_object_object_add(object, "points", array);
}

static void add_marks(struct json_object *object, const struct log *log)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < log->nr_marks; i++) {
		struct json_object *member = json_object_new_object();

		add_stretch(member, log->marks[i].stretch);
		json_add_number(member, "seq", log->marks[i].seq);
		json_add_number(member, "time_ns", log->marks[i].time_ns);
		json_add_text(member, "mark", log->marks[i].text);
		json_object_array_add(array, member);
	}
	json_object_object_add(object, "marks", array);
}

static void add_bucket(struct json_object *object, const struct log_bucket *bucket)
{
	json_add_number(object, "writes", bucket->writes);
	json_add_number(object, "written_bytes", bucket->bytes);
	json_add_number(object, "flushes", bucket->flushes);
}

static void add_buckets(struct json_object *object, const struct log *log)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < log->nr_buckets; i++) {
		struct json_object *member = json_object_new_object();

		json_add_number(member, "time_ns", log->begin_ns + i * log->bucket_ns);
		add_bucket(member, &log->buckets[i]);
		json_object_array_add(array, member);
	}
	json_add_number(object, "bucket_ns", log->bucket_ns);
	json_object_object_add(object, "buckets", array);
}

void log_report_json(const struct log *log)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "volume", log->volume.name);
	json_add_text(object, "volume_id", log->volume.volume_id);
	add_intervals(object, log);
	add_points(object, log);
	add_marks(object, log);
	add_bucket(object, &log->sum);
	add_buckets(object, log);
	json_print(object);
}
