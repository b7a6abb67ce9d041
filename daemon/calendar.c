// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * [WEEKDAYS] [[*-]MONTHS-DAYS] [HOURS:MINUTES[:SECONDS]], each a list of "*", N, N..M, N/STEP,
 * N..M/STEP. What is left out is every day, or midnight.
 */
#include "daemon/calendar.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define TEXT_BYTES 256
#define DAYS_MAX   (40 * 366) /* the 29th of February on a given weekday, over a year like 2100 */
#define DAY_S      86400
#define REPEAT_S   (3 * 3600) /* no clock goes back by more */
#define REPEAT_STEP_S 1800

static const struct {
	const char *name;
	const char *meaning;
} shorthands[] = {
	{"minutely", "*:*:00"},          {"hourly", "*:00:00"},
	{"daily", "00:00:00"},           {"weekly", "Mon 00:00:00"},
	{"monthly", "*-*-01 00:00:00"},  {"quarterly", "*-1,4,7,10-01 00:00:00"},
	{"yearly", "*-01-01 00:00:00"},
};

/* ------------------------------------------------------------------------- parse */

static bool take_number(const char **text, unsigned int min, unsigned int max, unsigned int *ret)
{
	unsigned int number = 0;
	const char *start = *text;

	for (; isdigit((unsigned char)**text) && *text - start < 4; (*text)++)
		number = number * 10 + (unsigned int)(**text - '0');
	*ret = number;
	return *text > start && number >= min && number <= max;
}

static bool take_word(const char **text, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*text, word, length))
		return false;
	*text += length;
	return true;
}

/* "*", N or N..M, then /STEP; without an end a step goes on to the last. */
static bool take_some(const char **text, unsigned int min, unsigned int max, uint64_t *set)
{
	unsigned int first = min, last = max, step = 1;
	bool all = take_word(text, "*"), ends = all;

	if (!all && !take_number(text, min, max, &first))
		return false;
	if (!all && take_word(text, "..")) {
		ends = true;
		if (!take_number(text, first, max, &last))
			return false;
	}
	if (take_word(text, "/")) {
		if (!take_number(text, 1, max, &step))
			return false;
	} else if (!ends) {
		last = first;
	}
	for (unsigned int n = first; n <= last; n += step)
		*set |= 1ull << n;
	return true;
}

/* All of the text. */
static bool parse_set(const char *text, unsigned int min, unsigned int max, uint64_t *ret_set)
{
	*ret_set = 0;
	do {
		if (!take_some(&text, min, max, ret_set))
			return false;
	} while (take_word(&text, ","));
	return !*text;
}

static bool take_weekday(const char **text, unsigned int *ret_day)
{
	static const char *const names[] = {"sunday", "monday", "tuesday", "wednesday",
					    "thursday", "friday", "saturday"};
	size_t length = 0;

	while (isalpha((unsigned char)(*text)[length]))
		length++;
	for (unsigned int day = 0; day < 7; day++) {
		if ((length != 3 && length != strlen(names[day])) ||
		    strncasecmp(*text, names[day], length))
			continue;
		*text += length;
		*ret_day = day;
		return true;
	}
	return false;
}

static bool parse_weekdays(const char *text, uint8_t *ret_set)
{
	unsigned int first, last;

	*ret_set = 0;
	do {
		if (!take_weekday(&text, &first))
			return false;
		last = first;
		if (take_word(&text, "..") && !take_weekday(&text, &last))
			return false;
		for (unsigned int day = first; day != last; day = (day + 1) % 7)
			*ret_set |= (uint8_t)(1u << day);
		*ret_set |= (uint8_t)(1u << last);
	} while (take_word(&text, ","));
	return !*text;
}

static bool parse_date(char *text, struct calendar *calendar)
{
	uint64_t months, days;
	char *day = strrchr(text, '-');

	if (!day)
		return false;
	*day++ = '\0';
	if (!strncmp(text, "*-", 2))
		text += 2;
	if (!parse_set(text, 1, 12, &months) || !parse_set(day, 1, 31, &days))
		return false;
	calendar->months = (uint16_t)months;
	calendar->days = (uint32_t)days;
	return true;
}

static bool parse_time(char *text, struct calendar *calendar)
{
	char *minute = strchr(text, ':');
	char *second = minute ? strchr(minute + 1, ':') : NULL;
	uint64_t hours;

	if (!minute)
		return false;
	*minute++ = '\0';
	if (second)
		*second++ = '\0';
	if (!parse_set(text, 0, 23, &hours) || !parse_set(minute, 0, 59, &calendar->minutes))
		return false;
	calendar->hours = (uint32_t)hours;
	return parse_set(second ? second : "0", 0, 59, &calendar->seconds);
}

/* Some month that it wants is long enough for some day that it wants. */
static bool comes_ever(const struct calendar *calendar)
{
	static const unsigned int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	for (unsigned int month = 1; month <= 12; month++)
		if (calendar->months >> month & 1 &&
		    calendar->days & ((2ull << lengths[month - 1]) - 1))
			return true;
	return false;
}

static bool parse_words(char *text, struct calendar *calendar)
{
	char *rest = NULL;
	char *word = strtok_r(text, " \t", &rest);

	if (!word)
		return false;
	if (isalpha((unsigned char)*word)) {
		if (!parse_weekdays(word, &calendar->weekdays))
			return false;
		word = strtok_r(NULL, " \t", &rest);
	}
	if (word && strchr(word, '-')) {
		if (!parse_date(word, calendar))
			return false;
		word = strtok_r(NULL, " \t", &rest);
	}
	if (word) {
		if (!parse_time(word, calendar))
			return false;
		word = strtok_r(NULL, " \t", &rest);
	}
	return !word && comes_ever(calendar);
}

int calendar_parse(const char *text, struct calendar *ret_calendar)
{
	struct calendar calendar = {
		.seconds = 1, .minutes = 1, .hours = 1,
		.days = 0xfffffffe, .months = 0x1ffe, .weekdays = 0x7f,
	};
	char copy[TEXT_BYTES];

	for (size_t i = 0; i < sizeof(shorthands) / sizeof(shorthands[0]); i++)
		if (!strcmp(text, shorthands[i].name))
			text = shorthands[i].meaning;
	if (strlen(text) >= sizeof(copy) || !parse_words(strcpy(copy, text), &calendar))
		return -EINVAL;
	*ret_calendar = calendar;
	return 0;
}

/* -------------------------------------------------------------------------- next */

static int seconds_of_day(const struct tm *tm)
{
	return (tm->tm_hour * 60 + tm->tm_min) * 60 + tm->tm_sec;
}

static bool is_day(const struct calendar *calendar, const struct tm *day)
{
	return calendar->months >> (day->tm_mon + 1) & 1 && calendar->days >> day->tm_mday & 1 &&
	       calendar->weekdays >> day->tm_wday & 1;
}

/* The first second of the day from this one on; DAY_S: none. */
static int next_of_day(const struct calendar *calendar, int from)
{
	while (from < DAY_S) {
		if (!(calendar->hours >> from / 3600 & 1))
			from = (from / 3600 + 1) * 3600;
		else if (!(calendar->minutes >> from / 60 % 60 & 1))
			from = (from / 60 + 1) * 60;
		else if (!(calendar->seconds >> from % 60 & 1))
			from++;
		else
			break;
	}
	return from;
}

/* Whether the clock shows that day, and that second of it or a later one. */
static bool has_come(const struct tm *day, int second, time_t time)
{
	struct tm tm;

	localtime_r(&time, &tm);
	if (tm.tm_year != day->tm_year || tm.tm_yday != day->tm_yday)
		return tm.tm_year > day->tm_year ||
		       (tm.tm_year == day->tm_year && tm.tm_yday > day->tm_yday);
	return seconds_of_day(&tm) >= second;
}

/*
 * The earliest instant at which the clock shows that second or, where it skips it, a later one.
 * Where it is set back, mktime() may choose the second of two.
 */
static time_t earliest(const struct tm *day, int second)
{
	struct tm tm = {.tm_year = day->tm_year, .tm_mon = day->tm_mon, .tm_mday = day->tm_mday,
			.tm_sec = second % 60, .tm_min = second / 60 % 60, .tm_hour = second / 3600,
			.tm_isdst = -1};
	time_t late = mktime(&tm), early;

	for (time_t back = REPEAT_S; back; back -= REPEAT_STEP_S)
		if (has_come(day, second, late - back))
			late -= back;
	while (!has_come(day, second, late))
		late += REPEAT_STEP_S;
	early = late - REPEAT_S;
	while (early + 1 < late) {
		time_t middle = early + (late - early) / 2;

		if (has_come(day, second, middle))
			late = middle;
		else
			early = middle;
	}
	return late;
}

/* Noon is on each day of every zone, but for those that a zone skips as a whole. */
static void next_day(struct tm *day)
{
	struct tm tm = {.tm_year = day->tm_year, .tm_mon = day->tm_mon,
			.tm_mday = day->tm_mday + 1, .tm_hour = 12};
	time_t noon = timegm(&tm);

	gmtime_r(&noon, day);
}

int64_t calendar_next(const struct calendar *calendar, int64_t after_s)
{
	time_t after = after_s;
	struct tm day;
	int second;

	localtime_r(&after, &day);
	second = seconds_of_day(&day) + 1;
	for (int n = 0; n < DAYS_MAX; n++) {
		if (is_day(calendar, &day))
			for (second = next_of_day(calendar, second); second < DAY_S;
			     second = next_of_day(calendar, second + 1)) {
				time_t time = earliest(&day, second);

				if (time > after)
					return time;
			}
		second = 0;
		next_day(&day);
	}
	return 0;
}
