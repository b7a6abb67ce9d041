// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Instants as people write them, in a zone that is an hour ahead of UTC in winter and two
 * in summer.
 */
#include "common/time_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000000ull
#define NOW    (1795788245 * SECOND + 5) /* 2026-11-27 15:04:05 there */

static int use_zone(void **state)
{
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return 0;
}

static void times_are_parsed(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"2026-11-27 15:04:05", 1795788245 * SECOND},
		{"2026-11-27T15:04:05", 1795788245 * SECOND},
		{"2026-11-27 15:04", 1795788240 * SECOND},
		{"2026-11-27 15:04:05.25", 1795788245 * SECOND + SECOND / 4},
		{"2026-11-27 15:04:05.123456789123", 1795788245 * SECOND + 123456789},
		{"2026-07-01 12:00", 1782900000 * SECOND},
		{"15:04", 1795788240 * SECOND},
		{"15:04:06.5", 1795788246 * SECOND + SECOND / 2},
		{"00:00", 1795734000 * SECOND},
		{"1970-01-01 01:00", 0},
		{"@0", 0},
		{"@1795788245", 1795788245 * SECOND},
		{"@1795788245.001", 1795788245 * SECOND + 1000000},
		{"-0s", NOW},
		{"-30s", NOW - 30 * SECOND},
		{"-5min", NOW - 300 * SECOND},
		{"-2h", NOW - 7200 * SECOND},
		{"-1d", NOW - 86400 * SECOND},
		{"-1w", NOW - 7 * 86400 * SECOND},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t ns = 1;

		if (time_text_parse(good[i].text, NOW, &ns) || ns != good[i].ns)
			fail_msg("\"%s\": %llu", good[i].text, (unsigned long long)ns);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "now", "15", "15:4", "24:00", "15:60", "15:04:60", "15:04:05.", "15:04.5",
		"2026-11-27", "2026-11-27 ", "2026-11-31 10:00", "2026-02-29 10:00",
		"2026-13-01 10:00", "26-11-27 10:00", "2026-11-27  10:00", " 15:04", "15:04 ",
		"@", "@-1", "@1 ", "@1.", "-", "-5", "-5m", "-5 min", "-min", "--5s", "+5s",
		"-5mins", "-1.5h",
	};
	uint64_t ns = 42;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (time_text_parse(bad[i], NOW, &ns) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_int_equal(time_text_parse("1970-01-01 00:59", NOW, &ns), -ERANGE);
	assert_int_equal(time_text_parse("9999-01-01 00:00", NOW, &ns), -ERANGE);
	assert_int_equal(time_text_parse("@18446744074", NOW, &ns), -ERANGE);
	assert_int_equal(time_text_parse("@99999999999999999999999", NOW, &ns), -ERANGE);
	assert_int_equal(time_text_parse("-99999d", NOW, &ns), -ERANGE);
	assert_int_equal(time_text_parse("-99999999999999999999999s", NOW, &ns), -ERANGE);
	assert_int_equal(ns, 42);
}

/* Of 02:30, which comes twice, one of the two; 02:30 in March never comes. */
static void the_clock_may_be_turned(void **state)
{
	uint64_t ns;

	assert_int_equal(time_text_parse("2026-10-25 02:30", NOW, &ns), 0);
	assert_true(ns == 1792888200 * SECOND || ns == 1792891800 * SECOND);
	assert_int_equal(time_text_parse("2026-03-29 02:30", NOW, &ns), 0);
	assert_true(ns == 1774747800 * SECOND || ns == 1774744200 * SECOND);
}

static void a_time_is_read_back(void **state)
{
	char text[TIME_TEXT_BYTES];
	uint64_t ns;

	assert_string_equal(time_text_format(NOW + 250 * 1000000, text), "2026-11-27 15:04:05.250");
	assert_int_equal(time_text_parse(text, 0, &ns), 0);
	assert_true(ns == 1795788245 * SECOND + SECOND / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_parsed),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(the_clock_may_be_turned),
		cmocka_unit_test(a_time_is_read_back),
	};

	return cmocka_run_group_tests(tests, use_zone, NULL);
}
