// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Reasons have the same names for people and for programs.
 */
#include "cli/prune_report.h"

#include "cli/json.h"
#include "cli/point_brief.h"
#include "common/clock_ns.h"
#include "common/size_text.h"
#include "common/time_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	uint32_t reason;
	const char *name;
} reasons[] = {
	{TMC_KEEP_LAST, "last"},       {TMC_KEEP_HOURLY, "hourly"},
	{TMC_KEEP_DAILY, "daily"},     {TMC_KEEP_WEEKLY, "weekly"},
	{TMC_KEEP_MONTHLY, "monthly"}, {TMC_KEEP_YEARLY, "yearly"},
	{TMC_KEEP_WITHIN, "within"},   {TMC_KEEP_TAG, "tag"},
	{TMC_KEEP_GROUP, "group"},     {TMC_KEEP_NEWEST, "newest"},
	{TMC_KEEP_FUTURE, "future"},   {TMC_KEEP_SCAN, "scan"},
	{TMC_KEEP_JOURNAL, "journal"},
	{PRUNE_NO_RULE, "no-rule"},
};
#define NR_REASONS (sizeof(reasons) / sizeof(reasons[0]))

#define REASONS_BYTES 128 /* of all names */

static const char *format_reasons(uint32_t kept, char ret_text[REASONS_BYTES])
{
	size_t length = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < NR_REASONS; i++)
		if (kept & reasons[i].reason)
			length += (size_t)snprintf(ret_text + length, REASONS_BYTES - length,
						   "%s%s", length ? ", " : "", reasons[i].name);
	return ret_text;
}

static bool is_shown(const struct prune_plan *plan, size_t nth)
{
	return !(plan->reasons[nth] & PRUNE_NO_RULE);
}

static void print_points(const struct prune_plan *plan)
{
	static const char title[] = "STAYS FOR";
	int width = 0;
	char text[REASONS_BYTES];

	for (size_t i = 0; i < plan->nr; i++) {
		int length = (int)strlen(format_reasons(plan->reasons[i], text));

		if (is_shown(plan, i))
			width = length > width ? length : width;
	}
	if (!width) /* the newest of a volume has a reason */
		return;
	width = width < (int)strlen(title) ? (int)strlen(title) : width;
	printf("%-12s  %-19s        %-*s  %s\n", "POINT", "CUT", width, title, "VOLUME");
	for (size_t i = 0; i < plan->nr; i++) {
		if (!is_shown(plan, i))
			continue;
		point_brief_print(&plan->points[i]);
		printf("  %-4s  %-*s  %s\n", plan->reasons[i] ? "keep" : "go", width,
		       format_reasons(plan->reasons[i], text), plan->points[i].volume.name);
	}
	putchar('\n');
}

static void print_packs(const struct tmc_prune_result *result, const char *what,
			const char *copied)
{
	char size[SIZE_TEXT_BYTES];

	printf("%" PRIu64 " packs of %s %s", result->packs,
	       size_text_format(result->pack_bytes, size), what);
	if (result->copied_bytes)
		printf(", %s of them %s", size_text_format(result->copied_bytes, size), copied);
	putchar('\n');
}

static void print_journal(const struct tmc_journal_forgotten *journal, const char *what)
{
	char size[SIZE_TEXT_BYTES], when[TIME_TEXT_BYTES];

	printf("journal: %" PRIu64 " segments, %s", journal->segments,
	       size_text_format(journal->bytes, size));
	if (journal->segments)
		printf(", up to %s", time_text_format(journal->last_time_ns, when));
	printf(" %s; %" PRIu64 " segments, %s, stay\n", what, journal->kept_segments,
	       size_text_format(journal->kept_bytes, size));
}

static void print_dry_run(const struct prune_plan *plan, const struct tmc_prune_result *result)
{
	char size[SIZE_TEXT_BYTES];

	printf("%" PRIu64 " points would go, %" PRIu64 " would stay\n", result->points,
	       result->kept_points);
	print_packs(result, "would go", "would be copied first");
	if (plan->keeps_journal)
		print_journal(&result->journal, "would go");
	if (result->pending_bytes)
		printf("%s, given up before, is still there\n",
		       size_text_format(result->pending_bytes, size));
}

/* By this host's clock; the store's is what counts. */
static void format_end_of_grace(uint64_t grace_ns, char *ret_text, size_t size)
{
	time_t seconds = (time_t)((clock_ns(CLOCK_REALTIME) + grace_ns) / 1000000000u);
	struct tm local;

	snprintf(ret_text, size, "?");
	if (localtime_r(&seconds, &local))
		strftime(ret_text, size, "%Y-%m-%d %H:%M", &local);
}

static void print_run(const struct prune_plan *plan, const struct tmc_prune_result *result)
{
	char size[SIZE_TEXT_BYTES], when[32];

	printf("%" PRIu64 " points given up, %" PRIu64 " stay\n", result->points,
	       result->kept_points);
	print_packs(result, "given up", "was copied first");
	if (plan->keeps_journal)
		print_journal(&result->journal, "given up");
	printf("%s freed now\n", size_text_format(result->freed_bytes, size));
	if (result->pending_bytes) {
		format_end_of_grace(plan->grace_ns, when, sizeof(when));
		printf("%s to be freed by a prune after %s\n",
		       size_text_format(result->pending_bytes, size), when);
	}
	if (result->waiting_dooms)
		printf("%" PRIu64 " earlier prunes wait for programs that are at work\n",
		       result->waiting_dooms);
	if (result->rescued_blobs)
		printf("%" PRIu64 " blocks, given up before, are needed again and stay\n",
		       result->rescued_blobs);
}

void prune_report_text(const struct prune_plan *plan, const struct tmc_prune_result *result)
{
	print_points(plan);
	if (plan->dry_run)
		print_dry_run(plan, result);
	else
		print_run(plan, result);
}

static void add_reasons(struct json_object *object, uint32_t kept)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < NR_REASONS; i++)
		if (kept & reasons[i].reason)
			json_object_array_add(array, json_object_new_string(reasons[i].name));
	json_object_object_add(object, "reasons", array);
}

static void add_points(struct json_object *object, const struct prune_plan *plan)
{
	struct json_object *kept = json_object_new_array();
	struct json_object *removed = json_object_new_array();

	for (size_t i = 0; i < plan->nr; i++) {
		struct json_object *point = point_brief_json(&plan->points[i]);

		if (plan->reasons[i])
			add_reasons(point, plan->reasons[i]);
		json_object_array_add(plan->reasons[i] ? kept : removed, point);
	}
	json_object_object_add(object, "kept", kept);
	json_object_object_add(object, "removed", removed);
}

static void add_journal(struct json_object *object, const struct tmc_journal_forgotten *journal)
{
	json_add_number(object, "segments", journal->segments);
	json_add_number(object, "segment_bytes", journal->bytes);
	json_add_number(object, "segments_up_to_ns", journal->last_time_ns);
	json_add_number(object, "kept_segments", journal->kept_segments);
	json_add_number(object, "kept_segment_bytes", journal->kept_bytes);
	json_add_number(object, "kept_instants", journal->kept_instants);
}

void prune_report_json(const struct prune_plan *plan, const struct tmc_prune_result *result)
{
	struct json_object *object = json_object_new_object();

	json_add_bool(object, "dry_run", plan->dry_run);
	add_points(object, plan);
	json_add_number(object, "points", result->points);
	json_add_number(object, "kept_points", result->kept_points);
	json_add_number(object, "packs", result->packs);
	json_add_number(object, "pack_bytes", result->pack_bytes);
	json_add_number(object, "copied_blobs", result->copied_blobs);
	json_add_number(object, "copied_bytes", result->copied_bytes);
	json_add_number(object, "indexes", result->indexes);
	json_add_number(object, "freed_bytes", result->freed_bytes);
	json_add_number(object, "pending_bytes", result->pending_bytes);
	json_add_number(object, "waiting_dooms", result->waiting_dooms);
	json_add_number(object, "rescued_blobs", result->rescued_blobs);
	if (plan->keeps_journal)
		add_journal(object, &result->journal);
	json_print(object);
}
