// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "cli/restore_report.h"
#include "common/size_text.h"
#include "common/time_text.h"
#include "restore/restore.h"

#include <inttypes.h>
#include <string.h>

#define RANGES_SHOWN 20

FILE *restore_report_stream(const char *target)
{
	return strcmp(target, RESTORE_STDOUT) == 0 ? stderr : stdout;
}

static const char *name_of(const char *target)
{
	return strcmp(target, RESTORE_STDOUT) == 0 ? "standard output" : target;
}

/* ---------------------------------------------------------------------- ranges */

struct shown {
	const char *target;
	const char *what; /* "are zeros; ..." */
	uint64_t nr;
};

static int show_range(void *context, uint64_t offset, uint64_t bytes)
{
	struct shown *shown = context;

	if (shown->nr++ < RANGES_SHOWN)
		fprintf(stderr, "tidemark: %s: bytes %" PRIu64 " to %" PRIu64 " %s\n",
			shown->target, offset, offset + bytes - 1, shown->what);
	return 0;
}

static void show_ranges(const char *target, const struct tally *tally, enum tally_fate fate,
			const char *what)
{
	struct shown shown = {name_of(target), what, 0};

	tally_ranges(tally, fate, show_range, &shown);
	if (shown.nr > RANGES_SHOWN)
		fprintf(stderr, "tidemark: %s: and %" PRIu64 " more such ranges\n", shown.target,
			shown.nr - RANGES_SHOWN);
}

void restore_report_unreadable(const char *target, const struct restore_result *result)
{
	show_ranges(target, &result->tally, TALLY_UNREADABLE, result->dry_run ?
		    "would be zeros; the device could not be read there at the backup" :
		    "are zeros; the device could not be read there at the backup");
}

void restore_report_incomplete(const char *target, const struct restore_result *result)
{
	if (result->stage == RESTORE_BEGUN)
		show_ranges(target, &result->tally, TALLY_INCOMPLETE, "are not what the point says");
}

/* ---------------------------------------------------------------------- summary */

static void print_source(FILE *out, const struct restore_result *result)
{
	char id[TMC_ID_TEXT], when[TIME_TEXT_BYTES];

	tmc_id_format(&result->point.id, id);
	if (result->instant.stretch)
		fprintf(out, "%s (seq %" PRIu64 ")",
			time_text_format(result->instant.time_ns, when), result->instant.seq);
	else
		fprintf(out, "point %.12s", id);
	fprintf(out, " of %s", result->point.volume.name);
}

static void print_fate(FILE *out, const struct tally *tally, enum tally_fate fate, const char *what)
{
	uint64_t bytes = tally_bytes(tally, fate);
	char size[SIZE_TEXT_BYTES];

	if (bytes)
		fprintf(out, "%s %s", size_text_format(bytes, size), what);
}

static void print_left(FILE *out, const struct restore_result *result)
{
	const struct tally *tally = &result->tally;

	if (result->basis == RESTORE_BY_NOTHING && !result->dry_run)
		return;
	print_fate(out, tally, TALLY_WRITTEN, result->dry_run ? "to write\n" : "written\n");
	print_fate(out, tally, TALLY_ZEROED, result->dry_run ? "to be zeros\n" : "zeroed\n");
	print_fate(out, tally, TALLY_SAME, "compared and left\n");
	print_fate(out, tally, TALLY_KNOWN, "known to be unchanged by the tracker\n");
	if (result->basis == RESTORE_BY_HASH && *result->why)
		fprintf(out, "all was compared: %s\n", result->why);
}

void restore_report(const char *target, const struct restore_result *result)
{
	const struct tally *tally = &result->tally;
	FILE *out = restore_report_stream(target);
	char size[SIZE_TEXT_BYTES];

	print_source(out, result);
	fprintf(out, " %s to %s, ", result->dry_run ? "can be restored" : "restored",
		name_of(target));
	if (tally->end - tally->begin != tally->volume_bytes)
		fprintf(out, "bytes %" PRIu64 " to %" PRIu64 ", ", tally->begin, tally->end - 1);
	fprintf(out, "%s, %" PRIu64 ".%" PRIu64 " s\n",
		size_text_format(tally->end - tally->begin, size), result->elapsed_ms / 1000,
		result->elapsed_ms / 100 % 10);
	print_left(out, result);
}
