// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Sizes as people write them, and as they are shown.
 */
#include "common/size_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

static void sizes_are_parsed(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0}, {"512", 512}, {"512B", 512}, {"64K", 65536}, {"64k", 65536},
		{"64KiB", 65536}, {"1M", 1 << 20}, {"3G", 3ull << 30}, {"2T", 2ull << 40},
		{"1P", 1ull << 50}, {"15E", 15ull << 60}, {"18446744073709551615", UINT64_MAX},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t bytes;

		assert_int_equal(size_text_parse(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].bytes);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const bad[] = {"", "K", "-1", "+1", " 1", "1 ", "1.5K", "1KB2", "1X",
					  "0x10", "1KK", "64 K"};
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(size_text_parse(bad[i], &bytes), -EINVAL);
	assert_int_equal(size_text_parse("18446744073709551616", &bytes), -ERANGE);
	assert_int_equal(size_text_parse("16E", &bytes), -ERANGE);
}

static void sizes_are_shown_with_one_digit(void **state)
{
	char text[SIZE_TEXT_BYTES];

	assert_string_equal(size_text_format(0, text), "0 B");
	assert_string_equal(size_text_format(1023, text), "1023 B");
	assert_string_equal(size_text_format(1536, text), "1.5 KiB");
	assert_string_equal(size_text_format(1048575, text), "1023.9 KiB");
	assert_string_equal(size_text_format(10ull << 40, text), "10.0 TiB");
	assert_string_equal(size_text_format(UINT64_MAX, text), "15.9 EiB");
}

static void exact_sizes_can_be_read_back(void **state)
{
	static const uint64_t sizes[] = {0, 1, 1000, 1024, 65536, 1 << 20, 1025, 3ull << 60};
	char text[SIZE_TEXT_BYTES];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t bytes;

		assert_int_equal(size_text_parse(size_text_exact(sizes[i], text), &bytes), 0);
		assert_true(bytes == sizes[i]);
	}
	assert_string_equal(size_text_exact(65536, text), "64K");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_parsed),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(sizes_are_shown_with_one_digit),
		cmocka_unit_test(exact_sizes_can_be_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
