// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What is not known is a dash. Times are ages: how long ago is what one wants to know.
 */
#include "cli/status_table.h"
#include "cli/status_note.h"
#include "common/duration_text.h"
#include "common/size_text.h"

#include <inttypes.h>
#include <string.h>

#define NS_PER_MS  1000000u
#define CELL_BYTES 32

static const char *age_cell(struct json_object *volume, const char *member, uint64_t now_ms,
			    char ret_cell[CELL_BYTES])
{
	uint64_t time_ms = status_number(volume, member);

	if (!time_ms)
		return "-";
	return duration_text_format(status_age_ms(now_ms, time_ms) * NS_PER_MS, ret_cell);
}

static const char *span_cell(struct json_object *volume, const char *member,
			     char ret_cell[CELL_BYTES])
{
	if (!status_knows(volume, member))
		return "-";
	return duration_text_format(status_number(volume, member) * NS_PER_MS, ret_cell);
}

static const char *size_cell(struct json_object *volume, const char *member,
			     char ret_cell[CELL_BYTES])
{
	if (!status_knows(volume, member))
		return "-";
	return size_text_format(status_number(volume, member), ret_cell);
}

static const char *number_cell(struct json_object *volume, const char *member,
			       char ret_cell[CELL_BYTES])
{
	if (!status_knows(volume, member))
		return "-";
	snprintf(ret_cell, CELL_BYTES, "%" PRIu64, status_number(volume, member));
	return ret_cell;
}

static const char *ring_cell(struct json_object *volume, char ret_cell[CELL_BYTES])
{
	uint64_t all = status_number(volume, "ring_bytes");

	if (!all)
		return "-";
	snprintf(ret_cell, CELL_BYTES, "%" PRIu64 "%%",
		 status_number(volume, "ring_waiting_bytes") * 100 / all);
	return ret_cell;
}

static void print_volume(FILE *out, struct json_object *volume, uint64_t now_ms)
{
	char since[CELL_BYTES], lag[CELL_BYTES], point[CELL_BYTES], dirty[CELL_BYTES];
	char ring[CELL_BYTES], stalls[CELL_BYTES], gaps[CELL_BYTES];

	fprintf(out, "%-14s  %-14s  %-9s  %6s  %6s  %6s  %10s  %4s  %6s  %4s\n",
		status_text(volume, "volume"), status_text(volume, "device"),
		status_text(volume, "state"), age_cell(volume, "protected_since_ms", now_ms, since),
		span_cell(volume, "lag_ms", lag), age_cell(volume, "point_ms", now_ms, point),
		size_cell(volume, "dirty_bytes", dirty), ring_cell(volume, ring),
		number_cell(volume, "stalls", stalls), number_cell(volume, "gaps", gaps));
}

static void print_note(FILE *out, struct json_object *volume, uint64_t now_ms)
{
	if (strcmp(status_text(volume, "state"), "streaming") == 0)
		return;
	fprintf(out, "  %s: ", status_text(volume, "volume"));
	status_note(out, volume, now_ms);
	fputc('\n', out);
}

/* On a host that only has jobs there is no volume. */
void status_table(FILE *out, struct json_object *volumes, uint64_t now_ms)
{
	size_t nr = volumes ? json_object_array_length(volumes) : 0;

	if (!nr)
		return;
	fprintf(out, "%-14s  %-14s  %-9s  %6s  %6s  %6s  %10s  %4s  %6s  %4s\n", "VOLUME", "DEVICE",
		"STATE", "SINCE", "BEHIND", "POINT", "DIRTY", "RING", "STALLS", "GAPS");
	for (size_t i = 0; i < nr; i++)
		print_volume(out, json_object_array_get_idx(volumes, i), now_ms);
	for (size_t i = 0; i < nr; i++)
		print_note(out, json_object_array_get_idx(volumes, i), now_ms);
	fputc('\n', out);
}

/* ------------------------------------------------------------------------- jobs */

/* How long until then. */
static const char *due_cell(struct json_object *job, uint64_t now_ms, char ret_cell[CELL_BYTES])
{
	uint64_t due_ms = status_number(job, "due_ms");

	if (!due_ms)
		return "-";
	return duration_text_format(status_age_ms(due_ms, now_ms) * NS_PER_MS, ret_cell);
}

static void print_job(FILE *out, struct json_object *job, uint64_t now_ms)
{
	char last[CELL_BYTES], due[CELL_BYTES], failures[CELL_BYTES];

	fprintf(out, "%-14s  %-9s  %-9s  %6s  %6s  %8s  %s\n", status_text(job, "job"),
		status_text(job, "does"), status_text(job, "state"),
		age_cell(job, "succeeded_ms", now_ms, last), due_cell(job, now_ms, due),
		number_cell(job, "failures", failures), status_text(job, "schedule"));
}

void status_job_table(FILE *out, struct json_object *jobs, uint64_t now_ms)
{
	size_t nr = jobs ? json_object_array_length(jobs) : 0;

	if (!nr)
		return;
	fprintf(out, "%-14s  %-9s  %-9s  %6s  %6s  %8s  %s\n", "JOB", "DOES", "STATE", "LAST", "DUE",
		"FAILURES", "SCHEDULE");
	for (size_t i = 0; i < nr; i++)
		print_job(out, json_object_array_get_idx(jobs, i), now_ms);
	for (size_t i = 0; i < nr; i++) {
		struct json_object *job = json_object_array_get_idx(jobs, i);

		if (status_number(job, "failures") || strcmp(status_text(job, "state"), "away") == 0)
			fprintf(out, "  %s: %s\n", status_text(job, "job"),
				status_text(job, "reason"));
	}
	fputc('\n', out);
}
