// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Recurring times, in zones whose clocks jump.
 */
#include "daemon/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* "2026-03-29 03:00:00 +0200" */
static int64_t at(const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%d %H:%M:%S %z", &tm);
	long offset = tm.tm_gmtoff;

	assert_non_null(end);
	assert_int_equal(*end, 0);
	return timegm(&tm) - offset;
}

static int64_t next(const char *expression, int64_t after)
{
	struct calendar calendar;

	assert_int_equal(calendar_parse(expression, &calendar), 0);
	return calendar_next(&calendar, after);
}

struct example {
	const char *expression, *after, *next;
};

static void check(const char *zone, const struct example *examples, size_t nr)
{
	set_zone(zone);
	for (size_t i = 0; i < nr; i++) {
		int64_t found = next(examples[i].expression, at(examples[i].after));

		if (found != at(examples[i].next))
			fail_msg("%s: \"%s\" behind %s is %lld, not %s", zone, examples[i].expression,
				 examples[i].after, (long long)found, examples[i].next);
	}
}

static void times_recur(void **state)
{
	static const struct example examples[] = {
		{"hourly", "2026-11-27 12:00:00 +0000", "2026-11-27 13:00:00 +0000"},
		{"minutely", "2026-12-31 23:59:59 +0000", "2027-01-01 00:00:00 +0000"},
		{"daily", "2026-11-27 12:00:00 +0000", "2026-11-28 00:00:00 +0000"},
		{"weekly", "2026-11-27 12:00:00 +0000", "2026-11-30 00:00:00 +0000"},
		{"monthly", "2026-11-27 12:00:00 +0000", "2026-12-01 00:00:00 +0000"},
		{"quarterly", "2026-11-27 12:00:00 +0000", "2027-01-01 00:00:00 +0000"},
		{"yearly", "2027-01-01 00:00:00 +0000", "2028-01-01 00:00:00 +0000"},
		{"02:30", "2026-11-27 02:29:59 +0000", "2026-11-27 02:30:00 +0000"},
		{"02:30", "2026-11-27 02:30:00 +0000", "2026-11-28 02:30:00 +0000"},
		{"Mon..Fri 02:30", "2026-11-27 03:00:00 +0000", "2026-11-30 02:30:00 +0000"},
		{"Sat..Mon 02:30", "2026-11-27 03:00:00 +0000", "2026-11-28 02:30:00 +0000"},
		{"sunday,Wed *:00/20", "2026-11-27 03:00:00 +0000", "2026-11-29 00:00:00 +0000"},
		{"*:10..40/15:30", "2026-11-27 03:10:30 +0000", "2026-11-27 03:25:30 +0000"},
		{"Sat *-*-1..7 04:00", "2026-11-27 03:00:00 +0000", "2026-12-05 04:00:00 +0000"},
		{"Mon 2-29", "2026-11-27 03:00:00 +0000", "2044-02-29 00:00:00 +0000"},
		{"*-2-30,28 5:5:5", "2026-11-27 03:00:00 +0000", "2027-02-28 05:05:05 +0000"},
	};

	check("UTC", examples, sizeof(examples) / sizeof(examples[0]));
}

static void skipped_times_come_when_the_clock_goes_on(void **state)
{
	static const struct example berlin[] = {
		{"02:30", "2026-03-28 12:00:00 +0100", "2026-03-29 03:00:00 +0200"},
		{"02:30", "2026-03-29 03:00:00 +0200", "2026-03-30 02:30:00 +0200"},
		{"03:00", "2026-03-28 12:00:00 +0100", "2026-03-29 03:00:00 +0200"},
		{"hourly", "2026-03-29 01:00:00 +0100", "2026-03-29 03:00:00 +0200"},
		{"*:00/30", "2026-03-29 01:30:00 +0100", "2026-03-29 03:00:00 +0200"},
		{"*:00/30", "2026-03-29 03:00:00 +0200", "2026-03-29 03:30:00 +0200"},
	};
	/* All of the 30th was skipped. */
	static const struct example apia[] = {
		{"*-12-30 10:00", "2011-12-29 12:00:00 -1000", "2011-12-31 00:00:00 +1400"},
		{"daily", "2011-12-29 12:00:00 -1000", "2011-12-31 00:00:00 +1400"},
	};

	check("Europe/Berlin", berlin, sizeof(berlin) / sizeof(berlin[0]));
	check("Pacific/Apia", apia, sizeof(apia) / sizeof(apia[0]));
}

static void times_that_come_twice_come_once(void **state)
{
	static const struct example berlin[] = {
		{"02:30", "2026-10-24 12:00:00 +0200", "2026-10-25 02:30:00 +0200"},
		{"02:30", "2026-10-25 02:30:00 +0200", "2026-10-26 02:30:00 +0100"},
		{"02:30", "2026-10-25 02:00:00 +0100", "2026-10-26 02:30:00 +0100"},
		{"hourly", "2026-10-25 02:00:00 +0200", "2026-10-25 03:00:00 +0100"},
	};
	static const struct example lord_howe[] = {
		{"01:45", "2026-04-04 12:00:00 +1100", "2026-04-05 01:45:00 +1100"},
		{"01:45", "2026-04-05 01:45:00 +1100", "2026-04-06 01:45:00 +1030"},
		{"02:00", "2026-04-05 01:45:00 +1100", "2026-04-05 02:00:00 +1030"},
	};

	check("Europe/Berlin", berlin, sizeof(berlin) / sizeof(berlin[0]));
	check("Australia/Lord_Howe", lord_howe, sizeof(lord_howe) / sizeof(lord_howe[0]));
}

static bool fits(const struct calendar *calendar, int64_t time_s)
{
	time_t time = time_s;
	struct tm tm;

	localtime_r(&time, &tm);
	return calendar->months >> (tm.tm_mon + 1) & 1 && calendar->days >> tm.tm_mday & 1 &&
	       calendar->weekdays >> tm.tm_wday & 1 && calendar->hours >> tm.tm_hour & 1 &&
	       calendar->minutes >> tm.tm_min & 1 && calendar->seconds >> tm.tm_sec & 1;
}

/* Looked for second by second, where no clock jumps. */
static void the_next_time_is_the_next_one_that_fits(void **state)
{
	static const char *const expressions[] = {
		"*:*:0/7", "Fri,Sat 0/5:3/17:11", "10..12-27..29 *:0/13", "Sun *:59:59", "23:59:59",
		"*-*-28 0:0:0", "22/1:50..55:1,2,3",
	};
	int64_t start = 1795730000;

	set_zone("Asia/Kolkata");
	for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
		struct calendar calendar;
		int64_t due = next(expressions[i], start);

		assert_int_equal(calendar_parse(expressions[i], &calendar), 0);
		for (int64_t now = start + 1; now < start + 3 * 86400; now++) {
			if (fits(&calendar, now) != (now == due))
				fail_msg("%s: %lld", expressions[i], (long long)now);
			if (now == due)
				due = calendar_next(&calendar, now);
		}
	}
}

static void what_is_no_calendar_is_refused(void **state)
{
	static const char *const bad[] = {
		"", " ", "1", "25:00", "12:60", "12:00:60", "-1:00", "12:", ":00", "Mo 12:00", "Mon..",
		"Mon.Fri", "Monday..Friday..Sunday", "2026-11-27 12:00", "*-13-01", "*-*-32", "*-*-0",
		"2-30", "4,6,9-31 12:00", "12:00 Mon", "12:00 12:00", "*:0/0", "9..8:00", "1,:00",
		"daily 02:30", "Hourly", "*", "*-*-* *:*:* *", "12.00", "00012:00", "12:00 +0100",
	};
	char long_text[1000];
	struct calendar calendar = {.days = 42};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (calendar_parse(bad[i], &calendar) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	memset(long_text, '1', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_int_equal(calendar_parse(long_text, &calendar), -EINVAL);
	assert_int_equal(calendar.days, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_recur),
		cmocka_unit_test(skipped_times_come_when_the_clock_goes_on),
		cmocka_unit_test(times_that_come_twice_come_once),
		cmocka_unit_test(the_next_time_is_the_next_one_that_fits),
		cmocka_unit_test(what_is_no_calendar_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
