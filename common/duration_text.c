// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One number and one unit. A minute has no letter: m means months, as in other programs
 * that keep backups.
 */
#include "common/duration_text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define HOUR_NS 3600000000000ull

static const char units[] = "hdwmy";
static const uint64_t unit_ns[] = {
	HOUR_NS, 24 * HOUR_NS, 7 * 24 * HOUR_NS, 31 * 24 * HOUR_NS, 366 * 24 * HOUR_NS,
};

int duration_text_parse(const char *text, uint64_t *ret_ns)
{
	uint64_t number = 0;
	const char *unit;

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
	unit = *text ? strchr(units, *text) : NULL;
	if (!unit || text[1])
		return -EINVAL;
	if (__builtin_mul_overflow(number, unit_ns[unit - units], &number))
		return -ERANGE;
	*ret_ns = number;
	return 0;
}
