/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The output of a program that nobody vouches for, as lines that a terminal and a log can
 * take: of a bounded length and number, and without anything in them that is not text.
 */
#ifndef COMMON_LINE_SPLIT_H
#define COMMON_LINE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_SPLIT_BYTES 512

struct line_split {
	void (*line)(void *context, const char *text);
	void *context;
	uint64_t nr_max;     /* lines to hand over; what comes then is only counted */
	uint64_t nr_lines;   /* from here on zero at first */
	size_t used;
	bool overlong;       /* the line goes on behind what is kept of it */
	char latest[LINE_SPLIT_BYTES + 8]; /* the line that was taken last, handed over or not */
	uint8_t bytes[LINE_SPLIT_BYTES];   /* of the line that has not ended yet */
};

/**
 * Blank lines are left out. What a line has beyond LINE_SPLIT_BYTES becomes "...", and each
 * byte that is no printable text in UTF-8 a "?".
 */
void line_split_put(struct line_split *split, const void *data, size_t bytes);

/** The last line need not have an end. */
void line_split_end(struct line_split *split);

#endif
