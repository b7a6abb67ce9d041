// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/backlog.h"

#include <stdbool.h>
#include <string.h>

#define CLOSE_NS 50000000u /* parts within it are one */
#define OPEN     UINT64_MAX

/* The clock may have been set back: that is not close. */
static bool belongs_to(const struct backlog_part *part, uint64_t first_ns)
{
	return first_ns - part->first_ns < CLOSE_NS;
}

void backlog_open(struct backlog *backlog, uint64_t first_ns)
{
	struct backlog_part *last = backlog->nr ? &backlog->parts[backlog->nr - 1] : NULL;

	if (last && (backlog->nr == BACKLOG_PARTS || belongs_to(last, first_ns)))
		last->last_seq = OPEN;
	else
		backlog->parts[backlog->nr++] = (struct backlog_part){
			.first_ns = first_ns, .last_seq = OPEN,
		};
}

void backlog_close(struct backlog *backlog, uint64_t last_seq)
{
	if (backlog->nr && backlog->parts[backlog->nr - 1].last_seq == OPEN)
		backlog->parts[backlog->nr - 1].last_seq = last_seq;
}

void backlog_drop(struct backlog *backlog, uint64_t last_seq)
{
	size_t nr = 0;

	while (nr < backlog->nr && backlog->parts[nr].last_seq <= last_seq)
		nr++;
	backlog->nr -= nr;
	memmove(backlog->parts, backlog->parts + nr, backlog->nr * sizeof(*backlog->parts));
}

uint64_t backlog_oldest_ns(const struct backlog *backlog)
{
	return backlog->nr ? backlog->parts[0].first_ns : 0;
}
