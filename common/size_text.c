// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Integers only: a size that is parsed may end up in a format.
 */
#include "common/size_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char units[] = "KMGTPE";

int size_text_parse(const char *text, uint64_t *ret_bytes)
{
	unsigned int shift = 0;
	uint64_t number = 0;
	const char *unit;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return -ERANGE;
	}
	if (*text && (unit = strchr(units, toupper((unsigned char)*text)))) {
		shift = 10 * (unsigned int)(unit - units + 1);
		text++;
		if (strcasecmp(text, "iB") == 0)
			text += 2;
	} else if (strcasecmp(text, "B") == 0) {
		text++;
	}
	if (*text)
		return -EINVAL;
	if (shift && number > UINT64_MAX >> shift)
		return -ERANGE;
	*ret_bytes = number << shift;
	return 0;
}

const char *size_text_format(uint64_t bytes, char ret_text[SIZE_TEXT_BYTES])
{
	unsigned int unit = 0;
	uint64_t whole = bytes;
	uint64_t tenths = 0;

	while (whole >= 1024 && unit < sizeof(units) - 1) {
		tenths = (whole % 1024) * 10 / 1024;
		whole /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(ret_text, SIZE_TEXT_BYTES, "%" PRIu64 " B", bytes);
	else
		snprintf(ret_text, SIZE_TEXT_BYTES, "%" PRIu64 ".%u %ciB", whole,
			 (unsigned int)tenths, units[unit - 1]);
	return ret_text;
}

const char *size_text_exact(uint64_t bytes, char ret_text[SIZE_TEXT_BYTES])
{
	unsigned int unit = 0;

	while (bytes >= 1024 && bytes % 1024 == 0 && unit < sizeof(units) - 1) {
		bytes /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(ret_text, SIZE_TEXT_BYTES, "%" PRIu64, bytes);
	else
		snprintf(ret_text, SIZE_TEXT_BYTES, "%" PRIu64 "%c", bytes, units[unit - 1]);
	return ret_text;
}
