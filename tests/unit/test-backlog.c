// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * How old the oldest record is that is not durable.
 */
#include "agent/backlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MS 1000000ull

static void add(struct backlog *backlog, uint64_t first_ns, uint64_t last_seq)
{
	backlog_open(backlog, first_ns);
	backlog_close(backlog, last_seq);
}

static void nothing_waits_at_first_and_at_the_end(void **state)
{
	struct backlog backlog = {0};

	assert_int_equal(backlog_oldest_ns(&backlog), 0);
	add(&backlog, 1000 * MS, 5);
	assert_int_equal(backlog_oldest_ns(&backlog), 1000 * MS);
	backlog_drop(&backlog, 4);
	assert_int_equal(backlog_oldest_ns(&backlog), 1000 * MS);
	backlog_drop(&backlog, 5);
	assert_int_equal(backlog_oldest_ns(&backlog), 0);
	backlog_drop(&backlog, 9);
	assert_int_equal(backlog_oldest_ns(&backlog), 0);
}

static void what_becomes_durable_leaves_what_came_later(void **state)
{
	struct backlog backlog = {0};

	add(&backlog, 1000 * MS, 5);
	add(&backlog, 2000 * MS, 7);
	add(&backlog, 3000 * MS, 9);
	backlog_drop(&backlog, 6);
	assert_int_equal(backlog_oldest_ns(&backlog), 2000 * MS);
	backlog_drop(&backlog, 8);
	assert_int_equal(backlog_oldest_ns(&backlog), 3000 * MS);
}

static void what_the_journal_still_takes_is_not_durable(void **state)
{
	struct backlog backlog = {0};

	add(&backlog, 1000 * MS, 5);
	backlog_open(&backlog, 2000 * MS);
	backlog_drop(&backlog, 5);
	assert_int_equal(backlog_oldest_ns(&backlog), 2000 * MS);
	backlog_drop(&backlog, 1000);
	assert_int_equal(backlog_oldest_ns(&backlog), 2000 * MS);
}

static void what_comes_at_once_is_as_old_as_the_first_of_it(void **state)
{
	struct backlog backlog = {0};

	for (unsigned int i = 0; i < 10; i++)
		add(&backlog, (1000 + i) * MS, 5 + i);
	assert_int_equal(backlog.nr, 1);
	backlog_drop(&backlog, 13);
	assert_int_equal(backlog_oldest_ns(&backlog), 1000 * MS);
	backlog_drop(&backlog, 14);
	assert_int_equal(backlog_oldest_ns(&backlog), 0);
}

static void more_than_it_has_room_for_is_never_too_young(void **state)
{
	struct backlog backlog = {0};

	for (unsigned int i = 0; i < 2 * BACKLOG_PARTS; i++)
		add(&backlog, (1000 + 100 * i) * MS, i);
	for (unsigned int i = 0; i < 2 * BACKLOG_PARTS - 1; i++) {
		backlog_drop(&backlog, i);
		assert_in_range(backlog_oldest_ns(&backlog), 1, (1000 + 100 * (i + 1)) * MS);
	}
	backlog_drop(&backlog, 2 * BACKLOG_PARTS - 1);
	assert_int_equal(backlog_oldest_ns(&backlog), 0);
}

static void a_clock_that_is_set_back_makes_nothing_younger(void **state)
{
	struct backlog backlog = {0};

	add(&backlog, 5000 * MS, 5);
	add(&backlog, 1000 * MS, 6);
	assert_int_equal(backlog_oldest_ns(&backlog), 5000 * MS);
	backlog_drop(&backlog, 5);
	assert_int_equal(backlog_oldest_ns(&backlog), 1000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_waits_at_first_and_at_the_end),
		cmocka_unit_test(what_becomes_durable_leaves_what_came_later),
		cmocka_unit_test(what_the_journal_still_takes_is_not_durable),
		cmocka_unit_test(what_comes_at_once_is_as_old_as_the_first_of_it),
		cmocka_unit_test(more_than_it_has_room_for_is_never_too_young),
		cmocka_unit_test(a_clock_that_is_set_back_makes_nothing_younger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
