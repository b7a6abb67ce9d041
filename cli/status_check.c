// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Critical is what costs instants if the volume is lost now; a warning is what will, or what
 * has. Allowances are such that a volume which keeps its promise is never a problem: twice the
 * rpo, for a look at it may fall between a seal and the end of storing it.
 */
#include "cli/status_check.h"
#include "cli/status_note.h"
#include "common/duration_text.h"
#include "common/time_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000u
#define MINUTE_MS 60000u

#define LAG_ALLOWANCE_MS   10000u
#define BEGIN_ALLOWANCE_MS MINUTE_MS         /* of what is not protected yet */
#define POINT_ALLOWANCE_MS (5 * MINUTE_MS)
#define GAP_IS_NEWS_MS     (60u * MINUTE_MS)
#define MANY_FAILURES      3u

struct check {
	const struct status_limits *limits;
	uint64_t now_ms;
	FILE *lines[STATUS_UNKNOWN]; /* by level; memory streams */
	char *texts[STATUS_UNKNOWN];
	size_t sizes[STATUS_UNKNOWN];
	size_t nr_protected;
};

static FILE *problem(struct check *check, enum status_level level, const char *subject)
{
	FILE *out = check->lines[level];

	fprintf(out, "%s: %s: ", level == STATUS_CRITICAL ? "CRITICAL" : "WARNING", subject);
	return out;
}

static const char *span(uint64_t ms, char ret_text[DURATION_TEXT_BYTES])
{
	return duration_text_format(ms * NS_PER_MS, ret_text);
}

/* ---------------------------------------------------------------------- volumes */

static uint64_t lag_limit_ms(const struct check *check, struct json_object *volume)
{
	if (check->limits->lag_ms)
		return check->limits->lag_ms;
	return 2 * status_number(volume, "rpo_ms") + LAG_ALLOWANCE_MS;
}

static bool is_late(const struct check *check, struct json_object *volume)
{
	return status_number(volume, "lag_ms") > lag_limit_ms(check, volume);
}

static void say_late(struct check *check, struct json_object *volume)
{
	FILE *out = problem(check, STATUS_CRITICAL, status_text(volume, "volume"));
	char lag[DURATION_TEXT_BYTES], rpo[DURATION_TEXT_BYTES];

	fprintf(out, "%s behind, promised are %s", span(status_number(volume, "lag_ms"), lag),
		span(status_number(volume, "rpo_ms"), rpo));
	if (strcmp(status_text(volume, "state"), "streaming") != 0)
		fputs("; ", out);
	status_note(out, volume, check->now_ms);
	fputc('\n', out);
}

static void say_note(struct check *check, enum status_level level, struct json_object *volume)
{
	FILE *out = problem(check, level, status_text(volume, "volume"));

	fputs("not protected, ", out);
	status_note(out, volume, check->now_ms);
	fputc('\n', out);
}

static void check_protection(struct check *check, struct json_object *volume)
{
	const char *state = status_text(volume, "state");
	uint64_t since_ms = status_number(volume, "state_since_ms");
	bool streams = strcmp(state, "streaming") == 0;

	if (strcmp(state, "waiting") == 0 || (!streams && status_number(volume, "failing_since_ms")))
		say_note(check, STATUS_CRITICAL, volume);
	else if (is_late(check, volume))
		say_late(check, volume);
	else if (!streams && status_age_ms(check->now_ms, since_ms) > BEGIN_ALLOWANCE_MS)
		say_note(check, STATUS_WARNING, volume);
	else
		check->nr_protected += streams;
}

static void check_gap(struct check *check, struct json_object *volume)
{
	uint64_t gap_ms = status_number(volume, "gap_ms");
	char when[TIME_TEXT_BYTES];

	if (!gap_ms || status_age_ms(check->now_ms, gap_ms) > GAP_IS_NEWS_MS)
		return;
	fprintf(problem(check, STATUS_WARNING, status_text(volume, "volume")),
		"a gap since %s, %" PRIu64 " so far: instants in it cannot be had\n",
		time_text_format(gap_ms * NS_PER_MS, when), status_number(volume, "gaps"));
}

/* 0: none are expected. */
static uint64_t point_limit_ms(const struct check *check, struct json_object *volume)
{
	uint64_t every_ms = status_number(volume, "points_every_ms");

	if (check->limits->point_age_ms)
		return check->limits->point_age_ms;
	return every_ms ? 2 * every_ms + POINT_ALLOWANCE_MS : 0;
}

/* Where there is none yet, one is expected from the beginning of the protection on. */
static void check_point(struct check *check, struct json_object *volume)
{
	uint64_t checked_ms = status_number(volume, "point_checked_ms");
	uint64_t since_ms = checked_ms ? checked_ms : status_number(volume, "protected_since_ms");
	uint64_t limit_ms = point_limit_ms(check, volume);
	uint64_t age_ms = status_age_ms(check->now_ms, since_ms);
	char age[DURATION_TEXT_BYTES], limit[DURATION_TEXT_BYTES];

	if (!limit_ms || !since_ms || age_ms <= limit_ms)
		return;
	fprintf(problem(check, STATUS_WARNING, status_text(volume, "volume")),
		"no restore point for %s, expected is one in %s\n", span(age_ms, age),
		span(limit_ms, limit));
}

/* ------------------------------------------------------------------------- jobs */

/* One failure is tried again within minutes; it is another thing when that does not help. */
static void check_runs(struct check *check, struct json_object *job)
{
	uint64_t failures = status_number(job, "failures");
	uint64_t succeeded_ms = status_number(job, "succeeded_ms");
	char age[DURATION_TEXT_BYTES];
	FILE *out;

	if (!failures)
		return;
	out = problem(check, failures < MANY_FAILURES ? STATUS_WARNING : STATUS_CRITICAL,
		      status_text(job, "job"));
	fprintf(out, "%s failed %" PRIu64 " times, ", status_text(job, "does"), failures);
	if (succeeded_ms)
		fprintf(out, "last succeeded %s ago",
			span(status_age_ms(check->now_ms, succeeded_ms), age));
	else
		fputs("never succeeded", out);
	fprintf(out, ": %s\n", status_text(job, "reason"));
}

/* How often a calendar wants runs is not known here: only what was asked for counts. */
static void check_success(struct check *check, struct json_object *job)
{
	uint64_t succeeded_ms = status_number(job, "succeeded_ms");
	uint64_t age_ms = status_age_ms(check->now_ms, succeeded_ms);
	char age[DURATION_TEXT_BYTES], limit[DURATION_TEXT_BYTES];

	if (!check->limits->point_age_ms || !succeeded_ms ||
	    age_ms <= check->limits->point_age_ms || strcmp(status_text(job, "does"), "backup") != 0)
		return;
	fprintf(problem(check, STATUS_WARNING, status_text(job, "job")),
		"no backup for %s, expected is one in %s\n", span(age_ms, age),
		span(check->limits->point_age_ms, limit));
}

/* One that is paused is so because somebody said so. */
static void check_job(struct check *check, struct json_object *job)
{
	if (strcmp(status_text(job, "state"), "paused") == 0)
		return;
	if (strcmp(status_text(job, "state"), "away") == 0) {
		fprintf(problem(check, STATUS_CRITICAL, status_text(job, "job")),
			"no backups are made: %s\n", status_text(job, "reason"));
		return;
	}
	check_runs(check, job);
	check_success(check, job);
}

/* ------------------------------------------------------------------ attachments */

static void check_device(struct check *check, struct json_object *attachment)
{
	const char *state = status_text(attachment, "device_state");
	bool grown = strcmp(state, "grown") == 0;

	if (!*state || strcmp(state, "ok") == 0)
		return;
	fprintf(problem(check, grown ? STATUS_WARNING : STATUS_CRITICAL,
			status_text(attachment, "name")),
		"its device %s %s; detach it and attach what is there now\n",
		status_text(attachment, "device"),
		grown ? "has grown, and the rest is not protected" :
		strcmp(state, "gone") == 0 ? "is gone" : "has become shorter");
}

/* -------------------------------------------------------------------------- all */

static size_t length_of(struct json_object *report, const char *member)
{
	struct json_object *array = json_object_object_get(report, member);

	return array ? json_object_array_length(array) : 0;
}

static void check_daemon(struct check *check, struct json_object *report)
{
	if (json_object_get_boolean(json_object_object_get(report, "configured")) &&
	    !json_object_get_boolean(json_object_object_get(report, "tidemarkd")))
		fputs("does not run, though there is a config that says what to protect\n",
		      problem(check, STATUS_CRITICAL, "tidemarkd"));
}

static void check_all(struct check *check, struct json_object *report)
{
	struct json_object *volumes = json_object_object_get(report, "volumes");
	struct json_object *jobs = json_object_object_get(report, "jobs");
	struct json_object *attachments = json_object_object_get(report, "attachments");

	check_daemon(check, report);
	for (size_t i = 0; i < length_of(report, "volumes"); i++) {
		struct json_object *volume = json_object_array_get_idx(volumes, i);

		check_protection(check, volume);
		check_gap(check, volume);
		check_point(check, volume);
	}
	for (size_t i = 0; i < length_of(report, "jobs"); i++)
		check_job(check, json_object_array_get_idx(jobs, i));
	for (size_t i = 0; i < length_of(report, "attachments"); i++)
		check_device(check, json_object_array_get_idx(attachments, i));
}

/* Of volumes that are not protected yet, but not for long, none is a problem. */
static void say_ok(const struct check *check, struct json_object *report, FILE *out)
{
	fprintf(out, "OK: %zu of %zu volumes protected, %zu devices attached, %zu jobs\n",
		check->nr_protected, length_of(report, "volumes"),
		length_of(report, "attachments"), length_of(report, "jobs"));
}

static int open_lines(struct check *check)
{
	for (size_t i = STATUS_WARNING; i < STATUS_UNKNOWN; i++) {
		check->lines[i] = open_memstream(&check->texts[i], &check->sizes[i]);
		if (!check->lines[i])
			return -ENOMEM;
	}
	return 0;
}

static int close_lines(struct check *check)
{
	int r = 0;

	for (size_t i = STATUS_WARNING; i < STATUS_UNKNOWN; i++)
		if (check->lines[i] && fclose(check->lines[i]) != 0)
			r = -ENOMEM;
	return r;
}

static enum status_level print(const struct check *check, struct json_object *report, FILE *out)
{
	enum status_level level = check->sizes[STATUS_CRITICAL] ? STATUS_CRITICAL :
				  check->sizes[STATUS_WARNING]  ? STATUS_WARNING :
								  STATUS_OK;

	if (level == STATUS_OK)
		say_ok(check, report, out);
	for (size_t i = STATUS_CRITICAL; i >= STATUS_WARNING; i--)
		fwrite(check->texts[i], 1, check->sizes[i], out);
	return level;
}

int status_check(struct json_object *report, const struct status_limits *limits, uint64_t now_ms,
		 FILE *out)
{
	struct check check = {.limits = limits, .now_ms = now_ms};
	int r = open_lines(&check);

	if (r == 0)
		check_all(&check, report);
	if (close_lines(&check) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = (int)print(&check, report, out);
	free(check.texts[STATUS_WARNING]);
	free(check.texts[STATUS_CRITICAL]);
	return r;
}
