/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What the agent of a channel leaves to the next one, in the ring's consumer page, which
 * lives as long as the channel: docs/journal.md, "Taking over". It never leaves the machine
 * nor the boot, so it is in the processor's order. What is read there is checked and no more
 * than a claim: whoever could map the page may have written it.
 */
#ifndef AGENT_HANDOVER_H
#define AGENT_HANDOVER_H

#include <stdint.h>
#include <tidemark.h>
#include <uapi/tidemark.h>

/* What lies before position is durable, all that was consumed. Seqs are the journal's. */
struct handover {
	uint64_t position;        /* in the ring */
	uint64_t module_seq;      /* the module's, of the last record before it */
	uint64_t seq;             /* of the same; the last one of the segment */
	uint64_t stretch;
	uint64_t first_seq;       /* of the stretch */
	uint64_t unsettled_until; /* the module's; 0: no reread is unsettled */
	uint32_t ring_bytes;
	uint32_t zero;
	struct tmc_id segment;    /* the last one of the stretch */
	struct tmc_id repository;
	char volume_id[TMC_TEXT_BYTES];
};

/* Written in turn: while one is written the other one is whole. */
struct handover_copy {
	uint64_t magic;
	uint32_t version;
	uint32_t crc; /* of all behind it */
	uint64_t count; /* the higher one counts */
	struct handover handover;
};

struct handover_page {
	struct tidemark_ring_consumer consumer; /* all that the module reads */
	uint8_t zero[56];
	uint64_t owner; /* process id and a part of its start time; 0: none so far */
	uint8_t zero_too[56];
	struct handover_copy copies[2];
};

_Static_assert(sizeof(struct handover) == 376, "a change needs another version");
_Static_assert(sizeof(struct handover_page) <= 4096, "the smallest page");

/** Of this process and no later one with its id; 0: there is none. */
uint64_t handover_owner(uint32_t pid);

/**
 * Become the page's owner. Errors: -EBUSY (the process lives that is its owner), -EIO (no
 * /proc).
 */
int handover_claim(struct handover_page *page);

/** By one thread at a time, as is erasing. */
void handover_write(struct handover_page *page, const struct handover *handover);
void handover_erase(struct handover_page *page);

/** The latest whole one. Errors: -ENODATA (none), -EPROTONOSUPPORT (of another version). */
int handover_read(const struct handover_page *page, struct handover *ret_handover);

#endif
