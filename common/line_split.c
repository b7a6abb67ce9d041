// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A terminal obeys control characters, also those of C1 in UTF-8 (U+0080 to U+009F), and a
 * carriage return would let a line overwrite what was said before it: it ends a line here.
 */
#include "common/line_split.h"

#include <string.h>

/* Bytes of the character at the front of a text; 0: it is none, or a control character. */
static size_t character_bytes(const uint8_t *text, size_t bytes)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} forms[] = {{0x80, 0x00, 0x20}, {0xe0, 0xc0, 0xa0}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	uint32_t code;
	size_t nr = 0;

	while (nr < 4 && (text[0] & forms[nr].mask) != forms[nr].lead)
		nr++;
	if (nr == 4 || nr + 1 > bytes)
		return 0;
	code = text[0] & (uint8_t)~forms[nr].mask;
	for (size_t i = 1; i <= nr; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < forms[nr].least || code == 0x7f || code > 0x10ffff || code >> 11 == 0x1b)
		return 0;
	return nr + 1;
}

static void make_text(struct line_split *split)
{
	size_t length = 0;

	for (size_t i = 0; i < split->used;) {
		size_t nr = character_bytes(split->bytes + i, split->used - i);

		memcpy(split->latest + length, nr ? (const char *)split->bytes + i : "?", nr ? nr : 1);
		length += nr ? nr : 1;
		i += nr ? nr : 1;
	}
	strcpy(split->latest + length, split->overlong ? "..." : "");
}

static bool is_blank(const struct line_split *split)
{
	for (size_t i = 0; i < split->used; i++)
		if (split->bytes[i] != ' ')
			return false;
	return true;
}

void line_split_end(struct line_split *split)
{
	if (!is_blank(split)) {
		make_text(split);
		if (split->nr_lines++ < split->nr_max)
			split->line(split->context, split->latest);
	}
	split->used = 0;
	split->overlong = false;
}

static void put_byte(struct line_split *split, uint8_t byte)
{
	if (byte == '\n' || byte == '\r')
		line_split_end(split);
	else if (split->used == sizeof(split->bytes))
		split->overlong = true;
	else
		split->bytes[split->used++] = byte == '\t' ? ' ' : byte;
}

void line_split_put(struct line_split *split, const void *data, size_t bytes)
{
	const uint8_t *next = data;

	for (size_t i = 0; i < bytes; i++)
		put_byte(split, next[i]);
}
