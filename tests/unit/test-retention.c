// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which points rules keep: each rule by itself, and all of them against a slow model.
 * What is kept is shown as a string with a place for each point, the oldest first.
 */
#include "tidemark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND  1000000000ull
#define MINUTE  (60 * SECOND)
#define HOUR    (60 * MINUTE)
#define DAY     (24 * HOUR)
#define BERLIN  "CET-1CEST,M3.5.0,M10.5.0/3"
#define NR_MAX  128u
#define ANY     UINT32_MAX /* of the reasons */
#define A_RULE  (TMC_KEEP_GROUP - 1u)

struct set {
	struct tmc_point points[NR_MAX];
	struct tmc_note notes[NR_MAX];
	uint32_t reasons[NR_MAX];
	size_t nr, nr_notes;
	uint64_t now_ns;
	char text[NR_MAX + 1];
};

static void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct set));
	use_zone(BERLIN);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	unsetenv("TZ");
	tzset();
	return 0;
}

static uint64_t utc(int year, int month, int day, int hour, int minute)
{
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
			 .tm_hour = hour, .tm_min = minute };

	return (uint64_t)timegm(&tm) * SECOND;
}

/* Of the zone in use. */
static uint64_t local(int year, int month, int day, int hour, int minute)
{
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
			 .tm_hour = hour, .tm_min = minute, .tm_isdst = -1 };

	return (uint64_t)mktime(&tm) * SECOND;
}

/* The latest of its set, which is also now. */
static struct tmc_point *add(struct set *set, const char *volume, uint64_t cut_time_ns)
{
	struct tmc_point *point = &set->points[set->nr];

	assert_true(set->nr < NR_MAX);
	assert_true(!set->nr || point[-1].cut_time_ns <= cut_time_ns);
	memset(point, 0, sizeof(*point));
	point->id.bytes[0] = (uint8_t)set->nr++;
	point->cut_time_ns = cut_time_ns;
	snprintf(point->volume.volume_id, sizeof(point->volume.volume_id), "%s", volume);
	set->now_ns = cut_time_ns;
	return point;
}

/* By point, as tmc_note_list sorts them: so of a later point each time. */
static void tag(struct set *set, const struct tmc_point *point, const char *text)
{
	struct tmc_note *note = &set->notes[set->nr_notes++];

	memset(note, 0, sizeof(*note));
	note->point = point->id;
	note->nr_tags = 2;
	strcpy(note->tags[0], "some");
	snprintf(note->tags[1], sizeof(note->tags[1]), "%s", text);
}

static void apply(struct set *set, const struct tmc_retention *rules)
{
	memset(set->reasons, 0xee, sizeof(set->reasons));
	assert_int_equal(tmc_retention_apply(rules, set->points, set->nr, set->notes,
					     set->nr_notes, set->now_ns, set->reasons), 0);
}

/* Which points have one of the reasons. */
static const char *kept(struct set *set, uint32_t reasons)
{
	for (size_t i = 0; i < set->nr; i++)
		set->text[i] = set->reasons[i] & reasons ? 'x' : '.';
	set->text[set->nr] = '\0';
	return set->text;
}

#define RULES(...) (&(const struct tmc_retention){ __VA_ARGS__ })

static void without_a_rule_nothing_is_decided(void **state)
{
	struct set *set = *state;

	add(set, "a", utc(2026, 1, 1, 0, 0));
	set->reasons[0] = 42;
	assert_int_equal(tmc_retention_apply(RULES(0), set->points, 1, NULL, 0, set->now_ns,
					     set->reasons), -EINVAL);
	assert_int_equal(set->reasons[0], 42);
	assert_non_null(strstr(tmc_error_text(), "no rule"));
	assert_int_equal(tmc_retention_apply(RULES(.last = 1), NULL, 0, NULL, 0, 0, NULL), 0);
}

static void last_keeps_the_newest_by_number(void **state)
{
	struct set *set = *state;

	for (uint64_t i = 0; i < 6; i++)
		add(set, "a", utc(2026, 1, 1, 0, 0) + i / 2); /* pairs of one time */
	apply(set, RULES(.last = 3));
	assert_string_equal(kept(set, TMC_KEEP_LAST), "...xxx");
	assert_string_equal(kept(set, ANY), "...xxx");
	apply(set, RULES(.last = 6));
	assert_string_equal(kept(set, TMC_KEEP_LAST), "xxxxxx");
	apply(set, RULES(.last = UINT32_MAX));
	assert_string_equal(kept(set, TMC_KEEP_LAST), "xxxxxx");
}

static void the_latest_of_each_hour_is_kept(void **state)
{
	struct set *set = *state;

	add(set, "a", local(2026, 1, 1, 7, 59));
	add(set, "a", local(2026, 1, 1, 8, 0));
	add(set, "a", local(2026, 1, 1, 8, 59));
	add(set, "a", local(2026, 1, 1, 13, 0)); /* hours without a point do not count */
	add(set, "a", local(2026, 1, 2, 13, 30)); /* the same hour of another day */
	add(set, "a", local(2026, 1, 2, 13, 59));
	apply(set, RULES(.hourly = 3));
	assert_string_equal(kept(set, TMC_KEEP_HOURLY), "..xx.x");
	assert_string_equal(kept(set, ANY), "..xx.x");
	apply(set, RULES(.hourly = UINT32_MAX));
	assert_string_equal(kept(set, ANY), "x.xx.x");
}

static void the_latest_of_each_day_is_kept(void **state)
{
	struct set *set = *state;

	add(set, "a", local(2026, 1, 1, 12, 0));
	add(set, "a", local(2026, 5, 1, 23, 59)); /* still the day before in UTC */
	add(set, "a", local(2026, 5, 2, 0, 0));
	add(set, "a", local(2026, 5, 2, 23, 59));
	add(set, "a", local(2026, 5, 3, 0, 30)); /* the day of the one before in UTC */
	apply(set, RULES(.daily = 3));
	assert_string_equal(kept(set, TMC_KEEP_DAILY), ".x.xx");
	assert_string_equal(kept(set, ANY), ".x.xx");
}

static void the_latest_of_each_month_and_year_is_kept(void **state)
{
	struct set *set = *state;

	add(set, "a", local(2022, 12, 31, 12, 0));
	add(set, "a", local(2023, 12, 31, 23, 59)); /* the same month of another year */
	add(set, "a", local(2024, 1, 1, 0, 0));
	add(set, "a", local(2024, 12, 1, 0, 0));
	add(set, "a", local(2024, 12, 31, 23, 59)); /* day 366 */
	add(set, "a", local(2025, 1, 1, 0, 0));
	add(set, "a", local(2025, 1, 31, 23, 59));
	add(set, "a", local(2025, 2, 1, 0, 0));
	apply(set, RULES(.monthly = 4));
	assert_string_equal(kept(set, TMC_KEEP_MONTHLY), "..x.x.xx");
	apply(set, RULES(.monthly = UINT32_MAX));
	assert_string_equal(kept(set, TMC_KEEP_MONTHLY), "xxx.x.xx");
	apply(set, RULES(.yearly = 2));
	assert_string_equal(kept(set, TMC_KEEP_YEARLY), "....x..x");
	assert_string_equal(kept(set, ANY), "....x..x");
	apply(set, RULES(.yearly = 3));
	assert_string_equal(kept(set, TMC_KEEP_YEARLY), ".x..x..x");
}

static void a_week_begins_on_monday_across_the_turn_of_the_year(void **state)
{
	struct set *set = *state;

	add(set, "a", local(2026, 12, 27, 23, 59)); /* Sunday of week 52 */
	add(set, "a", local(2026, 12, 28, 0, 0));   /* Monday of week 53 */
	add(set, "a", local(2026, 12, 31, 12, 0));
	add(set, "a", local(2027, 1, 1, 12, 0));
	add(set, "a", local(2027, 1, 3, 23, 59)); /* Sunday of week 53 */
	add(set, "a", local(2027, 1, 4, 0, 0));   /* Monday of week 1 */
	apply(set, RULES(.weekly = 9));
	assert_string_equal(kept(set, TMC_KEEP_WEEKLY), "x...xx");
	assert_string_equal(kept(set, ANY), "x...xx");
	apply(set, RULES(.weekly = 2));
	assert_string_equal(kept(set, TMC_KEEP_WEEKLY), "....xx");
}

static void a_leap_day_is_a_day_of_february(void **state)
{
	struct set *set = *state;

	add(set, "a", local(2028, 2, 28, 23, 0));
	add(set, "a", local(2028, 2, 29, 1, 0));
	add(set, "a", local(2028, 2, 29, 23, 0));
	add(set, "a", local(2028, 3, 1, 1, 0));
	apply(set, RULES(.daily = 9));
	assert_string_equal(kept(set, ANY), "x.xx");
	apply(set, RULES(.monthly = 9));
	assert_string_equal(kept(set, ANY), "..xx");
}

static void an_hour_that_comes_twice_is_two_hours_of_one_day(void **state)
{
	struct set *set = *state;

	add(set, "a", utc(2026, 10, 24, 22, 10)); /* 00:10 of a day of 25 hours */
	add(set, "a", utc(2026, 10, 25, 0, 10));  /* 02:10 summer time */
	add(set, "a", utc(2026, 10, 25, 0, 50));  /* 02:50 */
	add(set, "a", utc(2026, 10, 25, 1, 10));  /* 02:10 again */
	add(set, "a", utc(2026, 10, 25, 1, 50));
	add(set, "a", utc(2026, 10, 25, 2, 10)); /* 03:10 */
	add(set, "a", utc(2026, 10, 25, 22, 50)); /* 23:50 */
	add(set, "a", utc(2026, 10, 25, 23, 0));  /* 00:00 of the next */
	apply(set, RULES(.hourly = 99));
	assert_string_equal(kept(set, ANY), "x.x.xxxx");
	apply(set, RULES(.daily = 99));
	assert_string_equal(kept(set, ANY), "......xx");
}

static void an_hour_that_is_left_out_is_no_hour(void **state)
{
	struct set *set = *state;

	add(set, "a", utc(2026, 3, 28, 23, 0));  /* 00:00 of a day of 23 hours */
	add(set, "a", utc(2026, 3, 29, 0, 10)); /* 01:10 */
	add(set, "a", utc(2026, 3, 29, 0, 59));
	add(set, "a", utc(2026, 3, 29, 1, 0)); /* 03:00 */
	add(set, "a", utc(2026, 3, 29, 21, 59)); /* 23:59 */
	add(set, "a", utc(2026, 3, 29, 22, 0));
	apply(set, RULES(.hourly = 5));
	assert_string_equal(kept(set, ANY), "x.xxxx");
	apply(set, RULES(.daily = 5));
	assert_string_equal(kept(set, ANY), "....xx");
}

static void hours_are_those_of_a_zone_that_is_half_an_hour_off(void **state)
{
	struct set *set = *state;

	use_zone("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"); /* Lord Howe Island */
	add(set, "a", utc(2026, 4, 4, 14, 29)); /* 01:29 */
	add(set, "a", utc(2026, 4, 4, 14, 59)); /* 01:59, and back to 01:30 */
	add(set, "a", utc(2026, 4, 4, 15, 10)); /* 01:40 */
	add(set, "a", utc(2026, 4, 4, 15, 29)); /* 01:59 */
	add(set, "a", utc(2026, 4, 4, 15, 30)); /* 02:00 */
	add(set, "a", utc(2026, 4, 4, 16, 29));
	apply(set, RULES(.hourly = 99));
	assert_string_equal(kept(set, ANY), ".x.x.x");
}

static void within_counts_from_the_newest_and_not_from_now(void **state)
{
	struct set *set = *state;
	uint64_t newest = utc(2026, 1, 31, 12, 0);

	add(set, "a", newest - 7 * DAY - 1);
	add(set, "a", newest - 7 * DAY);
	add(set, "a", newest - DAY);
	add(set, "a", newest);
	set->now_ns = newest + 366 * DAY; /* nobody has backed it up since */
	apply(set, RULES(.within_ns = 7 * DAY));
	assert_string_equal(kept(set, TMC_KEEP_WITHIN), ".xxx");
	assert_string_equal(kept(set, ANY), ".xxx");
	apply(set, RULES(.within_ns = UINT64_MAX));
	assert_string_equal(kept(set, ANY), "xxxx");
}

static void the_newest_stays_whatever_the_rules_say(void **state)
{
	struct set *set = *state;
	static const char *const tags[] = { "none-has-it" };

	add(set, "a", utc(2020, 1, 1, 0, 0));
	add(set, "a", utc(2020, 1, 2, 0, 0));
	set->now_ns = utc(2026, 1, 1, 0, 0);
	apply(set, RULES(.tags = tags, .nr_tags = 1));
	assert_string_equal(kept(set, TMC_KEEP_NEWEST), ".x");
	assert_int_equal(set->reasons[1], TMC_KEEP_NEWEST);
	assert_int_equal(set->reasons[0], 0);
}

static void a_point_with_one_of_the_tags_stays(void **state)
{
	struct set *set = *state;
	static const char *const tags[] = { "release", "audit" };

	for (uint64_t i = 0; i < 5; i++)
		add(set, "a", utc(2026, 1, 1, 0, 0) + i * DAY);
	tag(set, &set->points[0], "release");
	tag(set, &set->points[1], "releases");
	tag(set, &set->points[3], "audit");
	apply(set, RULES(.tags = tags, .nr_tags = 2));
	assert_string_equal(kept(set, TMC_KEEP_TAG), "x..x.");
	assert_string_equal(kept(set, ANY), "x..xx");
	apply(set, RULES(.last = 2)); /* a tag that nobody asks for keeps nothing */
	assert_string_equal(kept(set, ANY), "...xx");
}

static void reasons_add_up(void **state)
{
	struct set *set = *state;
	const struct tmc_retention rules = { .last = 1, .daily = 2, .monthly = 2, .yearly = 1 };

	add(set, "a", local(2025, 12, 31, 9, 0));
	add(set, "a", local(2026, 1, 30, 9, 0));
	add(set, "a", local(2026, 1, 31, 9, 0));
	add(set, "a", local(2026, 2, 1, 9, 0));
	add(set, "a", local(2026, 2, 2, 9, 0));
	apply(set, &rules);
	assert_int_equal(set->reasons[0], 0);
	assert_int_equal(set->reasons[1], 0);
	assert_int_equal(set->reasons[2], TMC_KEEP_MONTHLY);
	assert_int_equal(set->reasons[3], TMC_KEEP_DAILY);
	assert_int_equal(set->reasons[4], TMC_KEEP_NEWEST | TMC_KEEP_LAST | TMC_KEEP_DAILY |
			 TMC_KEEP_MONTHLY | TMC_KEEP_YEARLY);
}

static void each_volume_is_counted_by_itself(void **state)
{
	struct set *set = *state;
	static const char volumes[] = "baabbcaab";

	for (size_t i = 0; volumes[i]; i++)
		add(set, (char[]){ volumes[i], '\0' }, utc(2026, 1, 1, 0, 0) + i * DAY);
	apply(set, RULES(.last = 2));
	assert_string_equal(kept(set, ANY), "....xxxxx");
	assert_string_equal(kept(set, TMC_KEEP_NEWEST), ".....x.xx");
	apply(set, RULES(.within_ns = 2 * DAY));
	assert_string_equal(kept(set, ANY), ".....xxxx");
}

static void points_of_no_known_volume_are_not_compared(void **state)
{
	struct set *set = *state;

	for (uint64_t i = 0; i < 3; i++)
		add(set, "", utc(2026, 1, 1, 0, 0) + i);
	apply(set, RULES(.last = 1));
	assert_string_equal(kept(set, TMC_KEEP_NEWEST), "xxx");
}

/* A group is cut at one time over a and b; b alone is cut once more on the first day. */
static void a_cut_stays_whole_where_a_rule_keeps_a_point_of_it(void **state)
{
	struct set *set = *state;

	for (int day = 1; day <= 3; day++) {
		char group[40];

		snprintf(group, sizeof(group), "%032d-2", day);
		strcpy(add(set, "a", local(2026, 1, day, 10, 0))->group, group);
		strcpy(add(set, "b", local(2026, 1, day, 10, 0))->group, group);
		if (day == 1)
			add(set, "b", local(2026, 1, 1, 11, 0));
	}
	apply(set, RULES(.daily = 3));
	assert_string_equal(kept(set, TMC_KEEP_DAILY), "x.xxxxx");
	assert_string_equal(kept(set, TMC_KEEP_GROUP), ".x.....");
	assert_string_equal(kept(set, ANY), "xxxxxxx");
	apply(set, RULES(.daily = 2)); /* what stays for its group is not counted */
	assert_string_equal(kept(set, ANY), "...xxxx");
}

static void the_newest_of_a_volume_that_is_gone_holds_no_group(void **state)
{
	struct set *set = *state;

	for (int i = 0; i < 2; i++)
		strcpy(add(set, i ? "gone" : "a", utc(2025, 1, 1, 0, 0))->group, "g-2");
	for (int day = 1; day <= 3; day++)
		add(set, "a", utc(2026, 1, day, 0, 0));
	apply(set, RULES(.within_ns = DAY));
	assert_string_equal(kept(set, ANY), "xx.xx"); /* it is within a day of itself */
	set->nr = 0;
	for (int i = 0; i < 2; i++)
		strcpy(add(set, i ? "gone" : "a", utc(2025, 1, 1, 0, 0))->group, "g-2");
	add(set, "a", utc(2026, 1, 1, 0, 0));
	apply(set, RULES(.tags = (const char *const[]){ "t" }, .nr_tags = 1));
	assert_int_equal(set->reasons[0], 0);
	assert_int_equal(set->reasons[1], TMC_KEEP_NEWEST);
	assert_int_equal(set->reasons[2], TMC_KEEP_NEWEST);
}

static void a_tag_holds_the_group_of_its_point(void **state)
{
	struct set *set = *state;

	for (int i = 0; i < 3; i++)
		strcpy(add(set, (char[]){ (char)('a' + i), '\0' }, utc(2025, 1, 1, 0, 0))->group,
		       "g-3");
	for (int i = 0; i < 3; i++)
		add(set, (char[]){ (char)('a' + i), '\0' }, utc(2026, 1, 1, 0, 0));
	tag(set, &set->points[1], "t");
	apply(set, RULES(.last = 1, .tags = (const char *const[]){ "t" }, .nr_tags = 1));
	assert_int_equal(set->reasons[0], TMC_KEEP_GROUP);
	assert_int_equal(set->reasons[1], TMC_KEEP_TAG);
	assert_int_equal(set->reasons[2], TMC_KEEP_GROUP);
	assert_string_equal(kept(set, ANY), "xxxxxx");
}

/* docs/security.md: points of the future, so that --keep-last 10 lets the true ones go. */
static void points_of_the_future_push_none_of_the_true_ones_out(void **state)
{
	struct set *set = *state;
	const struct tmc_retention rules = { .last = 10, .hourly = 10, .daily = 10, .weekly = 1,
					     .monthly = 1, .yearly = 1, .within_ns = 9 * DAY };
	uint64_t now = local(2026, 11, 20, 12, 0);

	for (uint64_t i = 0; i < 12; i++)
		strcpy(add(set, "a", now - (12 - i) * DAY)->group, i == 1 ? "g-2" : "");
	for (uint64_t i = 0; i < 50; i++) /* and one in a group, which that holds nothing of */
		strcpy(add(set, "a", now + (i + 1) * 31 * DAY)->group, i == 1 ? "g-2" : "");
	set->now_ns = now;
	apply(set, &rules);
	for (size_t i = 0; i < set->nr; i++)
		assert_int_equal(!!set->reasons[i], i >= 2);
	assert_string_equal(kept(set, TMC_KEEP_FUTURE) + 12,
			    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	for (size_t i = 12; i < set->nr; i++)
		assert_int_equal(set->reasons[i], TMC_KEEP_FUTURE);
	assert_int_equal(set->reasons[11], A_RULE - TMC_KEEP_TAG + TMC_KEEP_NEWEST);
	for (size_t i = 2; i < 12; i++)
		assert_int_equal(set->reasons[i] & (TMC_KEEP_LAST | TMC_KEEP_DAILY),
				 TMC_KEEP_LAST | TMC_KEEP_DAILY);
}

static void a_clock_that_is_five_minutes_ahead_is_no_future(void **state)
{
	struct set *set = *state;
	uint64_t now = utc(2026, 1, 1, 12, 0);

	add(set, "a", now);
	add(set, "a", now + 5 * MINUTE);
	add(set, "a", now + 5 * MINUTE + 1);
	set->now_ns = now;
	apply(set, RULES(.last = 1));
	assert_int_equal(set->reasons[0], 0);
	assert_int_equal(set->reasons[1], TMC_KEEP_NEWEST | TMC_KEEP_LAST);
	assert_int_equal(set->reasons[2], TMC_KEEP_FUTURE);
}

static void a_host_whose_clock_fell_back_keeps_all(void **state)
{
	struct set *set = *state;

	for (int day = 1; day <= 20; day++)
		add(set, day % 2 ? "a" : "b", utc(2026, 1, day, 0, 0));
	set->now_ns = 0; /* the epoch */
	apply(set, RULES(.last = 1));
	for (size_t i = 0; i < set->nr; i++)
		assert_int_equal(set->reasons[i], TMC_KEEP_FUTURE);
}

static void the_ends_of_time_are_periods_too(void **state)
{
	struct set *set = *state;

	use_zone("<-12>12");
	add(set, "a", 0); /* still in 1969 there, a Wednesday */
	apply(set, RULES(.hourly = 1, .daily = 1, .weekly = 1, .monthly = 1, .yearly = 1));
	assert_int_equal(set->reasons[0] & A_RULE, TMC_KEEP_HOURLY | TMC_KEEP_DAILY |
			 TMC_KEEP_WEEKLY | TMC_KEEP_MONTHLY | TMC_KEEP_YEARLY);
	add(set, "a", 12 * HOUR - 1);
	add(set, "a", 12 * HOUR); /* 1970 */
	add(set, "a", UINT64_MAX - 1);
	add(set, "a", UINT64_MAX);
	apply(set, RULES(.yearly = 9));
	assert_string_equal(kept(set, TMC_KEEP_YEARLY), ".xx.x");
	apply(set, RULES(.daily = 9));
	assert_string_equal(kept(set, TMC_KEEP_DAILY), ".xx.x");
	apply(set, RULES(.weekly = 9));
	assert_string_equal(kept(set, TMC_KEEP_WEEKLY), "..x.x");
	apply(set, RULES(.hourly = 9));
	assert_string_equal(kept(set, TMC_KEEP_HOURLY), "xxx.x");
}

/* ---------------------------------------------------------------------- the model */

static uint64_t random_state = 88172645463325252u;

static uint64_t draw(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static bool model_future(const struct set *set, size_t nth)
{
	return set->points[nth].cut_time_ns > set->now_ns + 5 * MINUTE;
}

/* b is a later point of the same volume, and counts. */
static bool model_later(const struct set *set, size_t a, size_t b)
{
	return b > a && !model_future(set, b) &&
	       strcmp(set->points[a].volume.volume_id, set->points[b].volume.volume_id) == 0;
}

static void model_period(const struct set *set, size_t nth, const char *format, char ret_text[64])
{
	time_t seconds = (time_t)(set->points[nth].cut_time_ns / SECOND);
	struct tm tm;

	assert_non_null(localtime_r(&seconds, &tm));
	assert_true(strftime(ret_text, 64, format, &tm) > 0);
}

static bool model_is_latest(const struct set *set, size_t nth, const char *format)
{
	char mine[64], its[64];

	model_period(set, nth, format, mine);
	for (size_t i = 0; i < set->nr; i++) {
		model_period(set, i, format, its);
		if (model_later(set, nth, i) && strcmp(mine, its) == 0)
			return false;
	}
	return true;
}

static bool model_counted(const struct set *set, size_t nth, const char *format, uint32_t limit)
{
	uint32_t nr_later = 0;

	if (!limit || !model_is_latest(set, nth, format))
		return false;
	for (size_t i = 0; i < set->nr; i++)
		nr_later += model_later(set, nth, i) && model_is_latest(set, i, format);
	return nr_later < limit;
}

static bool model_tagged(const struct set *set, size_t nth, const struct tmc_retention *rules)
{
	for (size_t i = 0; i < set->nr_notes; i++)
		for (size_t t = 0; t < rules->nr_tags; t++)
			if (memcmp(&set->notes[i].point, &set->points[nth].id,
				   sizeof(struct tmc_id)) == 0 &&
			    strcmp(set->notes[i].tags[1], rules->tags[t]) == 0)
				return true;
	return false;
}

static uint32_t model_alone(const struct set *set, size_t nth, const struct tmc_retention *rules)
{
	const struct {
		uint32_t reason, limit;
		const char *format;
	} counted[] = {
		{ TMC_KEEP_HOURLY, rules->hourly, "%F %H %z" },
		{ TMC_KEEP_DAILY, rules->daily, "%F" },
		{ TMC_KEEP_WEEKLY, rules->weekly, "%G-W%V" },
		{ TMC_KEEP_MONTHLY, rules->monthly, "%Y-%m" },
		{ TMC_KEEP_YEARLY, rules->yearly, "%Y" },
	};
	uint32_t reasons = model_tagged(set, nth, rules) ? TMC_KEEP_TAG : 0;
	uint64_t newest = set->points[nth].cut_time_ns;
	uint32_t nr_later = 0;

	if (model_future(set, nth))
		return reasons | TMC_KEEP_FUTURE;
	for (size_t i = 0; i < set->nr; i++) {
		if (!model_later(set, nth, i))
			continue;
		newest = set->points[i].cut_time_ns;
		nr_later++;
	}
	if (!nr_later)
		reasons |= TMC_KEEP_NEWEST;
	if (nr_later < rules->last)
		reasons |= TMC_KEEP_LAST;
	if (rules->within_ns && set->points[nth].cut_time_ns + rules->within_ns >= newest)
		reasons |= TMC_KEEP_WITHIN;
	for (size_t i = 0; i < sizeof(counted) / sizeof(*counted); i++)
		if (model_counted(set, nth, counted[i].format, counted[i].limit))
			reasons |= counted[i].reason;
	return reasons;
}

static void model_apply(const struct set *set, const struct tmc_retention *rules,
			uint32_t *reasons)
{
	uint32_t alone[NR_MAX];

	for (size_t i = 0; i < set->nr; i++)
		reasons[i] = alone[i] = model_alone(set, i, rules);
	for (size_t i = 0; i < set->nr; i++)
		for (size_t k = 0; k < set->nr; k++)
			if (set->points[i].group[0] && !(alone[i] & A_RULE) &&
			    (alone[k] & A_RULE) &&
			    strcmp(set->points[i].group, set->points[k].group) == 0)
				reasons[i] |= TMC_KEEP_GROUP;
}

static void make_random_set(struct set *set)
{
	static const uint64_t gaps[] = { 1, 20 * MINUTE, HOUR, 7 * HOUR, DAY, 9 * DAY, 70 * DAY };
	static const char *const zones[] = { BERLIN, "UTC", "<+0530>-5:30",
					     "EST5EDT,M3.2.0,M11.1.0",
					     "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0" };
	uint64_t when = utc(2019 + (int)draw(9), 1 + (int)draw(12), 1 + (int)draw(28), 0, 0);
	size_t nr = draw(40);

	use_zone(zones[draw(sizeof(zones) / sizeof(*zones))]);
	set->nr = set->nr_notes = 0;
	while (set->nr < nr) {
		char volume[2] = { (char)('a' + draw(3)), '\0' };
		struct tmc_point *point = add(set, volume, when);

		if (draw(3) == 0)
			snprintf(point->group, sizeof(point->group), "g%u-2",
				 (unsigned int)draw(8));
		if (draw(8) == 0)
			tag(set, point, draw(2) ? "x" : "y");
		if (draw(5))
			when += draw(gaps[draw(sizeof(gaps) / sizeof(*gaps))]);
	}
	if (nr && draw(2))
		set->now_ns = set->points[draw(nr)].cut_time_ns;
}

static uint32_t draw_limit(void)
{
	uint64_t kind = draw(8);

	return kind < 4 ? 0 : kind == 4 ? UINT32_MAX : (uint32_t)draw(6);
}

static struct tmc_retention draw_rules(void)
{
	static const char *const tags[] = { "x", "y" };

	return (struct tmc_retention){
		.last = draw_limit(),
		.hourly = draw_limit(),
		.daily = draw_limit(),
		.weekly = draw_limit(),
		.monthly = draw_limit(),
		.yearly = draw_limit(),
		.within_ns = draw(2) ? 0 : draw(100 * DAY),
		.tags = tags,
		.nr_tags = draw(3),
	};
}

static void random_sets_fare_as_in_the_model(void **state)
{
	struct set *set = *state;
	uint32_t expected[NR_MAX];
	uint64_t nr_kept = 0, nr_gone = 0;

	for (unsigned int round = 0; round < 400; round++) {
		struct tmc_retention rules = draw_rules();

		make_random_set(set);
		if (!rules.last && !rules.hourly && !rules.daily && !rules.weekly &&
		    !rules.monthly && !rules.yearly && !rules.within_ns && !rules.nr_tags)
			continue;
		apply(set, &rules);
		model_apply(set, &rules, expected);
		for (size_t i = 0; i < set->nr; i++) {
			if (set->reasons[i] != expected[i])
				fail_msg("round %u, point %zu: %#x, not %#x", round, i,
					 set->reasons[i], expected[i]);
			nr_kept += !!expected[i];
			nr_gone += !expected[i];
		}
	}
	assert_true(nr_kept > 1000 && nr_gone > 1000);
}

/* What stays once goes on to stay: the points that are left change nothing of the answer. */
static void applied_twice_nothing_more_goes(void **state)
{
	struct set *set = *state;

	for (unsigned int round = 0; round < 400; round++) {
		struct tmc_retention rules = draw_rules();
		size_t nr = 0;

		rules.last = rules.last ? rules.last : 1;
		make_random_set(set);
		apply(set, &rules);
		for (size_t i = 0; i < set->nr; i++)
			if (set->reasons[i])
				set->points[nr++] = set->points[i];
		set->nr = nr;
		apply(set, &rules);
		for (size_t i = 0; i < set->nr; i++)
			if (!set->reasons[i])
				fail_msg("round %u, point %zu of what stayed goes", round, i);
	}
}

/* Quadratic, it would take longer than the harness waits. */
static void many_points_of_one_volume_and_one_group_take_no_time(void **state)
{
	enum { NR = 200000 };
	struct tmc_point *points = calloc(NR, sizeof(*points));
	uint32_t *reasons = calloc(NR, sizeof(*reasons));
	unsigned int nr_hours = 0;

	assert_non_null(points);
	assert_non_null(reasons);
	for (size_t i = 0; i < NR; i++) {
		points[i].cut_time_ns = utc(2020, 1, 1, 0, 0) + i * 30 * MINUTE;
		strcpy(points[i].volume.volume_id, "a");
		if (i % 2)
			strcpy(points[i].group, "00000000000000000000000000000000-100000");
	}
	assert_int_equal(tmc_retention_apply(RULES(.hourly = UINT32_MAX), points, NR, NULL, 0,
					     points[NR - 1].cut_time_ns, reasons), 0);
	for (size_t i = 0; i < NR; i++)
		nr_hours += !!reasons[i];
	assert_int_equal(nr_hours, NR / 2);
	free(reasons);
	free(points);
}

/* A scan is neither the newest nor the last, and does not go. */
static void scans_stay_and_are_not_counted(void **state)
{
	const struct tmc_retention rules = { .last = 1, .daily = 1 };
	struct set *set = *state;

	add(set, "a", utc(2026, 1, 1, 12, 0));
	add(set, "a", utc(2026, 1, 2, 12, 0))->moment = (struct tmc_moment){ 1, 1, 2 };
	add(set, "a", utc(2026, 1, 3, 12, 0))->moment = (struct tmc_moment){ 1, 3, 0 };
	add(set, "a", utc(2026, 1, 4, 12, 0))->moment = (struct tmc_moment){ 2, 4, 5 };
	apply(set, &rules);
	assert_int_equal(set->reasons[0], 0);
	assert_int_equal(set->reasons[1], TMC_KEEP_SCAN);
	assert_int_equal(set->reasons[2], TMC_KEEP_NEWEST | TMC_KEEP_LAST | TMC_KEEP_DAILY);
	assert_int_equal(set->reasons[3], TMC_KEEP_SCAN);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(without_a_rule_nothing_is_decided),
		T(last_keeps_the_newest_by_number),
		T(the_latest_of_each_hour_is_kept),
		T(the_latest_of_each_day_is_kept),
		T(the_latest_of_each_month_and_year_is_kept),
		T(a_week_begins_on_monday_across_the_turn_of_the_year),
		T(a_leap_day_is_a_day_of_february),
		T(an_hour_that_comes_twice_is_two_hours_of_one_day),
		T(an_hour_that_is_left_out_is_no_hour),
		T(hours_are_those_of_a_zone_that_is_half_an_hour_off),
		T(within_counts_from_the_newest_and_not_from_now),
		T(the_newest_stays_whatever_the_rules_say),
		T(a_point_with_one_of_the_tags_stays),
		T(reasons_add_up),
		T(each_volume_is_counted_by_itself),
		T(points_of_no_known_volume_are_not_compared),
		T(a_cut_stays_whole_where_a_rule_keeps_a_point_of_it),
		T(the_newest_of_a_volume_that_is_gone_holds_no_group),
		T(a_tag_holds_the_group_of_its_point),
		T(points_of_the_future_push_none_of_the_true_ones_out),
		T(a_clock_that_is_five_minutes_ahead_is_no_future),
		T(a_host_whose_clock_fell_back_keeps_all),
		T(the_ends_of_time_are_periods_too),
		T(random_sets_fare_as_in_the_model),
		T(applied_twice_nothing_more_goes),
		T(many_points_of_one_volume_and_one_group_take_no_time),
		T(scans_stay_and_are_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
