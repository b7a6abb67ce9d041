// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Whatever a program prints becomes lines that harm no terminal and no log.
 */
#include "common/line_split.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

struct lines {
	struct line_split split;
	char text[8192]; /* each with a newline */
};

static void add(void *context, const char *text)
{
	struct lines *lines = context;
	size_t used = strlen(lines->text);

	snprintf(lines->text + used, sizeof(lines->text) - used, "%s\n", text);
}

static void start(struct lines *lines, uint64_t nr_max)
{
	*lines = (struct lines){.split = {.line = add, .context = lines, .nr_max = nr_max}};
}

static void assert_lines(const char *input, const char *wanted)
{
	size_t bytes = strlen(input);

	/* In one piece, and cut in two anywhere. */
	for (size_t at = 0; at < bytes; at++) {
		struct lines lines;

		start(&lines, 100);
		line_split_put(&lines.split, input, at);
		line_split_put(&lines.split, input + at, bytes - at);
		line_split_end(&lines.split);
		assert_string_equal(lines.text, wanted);
	}
}

static void lines_come_one_by_one(void **state)
{
	assert_lines("one\ntwo\n", "one\ntwo\n");
	assert_lines("one\r\n\n  \n\ttwo", "one\n two\n");
	assert_lines("10%\r20%\r\n", "10%\n20%\n");
}

static void text_stays_as_it_is(void **state)
{
	assert_lines("gr\u00fc\u00dfe \u2014 \U0001f427 ~\n", "gr\u00fc\u00dfe \u2014 \U0001f427 ~\n");
}

static void what_is_no_text_is_shown_as_such(void **state)
{
	assert_lines("\033[2Ja\x07""b\x7f\n", "?[2Ja?b?\n");
	assert_lines("\xc2\x9b""31m\n", "??31m\n");             /* a control character, in UTF-8 */
	assert_lines("\x9b""31m \xff\xfe\n", "?31m ??\n");    /* and alone */
	assert_lines("\xc0\x8a \xe0\x80\x8a\n", "?? ???\n");  /* a newline, too long */
	assert_lines("\xed\xa0\x80 \xf4\x90\x80\x80\n", "??? ????\n");
	assert_lines("a\xe2\x82\nb\n", "a??\nb\n");           /* cut off */
}

static void a_zero_byte_ends_nothing(void **state)
{
	struct lines lines;

	start(&lines, 100);
	line_split_put(&lines.split, "a\0b\n", 4);
	assert_string_equal(lines.text, "a?b\n");
}

static void a_line_without_end_is_bounded(void **state)
{
	struct lines lines;
	char wanted[LINE_SPLIT_BYTES + 8];

	start(&lines, 100);
	for (int i = 0; i < 1000000; i++)
		line_split_put(&lines.split, "\xff", 1);
	assert_string_equal(lines.text, "");
	line_split_put(&lines.split, "\nnext\n", 6);
	memset(wanted, '?', LINE_SPLIT_BYTES);
	strcpy(wanted + LINE_SPLIT_BYTES, "...\n");
	assert_memory_equal(lines.text, wanted, strlen(wanted));
	assert_string_equal(lines.text + strlen(wanted), "next\n");
}

static void too_many_lines_are_counted(void **state)
{
	struct lines lines;

	start(&lines, 2);
	line_split_put(&lines.split, "1\n2\n3\n4", 7);
	line_split_end(&lines.split);
	assert_string_equal(lines.text, "1\n2\n");
	assert_int_equal(lines.split.nr_lines, 4);
	assert_string_equal(lines.split.latest, "4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_one_by_one),
		cmocka_unit_test(text_stays_as_it_is),
		cmocka_unit_test(what_is_no_text_is_shown_as_such),
		cmocka_unit_test(a_zero_byte_ends_nothing),
		cmocka_unit_test(a_line_without_end_is_bounded),
		cmocka_unit_test(too_many_lines_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
