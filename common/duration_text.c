// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One number and one unit. A minute has no letter of its own: m means months, as in other
 * programs that keep backups.
 */
#include "common/duration_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND_NS 1000000000ull
#define HOUR_NS   (3600 * SECOND_NS)

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{"s", SECOND_NS},       {"min", 60 * SECOND_NS},   {"h", HOUR_NS},
	{"d", 24 * HOUR_NS},    {"w", 7 * 24 * HOUR_NS},   {"m", 31 * 24 * HOUR_NS},
	{"y", 366 * 24 * HOUR_NS},
};

/* 0: no unit. */
static uint64_t unit_ns(const char *name)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(name, units[i].name))
			return units[i].ns;
	return 0;
}

int duration_text_parse(const char *text, uint64_t *ret_ns)
{
	uint64_t number = 0;
	uint64_t unit;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return -ERANGE;
	}
	if (!*text && !number) {
		*ret_ns = 0;
		return 0;
	}
	unit = unit_ns(text);
	if (!unit)
		return -EINVAL;
	if (__builtin_mul_overflow(number, unit, &number))
		return -ERANGE;
	*ret_ns = number;
	return 0;
}

/* From two of a unit on it is used: 90s says more than 1min. */
const char *duration_text_format(uint64_t ns, char ret_text[DURATION_TEXT_BYTES])
{
	static const size_t days = 3;
	size_t i = 0;

	while (i < days && ns >= 2 * units[i + 1].ns)
		i++;
	snprintf(ret_text, DURATION_TEXT_BYTES, "%" PRIu64 "%s", ns / units[i].ns, units[i].name);
	return ret_text;
}
