// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Nothing is guessed: a day that the calendar has not is refused, and so is "m", which
 * spans of time take for months where a minute may be meant.
 */
#include "common/time_text.h"

#include "common/duration_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_NS       1000000000ull
#define MINUTE_NS       (60 * SECOND_NS)
#define FRACTION_DIGITS 9

/* Exactly nr digits, at least min and at most max in value. */
static bool take_number(const char **text, int nr, int min, int max, int *ret_number)
{
	int number = 0;

	for (int i = 0; i < nr; i++) {
		if (!isdigit((unsigned char)(*text)[i]))
			return false;
		number = 10 * number + ((*text)[i] - '0');
	}
	*text += nr;
	*ret_number = number;
	return number >= min && number <= max;
}

static bool take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool take_date(const char **text, struct tm *tm)
{
	if (!take_number(text, 4, 1970, 9999, &tm->tm_year) || !take_char(text, '-') ||
	    !take_number(text, 2, 1, 12, &tm->tm_mon) || !take_char(text, '-') ||
	    !take_number(text, 2, 1, 31, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	return true;
}

/* ".25": any number of digits, of which nine count. */
static bool take_fraction(const char **text, uint64_t *ret_ns)
{
	uint64_t unit = SECOND_NS / 10;

	*ret_ns = 0;
	if (!take_char(text, '.'))
		return true;
	if (!isdigit((unsigned char)**text))
		return false;
	for (; isdigit((unsigned char)**text); (*text)++, unit /= 10)
		*ret_ns += (uint64_t)(**text - '0') * unit;
	return true;
}

static bool take_time(const char **text, struct tm *tm, uint64_t *ret_ns)
{
	*ret_ns = 0;
	if (!take_number(text, 2, 0, 23, &tm->tm_hour) || !take_char(text, ':') ||
	    !take_number(text, 2, 0, 59, &tm->tm_min))
		return false;
	if (!take_char(text, ':'))
		return true;
	return take_number(text, 2, 0, 59, &tm->tm_sec) && take_fraction(text, ret_ns);
}

static int from_seconds(uint64_t seconds, uint64_t fraction_ns, uint64_t *ret_ns)
{
	uint64_t ns;

	if (__builtin_mul_overflow(seconds, SECOND_NS, &ns) ||
	    __builtin_add_overflow(ns, fraction_ns, &ns))
		return -ERANGE;
	*ret_ns = ns;
	return 0;
}

static int parse_calendar(const char *text, uint64_t now_ns, uint64_t *ret_ns)
{
	time_t now = (time_t)(now_ns / SECOND_NS), seconds;
	bool has_date = strchr(text, '-');
	struct tm tm = { 0 }, today, made;
	uint64_t ns;

	if (has_date && !take_date(&text, &tm))
		return -EINVAL;
	if (has_date && !take_char(&text, ' ') && !take_char(&text, 'T'))
		return -EINVAL;
	if (!take_time(&text, &tm, &ns) || *text)
		return -EINVAL;
	if (!has_date && localtime_r(&now, &today)) {
		tm.tm_year = today.tm_year;
		tm.tm_mon = today.tm_mon;
		tm.tm_mday = today.tm_mday;
	}
	tm.tm_isdst = -1;
	made = tm;
	seconds = mktime(&made);
	if (made.tm_mday != tm.tm_mday || made.tm_mon != tm.tm_mon)
		return -EINVAL; /* the 31st of April */
	return seconds < 0 ? -ERANGE : from_seconds((uint64_t)seconds, ns, ret_ns);
}

static int parse_epoch(const char *text, uint64_t *ret_ns)
{
	uint64_t seconds = 0, ns;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(seconds, 10, &seconds) ||
		    __builtin_add_overflow(seconds, (uint64_t)(*text - '0'), &seconds))
			return -ERANGE;
	}
	if (!take_fraction(&text, &ns) || *text)
		return -EINVAL;
	return from_seconds(seconds, ns, ret_ns);
}

static int parse_span(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = { { "s", SECOND_NS }, { "min", MINUTE_NS } };
	size_t digits = strspn(text, "0123456789");
	uint64_t number = 0;

	if (!digits || !strcmp(text + digits, "m"))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(text + digits, units[i].unit))
			continue;
		for (size_t n = 0; n < digits; n++)
			if (__builtin_mul_overflow(number, 10, &number) ||
			    __builtin_add_overflow(number, (uint64_t)(text[n] - '0'), &number))
				return -ERANGE;
		return __builtin_mul_overflow(number, units[i].ns, ret_ns) ? -ERANGE : 0;
	}
	return duration_text_parse(text, ret_ns);
}

int time_text_parse(const char *text, uint64_t now_ns, uint64_t *ret_ns)
{
	uint64_t ns;
	int ret;

	if (*text == '@')
		return parse_epoch(text + 1, ret_ns);
	if (*text != '-')
		return parse_calendar(text, now_ns, ret_ns);
	ret = parse_span(text + 1, &ns);
	if (ret < 0)
		return ret;
	if (ns > now_ns)
		return -ERANGE;
	*ret_ns = now_ns - ns;
	return 0;
}

const char *time_text_format(uint64_t ns, char ret_text[TIME_TEXT_BYTES])
{
	time_t seconds = (time_t)(ns / SECOND_NS);
	struct tm local;
	size_t used;

	snprintf(ret_text, TIME_TEXT_BYTES, "?");
	if (!localtime_r(&seconds, &local))
		return ret_text;
	used = strftime(ret_text, TIME_TEXT_BYTES, "%Y-%m-%d %H:%M:%S", &local);
	snprintf(ret_text + used, TIME_TEXT_BYTES - used, ".%03u",
		 (unsigned int)(ns % SECOND_NS / 1000000u));
	return ret_text;
}
