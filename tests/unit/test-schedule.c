// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * When a job is due: by its slots, what it missed, what failed, and clocks that are set.
 */
#include "daemon/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define NOW  1795800000ll /* a multiple of an hour and more */
#define HOUR 3600

static struct schedule hourly(int64_t late_s)
{
	struct schedule schedule;

	assert_int_equal(schedule_parse("1h", &schedule), 0);
	schedule.late_s = late_s;
	return schedule;
}

static void slots_do_not_move(void **state)
{
	struct schedule schedule = hourly(0);
	struct schedule_past past = {0};
	int64_t slot = NOW - NOW % HOUR;

	schedule_settle(&schedule, &past, slot + 1234);
	assert_int_equal(schedule_due(&schedule, &past, slot + 1300), slot + HOUR);
	assert_int_equal(schedule_due(&schedule, &past, slot + HOUR), slot + HOUR);
	schedule_settle(&schedule, &past, slot + HOUR);
	assert_int_equal(schedule_due(&schedule, &past, slot + HOUR), slot + 2 * HOUR);
}

static void what_has_never_run_is_due_at_once(void **state)
{
	struct schedule schedule = hourly(600);
	struct schedule_past past = {0};

	assert_int_equal(schedule_due(&schedule, &past, NOW), NOW);
}

static void what_was_missed_is_due_once(void **state)
{
	struct schedule schedule = hourly(0);
	struct schedule_past past = {0};
	int64_t slot = NOW - NOW % HOUR, later = slot + 50 * HOUR + 99;

	schedule_settle(&schedule, &past, slot);
	assert_int_equal(schedule_due(&schedule, &past, later), later);
	schedule_settle(&schedule, &past, later);
	assert_int_equal(schedule_due(&schedule, &past, later + 1), slot + 51 * HOUR);
}

static void each_slot_is_late_by_the_same(void **state)
{
	struct schedule schedule = hourly(600);
	struct schedule_past past = {0};
	int64_t slot = NOW - NOW % HOUR;

	schedule_settle(&schedule, &past, slot + 600);
	for (int i = 1; i < 10; i++) {
		assert_int_equal(schedule_due(&schedule, &past, slot + i * HOUR - 900),
				 slot + i * HOUR + 600);
		schedule_settle(&schedule, &past, slot + i * HOUR + 600 + i);
	}
	/* One that ran by itself between a slot and the time for it is not that slot's. */
	schedule_settle(&schedule, &past, slot + 10 * HOUR + 300);
	assert_int_equal(schedule_due(&schedule, &past, slot + 10 * HOUR + 301), slot + 10 * HOUR + 600);
}

static void failures_are_tried_again_less_and_less_often(void **state)
{
	static const int64_t pauses[] = {60, 120, 240, 480, 960, 1800, 1800, 1800};
	struct schedule schedule = hourly(0);
	struct schedule_past past = {0};
	int64_t now = NOW;

	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		schedule_note_failure(&past, now);
		assert_int_equal(schedule_due(&schedule, &past, now), now + pauses[i]);
		now += pauses[i];
	}
	past.failures = 4000000000u;
	assert_int_equal(schedule_due(&schedule, &past, now - 1800), now);
	schedule_settle(&schedule, &past, now);
	assert_int_equal(past.failures, 0);
	assert_int_equal(schedule_due(&schedule, &past, now), now - now % HOUR + HOUR);
}

static void a_clock_that_was_set_back_is_believed(void **state)
{
	struct schedule schedule = hourly(0);
	struct schedule_past past = {0};
	int64_t now = NOW - 1000000;

	schedule_settle(&schedule, &past, NOW);
	assert_int_equal(schedule_due(&schedule, &past, now), now - now % HOUR + HOUR);
	schedule_note_failure(&past, NOW);
	assert_int_equal(schedule_due(&schedule, &past, now), now + 60);
}

static void calendars_have_slots_as_well(void **state)
{
	struct schedule schedule;
	struct schedule_past past = {0};

	setenv("TZ", "UTC", 1);
	tzset();
	assert_int_equal(schedule_parse("02:30", &schedule), 0);
	schedule_settle(&schedule, &past, 100 * 86400);
	assert_int_equal(schedule_due(&schedule, &past, 100 * 86400), 100 * 86400 + 9000);
	assert_int_equal(schedule_due(&schedule, &past, 101 * 86400), 101 * 86400);
}

static void jitter_is_drawn_from_the_name(void **state)
{
	struct schedule a = hourly(0), b = hourly(0), c = hourly(0);
	int64_t largest = 0;

	schedule_spread(&a, 600, "data");
	schedule_spread(&b, 600, "data");
	schedule_spread(&c, 0, "data");
	assert_int_equal(a.late_s, b.late_s);
	assert_int_equal(c.late_s, 0);
	for (int i = 0; i < 100; i++) {
		char name[] = {'v', (char)('a' + i % 10), (char)('a' + i / 10), 0};

		schedule_spread(&c, 600, name);
		assert_in_range(c.late_s, 0, 599);
		largest = c.late_s > largest ? c.late_s : largest;
	}
	assert_true(largest > 400);
}

static void what_is_no_schedule_is_refused(void **state)
{
	static const char *const bad[] = {"", "0", "59s", "1", "now", "999y", "2-30", "-1h", "11y"};
	struct schedule schedule = {.late_s = 42};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (schedule_parse(bad[i], &schedule) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_int_equal(schedule.late_s, 42);
	assert_int_equal(schedule_parse("10y", &schedule), 0);
	assert_int_equal(schedule_parse("1min", &schedule), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_do_not_move),
		cmocka_unit_test(what_has_never_run_is_due_at_once),
		cmocka_unit_test(what_was_missed_is_due_once),
		cmocka_unit_test(each_slot_is_late_by_the_same),
		cmocka_unit_test(failures_are_tried_again_less_and_less_often),
		cmocka_unit_test(a_clock_that_was_set_back_is_believed),
		cmocka_unit_test(calendars_have_slots_as_well),
		cmocka_unit_test(jitter_is_drawn_from_the_name),
		cmocka_unit_test(what_is_no_schedule_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
