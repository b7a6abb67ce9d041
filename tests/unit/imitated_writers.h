/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Threads that write to an imitated module's volume, each to a part of its own, and name
 * instants: what the part holds then is remembered. A mark comes after its thread's writes
 * have completed, so it is known.
 */
#ifndef TESTS_UNIT_IMITATED_WRITERS_H
#define TESTS_UNIT_IMITATED_WRITERS_H

#include "imitated_module.h"

#define WRITERS_NR          3u
#define WRITERS_MARKS_MAX 400u /* of each */
#define WRITERS_SECTORS   333u /* of a part: parts share chunks */

struct writers_mark {
	char name[24];
	uint64_t sector;
	uint8_t *content; /* WRITERS_SECTORS */
	bool stands;      /* in a stretch that the module stands on */
	uint64_t time_ns; /* CLOCK_REALTIME, when it was recorded at the latest */
};

struct writers_options {
	unsigned int seed;
	unsigned int pause_us; /* at most, between writes */
	bool fail;             /* some writes fail */
	uint64_t first_sector; /* of the first part; the others follow it */
};

struct writers;

struct writers *writers_start(struct module *module, const struct writers_options *options);

/* Waits for what they are at. */
void writers_stop(struct writers *writers);

/* Only of those that have stopped. */
const struct writers_mark *writers_mark(const struct writers *writers, size_t nth); /* or NULL */

void writers_free(struct writers *writers);

#endif
