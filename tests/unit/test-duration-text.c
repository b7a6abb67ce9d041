// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Spans of time as people write them.
 */
#include "common/duration_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#define HOUR 3600000000000ull

static void durations_are_parsed(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"5s", 5000000000}, {"30min", HOUR / 2}, {"0", 0}, {"0h", 0}, {"00", 0}, {"1h", HOUR}, {"36h", 36 * HOUR},
		{"7d", 168 * HOUR}, {"4w", 672 * HOUR}, {"6m", 6 * 31 * 24 * HOUR},
		{"2y", 2 * 366 * 24 * HOUR}, {"5124095h", 5124095 * HOUR},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t ns;

		assert_int_equal(duration_text_parse(good[i].text, &ns), 0);
		assert_true(ns == good[i].ns);
	}
}

static void what_is_no_duration_is_refused(void **state)
{
	static const char *const bad[] = {"", "h", "1", "24", "-1d", "+1d", " 1d", "1d ", "1.5d",
					  "1D", "1sec", "1mi", "1ms", "1d2h", "1 d", "0x1d", "all"};
	uint64_t ns = 42;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(duration_text_parse(bad[i], &ns), -EINVAL);
	assert_int_equal(duration_text_parse("5124096h", &ns), -ERANGE);
	assert_int_equal(duration_text_parse("584y", &ns), -ERANGE);
	assert_int_equal(duration_text_parse("18446744073709551616h", &ns), -ERANGE);
	assert_int_equal(ns, 42);
}

static void a_span_is_told_in_one_unit(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0s"}, {999999999, "0s"}, {1000000000, "1s"}, {119999999999, "119s"},
		{120000000000, "2min"}, {2 * HOUR - 1, "119min"}, {2 * HOUR, "2h"},
		{48 * HOUR - 1, "47h"}, {48 * HOUR, "2d"}, {1000 * HOUR, "41d"},
		{UINT64_MAX, "213503d"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[DURATION_TEXT_BYTES];

		assert_string_equal(duration_text_format(cases[i].ns, text), cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_parsed),
		cmocka_unit_test(what_is_no_duration_is_refused),
		cmocka_unit_test(a_span_is_told_in_one_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
