// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Barriers. The acquire load of producer_pos pairs with the module's release
 * store after the last byte of a record is in place; our release store of
 * consumer_pos pairs with the module's acquire load before it reuses the space.
 */
#include "agent/ring.h"
#include "common/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <uapi/tidemark.h>

void ring_init(struct ring *ring, struct tidemark_ring_consumer *consumer,
	       const struct tidemark_ring_producer *producer, const void *data,
	       uint64_t ring_bytes)
{
	*ring = (struct ring){
		.consumer = consumer,
		.producer = producer,
		.data = data,
		.ring_bytes = ring_bytes,
		.next_seq = 1,
	};
}

int ring_resume(struct ring *ring, uint64_t position, uint64_t last_seq)
{
	uint64_t consumed = __atomic_load_n(&ring->consumer->consumer_pos, __ATOMIC_ACQUIRE);
	uint64_t produced = __atomic_load_n(&ring->producer->producer_pos, __ATOMIC_ACQUIRE);

	if (consumed != position)
		return failure_set(-ESTALE, "the process before had taken %" PRIu64 " bytes of "
				   "records that it did not make durable", consumed - position);
	if (position % TIDEMARK_RECORD_ALIGN || produced - position > ring->ring_bytes)
		return failure_set(-ESTALE, "position %" PRIu64 " is not in the ring", position);
	ring->position = position;
	ring->next_seq = last_seq + 1;
	if (__atomic_load_n(&ring->producer->stream_state, __ATOMIC_ACQUIRE) == TIDEMARK_STREAM_ON)
		return 0;
	if (__atomic_load_n(&ring->producer->stream_state, __ATOMIC_ACQUIRE) !=
		    TIDEMARK_STREAM_BEHIND ||
	    __atomic_load_n(&ring->producer->stream_last_seq, __ATOMIC_RELAXED) < last_seq)
		return failure_set(-ESTALE, "no stream goes on there");
	return 0;
}

static int nonsense(const struct ring *ring, const char *what, uint64_t value)
{
	return failure_set(-EPROTO, "ring of the module: %s %" PRIu64 " at position %" PRIu64
			   " makes no sense; this is a bug, please report it", what, value,
			   ring->position);
}

int ring_peek(struct ring *ring, struct ring_record *ret_record)
{
	uint64_t produced = __atomic_load_n(&ring->producer->producer_pos, __ATOMIC_ACQUIRE);
	uint64_t available = produced - ring->position;
	const uint8_t *at = ring->data + ring->position % ring->ring_bytes;
	struct tidemark_record header;

	if (available == 0)
		return 0;
	if (available > ring->ring_bytes || available % TIDEMARK_RECORD_ALIGN)
		return nonsense(ring, "producer position", produced);
	/* A copy: nothing that was checked is read from the ring again. */
	memcpy(&header, at, sizeof(header));
	if (header.record_bytes < sizeof(header) || header.record_bytes > available ||
	    header.record_bytes % TIDEMARK_RECORD_ALIGN)
		return nonsense(ring, "record size", header.record_bytes);
	if (header.payload_bytes > header.record_bytes - sizeof(header))
		return nonsense(ring, "payload size", header.payload_bytes);
	if (header.seq != ring->next_seq)
		return nonsense(ring, "sequence number", header.seq);
	if (header.type < TIDEMARK_RECORD_PRESERVED || header.type > TIDEMARK_RECORD_RESCAN)
		return nonsense(ring, "record type", header.type);
	*ret_record = (struct ring_record){
		.type = header.type,
		.flags = header.flags,
		.epoch = header.epoch,
		.time_ns = header.time_ns,
		.chunk = header.chunk,
		.sector = header.sector,
		.nr_sectors = header.nr_sectors,
		.payload_bytes = header.payload_bytes,
		.payload = at + sizeof(header),
	};
	ring->pending_bytes = header.record_bytes;
	return 1;
}

void ring_consume(struct ring *ring)
{
	ring->position += ring->pending_bytes;
	ring->pending_bytes = 0;
	ring->next_seq++;
	__atomic_store_n(&ring->consumer->consumer_pos, ring->position, __ATOMIC_RELEASE);
}

bool ring_cut_is_lost(const struct ring *ring)
{
	return __atomic_load_n(&ring->producer->cut_state, __ATOMIC_ACQUIRE) == TIDEMARK_CUT_LOST;
}

uint64_t ring_consumed_seq(const struct ring *ring)
{
	return ring->next_seq - 1;
}

uint64_t ring_consumed_position(const struct ring *ring)
{
	return ring->position;
}

bool ring_stream_is_on(const struct ring *ring)
{
	return __atomic_load_n(&ring->producer->stream_state, __ATOMIC_ACQUIRE) == TIDEMARK_STREAM_ON;
}

/* In this order the difference is not negative; both may have moved on in between. */
uint64_t ring_waiting_bytes(const struct ring *ring)
{
	uint64_t consumed = __atomic_load_n(&ring->consumer->consumer_pos, __ATOMIC_ACQUIRE);
	uint64_t produced = __atomic_load_n(&ring->producer->producer_pos, __ATOMIC_ACQUIRE);

	return produced - consumed < ring->ring_bytes ? produced - consumed : ring->ring_bytes;
}

bool ring_stream_has_ended(const struct ring *ring)
{
	return !ring_stream_is_on(ring) &&
	       ring_consumed_seq(ring) >=
		       __atomic_load_n(&ring->producer->stream_last_seq, __ATOMIC_RELAXED);
}
