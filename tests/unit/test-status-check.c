// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What "tidemark status" makes of reports: each problem, what is none, and the table.
 */
#include "cli/status_check.h"
#include "cli/status_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* 2026-11-27 13:24:05 UTC. */
#define NOW_MS 1795785845000ull

/* A volume of which all is well, as tidemarkd tells it; a later member stands for an earlier one. */
#define VOLUME(more)                                                                      \
	"{\"volume\": \"data\", \"device\": \"/dev/vdb\", \"state\": \"streaming\","      \
	" \"state_since_ms\": 1795782245000, \"protected_since_ms\": 1795782245000,"      \
	" \"failing_since_ms\": 0, \"reason\": \"\", \"rpo_ms\": 5000, \"lag_ms\": 900,"  \
	" \"durable_ms\": 1795785844100, \"gaps\": 0, \"gap_ms\": 0, \"scan_bytes\": 0,"  \
	" \"scanned_bytes\": 0, \"point\": \"aa\", \"point_ms\": 1795780000000,"          \
	" \"point_checked_ms\": 1795785000000, \"points_every_ms\": 3600000,"             \
	" \"dirty_bytes\": 65536, \"ring_bytes\": 1000, \"ring_waiting_bytes\": 250,"     \
	" \"stalls\": 3, \"device_state\": \"ok\"" more "}"

#define REPORT(volumes, attachments)                                                   \
	"{\"configured\": true, \"tidemarkd\": true, \"attachments\": [" attachments   \
	"], \"volumes\": [" volumes "]}"
#define OF(more) REPORT(VOLUME(more), "")
#define JOB(more)                                                                      \
	"{\"tidemarkd\": true, \"configured\": true, \"jobs\": [{\"job\": \"nightly\","   \
	" \"does\": \"backup\", \"state\": \"waiting\", \"reason\": \"/r: full\","        \
	" \"failures\": 0, \"succeeded_ms\": 1795778645000" more "}]}"
#define ATTACHMENT(state)                                                              \
	"{\"name\": \"data\", \"device\": \"/dev/vdb\", \"device_state\": \"" state "\"}"

struct outcome {
	const char *report;
	struct status_limits limits;
	enum status_level level;
	const char *says;
};

static const struct outcome outcomes[] = {
	/* Fine. */
	{OF(""), {0}, STATUS_OK, "OK: 1 of 1 volumes protected, 0 devices attached, 0 jobs\n"},
	{REPORT(VOLUME("") ", " VOLUME(""), ATTACHMENT("ok")), {0}, STATUS_OK,
	 "OK: 2 of 2 volumes protected, 1 devices attached, 0 jobs\n"},
	{"{\"configured\": false, \"tidemarkd\": false, \"attachments\": []}", {0}, STATUS_OK,
	 "OK: 0 of 0 volumes protected, 0 devices attached, 0 jobs\n"},
	{"{}", {0}, STATUS_OK, "OK: 0 of 0 volumes"},
	{OF(", \"failing_since_ms\": 1795785000000, \"reason\": \"was\""), {0}, STATUS_OK, "OK: 1"},

	/* No daemon. */
	{"{\"configured\": true, \"tidemarkd\": false, \"attachments\": []}", {0}, STATUS_CRITICAL,
	 "CRITICAL: tidemarkd: does not run, though there is a config"},

	/* What fails, in each state that it can be seen in. */
	{OF(", \"state\": \"waiting\", \"failing_since_ms\": 1795785545000, \"reason\": \"/r: No "
	    "space left on device\", \"lag_ms\": 300900"), {0}, STATUS_CRITICAL,
	 "CRITICAL: data: not protected, failing for 5min: /r: No space left on device; can be had "
	 "until 2026-11-27 13:24:04\n"},
	{OF(", \"state\": \"starting\", \"failing_since_ms\": 1795785844000, \"reason\": \"/r: gone\""),
	 {0}, STATUS_CRITICAL, "CRITICAL: data: not protected, failing for 1s: /r: gone;"},
	{OF(", \"state\": \"scanning\", \"failing_since_ms\": 1795785844000, \"reason\": \"/r: gone\","
	    " \"scan_bytes\": 2048, \"scanned_bytes\": 512"), {0}, STATUS_CRITICAL,
	 "failing for 1s, 25% of 2.0 KiB read: /r: gone;"},
	{OF(", \"state\": \"waiting\", \"state_since_ms\": 0, \"durable_ms\": 0, \"lag_ms\": null"),
	 {0}, STATUS_CRITICAL, "CRITICAL: data: not protected, waiting\n"},
	{OF(", \"state\": \"waiting\", \"failing_since_ms\": 1795785545000, \"reason\": \"x\""),
	 {.lag_ms = 86400000}, STATUS_CRITICAL, "CRITICAL: data: not protected"},

	/* Behind: twice the rpo and 10 s, or as it is asked for. */
	{OF(", \"lag_ms\": 20000"), {0}, STATUS_OK, "OK"},
	{OF(", \"lag_ms\": 20001"), {0}, STATUS_CRITICAL,
	 "CRITICAL: data: 20s behind, promised are 5s\n"},
	{OF(", \"lag_ms\": 20001"), {.lag_ms = 30000}, STATUS_OK, "OK"},
	{OF(", \"lag_ms\": 3001"), {.lag_ms = 3000}, STATUS_CRITICAL, "3s behind"},
	{OF(", \"lag_ms\": null"), {.lag_ms = 1}, STATUS_OK, "OK"},
	{OF(", \"state\": \"scanning\", \"state_since_ms\": 1795785840000, \"lag_ms\": 300000,"
	    " \"scan_bytes\": 1000, \"scanned_bytes\": 10"), {0}, STATUS_CRITICAL,
	 "CRITICAL: data: 5min behind, promised are 5s; scanning for 5s, 1% of 1000 B read;"},

	/* Not yet protected. */
	{OF(", \"state\": \"starting\", \"state_since_ms\": 1795785785000, \"lag_ms\": null"), {0},
	 STATUS_OK, "OK: 0 of 1 volumes protected"},
	{OF(", \"state\": \"starting\", \"state_since_ms\": 1795785784999, \"lag_ms\": null,"
	    " \"durable_ms\": 0"), {0},
	 STATUS_WARNING, "WARNING: data: not protected, starting for 60s\n"},
	{OF(", \"state\": \"scanning\", \"state_since_ms\": 1795778645000, \"lag_ms\": null,"
	    " \"durable_ms\": 0, \"scan_bytes\": 1099511627776, \"scanned_bytes\": 109951162778"),
	 {0}, STATUS_WARNING,
	 "WARNING: data: not protected, scanning for 2h, 10% of 1.0 TiB read\n"},

	/* Gaps are news for an hour. */
	{OF(", \"gaps\": 2, \"gap_ms\": 1795785785000"), {0}, STATUS_WARNING,
	 "WARNING: data: a gap since 2026-11-27 13:23:05.000, 2 so far: instants in it cannot be "
	 "had\n"},
	{OF(", \"gaps\": 2, \"gap_ms\": 1795782245000"), {0}, STATUS_WARNING, "a gap since"},
	{OF(", \"gaps\": 2, \"gap_ms\": 1795782244999"), {0}, STATUS_OK, "OK"},

	/* Points. */
	{OF(", \"point_checked_ms\": 1795778345000"), {0}, STATUS_OK, "OK"},
	{OF(", \"point_checked_ms\": 1795778344999"), {0}, STATUS_WARNING,
	 "WARNING: data: no restore point for 2h, expected is one in 2h\n"},
	{OF(", \"point_checked_ms\": 1795778344999"), {.point_age_ms = 86400000}, STATUS_OK, "OK"},
	{OF(", \"point_checked_ms\": 1795785784000"), {.point_age_ms = 60000}, STATUS_WARNING,
	 "no restore point for 61s, expected is one in 60s\n"},
	{OF(", \"point_checked_ms\": 1795700000000, \"points_every_ms\": 0"), {0}, STATUS_OK, "OK"},
	{OF(", \"point_checked_ms\": 0, \"protected_since_ms\": 1795785845000"), {0}, STATUS_OK, "OK"},
	{OF(", \"point_checked_ms\": 0, \"protected_since_ms\": 1795778344999"), {0},
	 STATUS_WARNING, "no restore point for 2h"},

	/* Jobs. */
	{JOB(""), {0}, STATUS_OK, "OK: 0 of 0 volumes protected, 0 devices attached, 1 jobs\n"},
	{JOB(", \"failures\": 2, \"state\": \"failed\""), {0}, STATUS_WARNING,
	 "WARNING: nightly: backup failed 2 times, last succeeded 2h ago: /r: full\n"},
	{JOB(", \"failures\": 3, \"state\": \"running\""), {0}, STATUS_CRITICAL,
	 "CRITICAL: nightly: backup failed 3 times, last succeeded 2h ago: /r: full\n"},
	{JOB(", \"failures\": 1, \"succeeded_ms\": null"), {0}, STATUS_WARNING,
	 "failed 1 times, never succeeded: /r: full\n"},
	{JOB(", \"failures\": 9, \"state\": \"paused\""), {0}, STATUS_OK, "OK"},
	{JOB(", \"state\": \"away\", \"device_state\": \"gone\", \"reason\": \"/dev/vdb: is not there\""),
	 {.point_age_ms = 1000}, STATUS_CRITICAL,
	 "CRITICAL: nightly: no backups are made: /dev/vdb: is not there\n"},
	{JOB(""), {.point_age_ms = 7200000}, STATUS_OK, "OK"},
	{JOB(""), {.point_age_ms = 7199999}, STATUS_WARNING,
	 "WARNING: nightly: no backup for 2h, expected is one in 119min\n"},
	{JOB(", \"does\": \"retention\""), {.point_age_ms = 1000}, STATUS_OK, "OK"},

	/* Devices, whoever protects them. */
	{REPORT("", ATTACHMENT("gone")), {0}, STATUS_CRITICAL,
	 "CRITICAL: data: its device /dev/vdb is gone; detach it"},
	{REPORT("", ATTACHMENT("short")), {0}, STATUS_CRITICAL, "has become shorter"},
	{REPORT("", ATTACHMENT("grown")), {0}, STATUS_WARNING,
	 "WARNING: data: its device /dev/vdb has grown, and the rest is not protected"},

	/* The worst comes first, and counts. */
	{REPORT(VOLUME(", \"gaps\": 2, \"gap_ms\": 1795785785000, \"lag_ms\": 99000"),
		ATTACHMENT("grown")), {0}, STATUS_CRITICAL,
	 "CRITICAL: data: 99s behind, promised are 5s\nWARNING: data: a gap since"},

	/* The clock was set back. */
	{OF(", \"state_since_ms\": 1895785785000, \"point_checked_ms\": 1895785785000"), {0},
	 STATUS_OK, "OK"},
};

static char *judge(const struct outcome *outcome, int *ret_level)
{
	struct json_object *report = json_tokener_parse(outcome->report);
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!report)
		fail_msg("no JSON: %s", outcome->report);
	*ret_level = status_check(report, &outcome->limits, NOW_MS, out);
	fclose(out);
	json_object_put(report);
	return text;
}

static void each_outcome_is_as_expected(void **state)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++) {
		int level;
		char *text = judge(&outcomes[i], &level);

		if (level != (int)outcomes[i].level || !strstr(text, outcomes[i].says))
			fail_msg("%zu: level %d, not %d; \"%s\", not \"%s\"", i, level,
				 outcomes[i].level, text, outcomes[i].says);
		free(text);
	}
}

/* For systems that show the first line alone. */
static void each_line_begins_with_its_level(void **state)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++) {
		static const char *const words[] = {"OK: ", "WARNING: ", "CRITICAL: "};
		int level;
		char *text = judge(&outcomes[i], &level), *rest = NULL;

		assert_int_equal(strncmp(text, words[level], strlen(words[level])), 0);
		for (char *line = strtok_r(text, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest))
			assert_true(strncmp(line, "OK: ", 4) == 0 ||
				    strncmp(line, "WARNING: ", 9) == 0 ||
				    strncmp(line, "CRITICAL: ", 10) == 0);
		free(text);
	}
}

/* ------------------------------------------------------------------------ table */

static void is_shown_by(void (*table)(FILE *out, struct json_object *array, uint64_t now_ms),
			const char *members, const char *expected)
{
	struct json_object *array = json_tokener_parse(members);
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	assert_non_null(array);
	table(out, array, NOW_MS);
	fclose(out);
	json_object_put(array);
	assert_string_equal(text, expected);
	free(text);
}

static void is_shown_as(const char *volumes, const char *expected)
{
	is_shown_by(status_table, volumes, expected);
}

#define HEAD "VOLUME          DEVICE          STATE       SINCE  BEHIND   POINT       DIRTY  RING" \
	     "  STALLS  GAPS\n"

static void a_table_is_read_at_a_glance(void **state)
{
	is_shown_as("[" VOLUME("") "]", HEAD
		    "data            /dev/vdb        streaming   60min      0s   97min    64.0 KiB"
		    "   25%       3     0\n\n");
	is_shown_as("[" VOLUME(", \"state\": \"waiting\", \"protected_since_ms\": 0, \"lag_ms\": 300900,"
			       " \"failing_since_ms\": 1795785545000, \"reason\": \"/r: full\","
			       " \"ring_bytes\": null, \"gaps\": 1") "]", HEAD
		    "data            /dev/vdb        waiting         -    5min   97min    64.0 KiB"
		    "     -       3     1\n"
		    "  data: failing for 5min: /r: full; can be had until 2026-11-27 13:24:04\n\n");
	is_shown_as("[{\"volume\": \"new\", \"device\": \"/d\", \"state\": \"scanning\","
		    " \"state_since_ms\": 1795785840000, \"scan_bytes\": 4096,"
		    " \"scanned_bytes\": 1024, \"lag_ms\": null, \"dirty_bytes\": null,"
		    " \"gaps\": 0, \"stalls\": null}]", HEAD
		    "new             /d              scanning        -       -       -           -"
		    "     -       -     0\n"
		    "  new: scanning for 5s, 25% of 4.0 KiB read\n\n");
	assert_true(strlen(HEAD) <= 100);
}

#define JOB_HEAD "JOB             DOES       STATE        LAST     DUE  FAILURES  SCHEDULE\n"

static void jobs_have_a_table_of_their_own(void **state)
{
	is_shown_by(status_job_table,
		    "[{\"job\": \"nightly\", \"does\": \"backup\", \"state\": \"failed\","
		    " \"reason\": \"/r: full\", \"failures\": 2, \"schedule\": \"02:30\","
		    " \"succeeded_ms\": 1795778645000, \"due_ms\": 1795785965000},"
		    " {\"job\": \"new\", \"does\": \"backup\", \"state\": \"running\","
		    " \"reason\": \"\", \"failures\": 0, \"schedule\": \"1h\"}]", JOB_HEAD
		    "nightly         backup     failed         2h    2min         2  02:30\n"
		    "new             backup     running         -       -         0  1h\n"
		    "  nightly: /r: full\n\n");
	is_shown_by(status_job_table, "[]", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_outcome_is_as_expected),
		cmocka_unit_test(each_line_begins_with_its_level),
		cmocka_unit_test(a_table_is_read_at_a_glance),
		cmocka_unit_test(jobs_have_a_table_of_their_own),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
