// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The target's table and status lines, of this module and of newer ones.
 */
#include "agent/attachment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define BASE "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void a_table_names_the_live_device(void **state)
{
	struct attachment attachment = {0};

	assert_int_equal(
		attachment_parse_table(&attachment, "track 254:16 2048 2 chunk_sectors 128"), 0);
	assert_string_equal(attachment.mode, "track");
	assert_true(attachment.live == makedev(254, 16));
	assert_int_equal(attachment.start_sector, 2048);
}

static void a_status_line_is_understood(void **state)
{
	struct attachment attachment = {0};

	assert_int_equal(attachment_parse_status(&attachment,
						 "track active 128 17/8192 42 base " BASE
						 " preserved 5 held 1 lost 2 agent yes stalls 7"
						 " device grown"), 0);
	assert_string_equal(attachment.cut, "active");
	assert_int_equal(attachment.chunk_sectors, 128);
	assert_int_equal(attachment.dirty_chunks, 17);
	assert_int_equal(attachment.nr_chunks, 8192);
	assert_int_equal(attachment.epoch, 42);
	assert_true(attachment.has_base);
	assert_int_equal(attachment.base[1], 0x11);
	assert_int_equal(attachment.base[31], 0xff);
	assert_int_equal(attachment.preserved, 5);
	assert_int_equal(attachment.held, 1);
	assert_int_equal(attachment.lost, 2);
	assert_true(attachment.counts_stalls);
	assert_int_equal(attachment.stalls, 7);
	assert_true(attachment.agent);
	assert_string_equal(attachment.device_state, "grown");
}

static void no_base_is_a_dash(void **state)
{
	struct attachment attachment = {0};

	assert_int_equal(attachment_parse_status(&attachment, "track none 8 1/1 1 base - agent no"),
			 0);
	assert_false(attachment.has_base);
	assert_false(attachment.agent);
	assert_false(attachment.counts_stalls);
}

static void keys_of_newer_modules_are_skipped(void **state)
{
	struct attachment attachment = {0};

	assert_int_equal(
		attachment_parse_status(&attachment, "track none 8 1/1 1 colour red lost 3"), 0);
	assert_int_equal(attachment.lost, 3);
}

static void other_lines_are_refused(void **state)
{
	static const char *const bad_status[] = {
		"", "track", "track none 8 1/1", "track none x 1/1 1", "track none 8 1 1",
		"track none 8 1/ 1", "track none 8 -1/1 1", "track none 8 1/1 1 base",
		"track none 8 1/1 1 base 12", "track none 8 1/1 1 lost x",
		"track none 8 99999999999999999999/1 1",
		"a-mode-that-is-much-too-long none 8 1/1 1",
	};
	static const char *const bad_tables[] = {"",
						 "track",
						 "track 8:0",
						 "track 8 0",
						 "track 8:0x 0",
						 "track 8:0 -1",
						 "track /nonexistent 0"};
	struct attachment attachment = {0};

	for (size_t i = 0; i < sizeof(bad_status) / sizeof(bad_status[0]); i++)
		assert_int_equal(attachment_parse_status(&attachment, bad_status[i]), -EPROTO);
	for (size_t i = 0; i < sizeof(bad_tables) / sizeof(bad_tables[0]); i++)
		assert_int_equal(attachment_parse_table(&attachment, bad_tables[i]), -EPROTO);
}

static void mutated_lines_do_no_harm(void **state)
{
	static const char line[] =
		"track active 128 17/8192 42 base " BASE " preserved 5 agent yes";
	char copy[sizeof(line)];

	srandom(2);
	for (unsigned int round = 0; round < 20000; round++) {
		struct attachment attachment = {0};

		memcpy(copy, line, sizeof(line));
		for (int i = 0; i < 3; i++)
			copy[(size_t)random() % (sizeof(line) - 1)] = (char)(random() % 128);
		attachment_parse_status(&attachment, copy);
		attachment_parse_table(&attachment, copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_names_the_live_device),
		cmocka_unit_test(a_status_line_is_understood),
		cmocka_unit_test(no_base_is_a_dash),
		cmocka_unit_test(keys_of_newer_modules_are_skipped),
		cmocka_unit_test(other_lines_are_refused),
		cmocka_unit_test(mutated_lines_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
