/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The consumer's side of the module's ring, over three pieces of memory. Used by
 * one thread. What the ring holds is checked before it is used, and read once: a
 * module that writes nonsense makes a backup fail, not overrun.
 */
#ifndef AGENT_RING_H
#define AGENT_RING_H

#include <stdbool.h>
#include <stdint.h>

struct tidemark_ring_consumer;
struct tidemark_ring_producer;

struct ring {
	struct tidemark_ring_consumer *consumer;
	const struct tidemark_ring_producer *producer;
	const uint8_t *data; /* ring_bytes, twice in a row */
	uint64_t ring_bytes;
	uint64_t position; /* ours; consumer->consumer_pos only repeats it */
	uint64_t next_seq;
	uint32_t pending_bytes; /* of the record that is looked at */
};

/* A record as the contract has it: its type is one of TIDEMARK_RECORD_*. */
struct ring_record {
	uint32_t type;
	uint32_t flags; /* TIDEMARK_RECORD_PREFLUSH and so on */
	uint64_t epoch;
	uint64_t time_ns;
	uint64_t chunk;
	uint64_t sector;
	uint64_t nr_sectors;
	uint32_t payload_bytes;
	const void *payload; /* in the ring, until ring_consume() */
};

void ring_init(struct ring *ring, struct tidemark_ring_consumer *consumer,
	       const struct tidemark_ring_producer *producer, const void *data,
	       uint64_t ring_bytes);

/**
 * Go on where another process has left off, right behind the record last_seq, before anything
 * is looked at. Errors: -ESTALE (more than that was consumed, or no stream goes on there).
 */
int ring_resume(struct ring *ring, uint64_t position, uint64_t last_seq);

/** Look at the next record. 1: there is one, 0: none, -EPROTO: nonsense. */
int ring_peek(struct ring *ring, struct ring_record *ret_record);

/** Give the space of the record just looked at back to the module. */
void ring_consume(struct ring *ring);

/** Has the module given the cut up? */
bool ring_cut_is_lost(const struct ring *ring);

/** Of the record that was consumed last; 0: none. */
uint64_t ring_consumed_seq(const struct ring *ring);
/** Behind it. */
uint64_t ring_consumed_position(const struct ring *ring);

/**
 * Every write that was submitted by now has a record, and has had one since the stream began.
 * From any thread.
 */
bool ring_stream_is_on(const struct ring *ring);

/** Bytes of records that have not been consumed, of ring_bytes. From any thread. */
uint64_t ring_waiting_bytes(const struct ring *ring);

/** The stream is off or behind, and every record that it had has been consumed. */
bool ring_stream_has_ended(const struct ring *ring);

#endif
