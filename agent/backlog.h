/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Since when there have been records that are not durable: a queue of parts of the journal, each
 * with the time of its first record. Parts that are close in time are one, and so are all later
 * ones where the queue is full: what it says is then too old, never too young.
 *
 * No lock of its own.
 */
#ifndef AGENT_BACKLOG_H
#define AGENT_BACKLOG_H

#include <stddef.h>
#include <stdint.h>

#define BACKLOG_PARTS 64u

/* All zero: nothing waits. */
struct backlog {
	struct backlog_part {
		uint64_t first_ns; /* CLOCK_REALTIME, of its first record */
		uint64_t last_seq; /* the journal's */
	} parts[BACKLOG_PARTS];    /* oldest first */
	size_t nr;
};

/** A record of that time has come; it and those behind it are in the part that is open now. */
void backlog_open(struct backlog *backlog, uint64_t first_ns);
/** The journal has what is in the open part, up to last_seq. */
void backlog_close(struct backlog *backlog, uint64_t last_seq);
/** Everything up to last_seq is durable. */
void backlog_drop(struct backlog *backlog, uint64_t last_seq);
/** The time of the oldest record that is not durable; 0: there is none. */
uint64_t backlog_oldest_ns(const struct backlog *backlog);

#endif
