// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Zero detection, hex digits, byte order: each at its edges.
 */
#include "common/bytes.h"
#include "common/hex.h"
#include "common/zero.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

static void one_byte_anywhere_is_not_zero(void **state)
{
	for (size_t bytes = 0; bytes < 200; bytes++) {
		uint8_t *data = calloc(1, bytes + 1);

		data[bytes] = 1; /* just behind the end */
		assert_true(is_zero(data, bytes));
		for (size_t i = 0; i < bytes; i++) {
			data[i] = 0x80;
			assert_false(is_zero(data, bytes));
			data[i] = 0;
		}
		free(data);
	}
}

static void hex_there_and_back(void **state)
{
	uint8_t data[256], back[256];
	char text[513];

	for (int i = 0; i < 256; i++)
		data[i] = (uint8_t)i;
	hex_format(data, sizeof(data), text);
	assert_memory_equal(text, "000102", 6);
	assert_string_equal(text + 506, "fdfeff");
	assert_true(hex_parse(text, back, sizeof(back)));
	assert_memory_equal(data, back, sizeof(data));
}

static void what_is_no_hex_is_refused(void **state)
{
	static const char *const texts[] = { "", "0", "000", "00000", "0g00", "00A0", "00 0", "000\xff" };
	uint8_t data[2];

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_false(hex_parse(texts[i], data, sizeof(data)));
	assert_true(hex_parse("00a0", data, sizeof(data)));
}

static void integers_are_little_endian(void **state)
{
	le16_t a = put_le16(0x1234);
	le32_t b = put_le32(0x12345678);
	le64_t c = put_le64(0x123456789abcdef0);

	assert_memory_equal(&a, "\x34\x12", 2);
	assert_memory_equal(&b, "\x78\x56\x34\x12", 4);
	assert_memory_equal(&c, "\xf0\xde\xbc\x9a\x78\x56\x34\x12", 8);
	assert_int_equal(get_le16(a), 0x1234);
	assert_int_equal(get_le32(b), 0x12345678);
	assert_int_equal(get_le64(c), 0x123456789abcdef0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_byte_anywhere_is_not_zero),
		cmocka_unit_test(hex_there_and_back),
		cmocka_unit_test(what_is_no_hex_is_refused),
		cmocka_unit_test(integers_are_little_endian),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
