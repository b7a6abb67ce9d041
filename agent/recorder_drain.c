// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The thread that empties the ring. Where the pool has no batch left it stops, and the
 * module decides what becomes of the writer: that is the bound on memory. What it has
 * taken is handed on at once; a seal follows the first record after half the promised
 * time, since storing takes some.
 */
#include "agent/recorder.h"
#include "agent/record_batch.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <uapi/tidemark.h>
#include <unistd.h>

struct drainer {
	struct recorder *recorder;
	struct ring *ring;
	bool streams;          /* between the cut that starts it and its end */
	bool hurries;          /* what is in the ring by now is to be sealed */
	uint64_t unsealed_ns;  /* when the first record came that no seal follows; 0: none */
};

static int too_large(const struct ring_record *record)
{
	return failure_set(-EPROTO, "ring of the module: a record with %" PRIu32 " bytes of payload "
			   "makes no sense; this is a bug, please report it", record->payload_bytes);
}

/* 1: there may be more than the batch can hold. */
static int fill(struct drainer *drainer, struct record_batch *batch)
{
	struct ring_record record;
	int r;

	while ((r = ring_peek(drainer->ring, &record)) > 0) {
		if (!record_batch_add(batch, &record))
			return batch->bytes ? 1 : too_large(&record);
		if (record.type == TIDEMARK_RECORD_CUT && record.flags & TIDEMARK_RECORD_STARTS)
			drainer->streams = true;
		ring_consume(drainer->ring);
	}
	return r;
}

static uint64_t seal_due_ns(const struct drainer *drainer)
{
	return drainer->unsealed_ns + drainer->recorder->request.rpo_ns / 2;
}

/* more: the end of what is in the ring has not been seen. */
static void finish_batch(struct drainer *drainer, struct record_batch *batch, bool more)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	batch->last_seq = ring_consumed_seq(drainer->ring);
	batch->position = ring_consumed_position(drainer->ring);
	if (batch->bytes && !drainer->unsealed_ns)
		drainer->unsealed_ns = now_ns;
	if (!more && drainer->streams && ring_stream_has_ended(drainer->ring)) {
		batch->ends = true;
		drainer->streams = false;
	}
	batch->seal = (drainer->hurries && !more) ||
		      (drainer->unsealed_ns && now_ns >= seal_due_ns(drainer));
	drainer->hurries = drainer->hurries && more;
	if (batch->seal || batch->ends)
		drainer->unsealed_ns = 0;
}

static int wait_for_records(struct drainer *drainer)
{
	struct recorder *recorder = drainer->recorder;
	short events = drainer->streams ? POLLIN | POLLPRI : POLLIN;
	struct pollfd fds[] = {
		{.fd = channel_fd(recorder->request.channel), .events = events},
		{.fd = recorder->wake_fd, .events = POLLIN},
	};
	int timeout_ms = -1;
	uint64_t count;

	if (drainer->unsealed_ns) {
		uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), due_ns = seal_due_ns(drainer);

		timeout_ms = due_ns > now_ns ? (int)((due_ns - now_ns) / 1000000 + 1) : 0;
	}
	if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR)
		return failure_set(-errno, "poll: %s", strerror(errno));
	if (fds[1].revents & POLLIN && read(recorder->wake_fd, &count, sizeof(count)) < 0)
		return failure_set(-errno, "eventfd: %s", strerror(errno));
	if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
		return failure_set(-ENODEV, "the volume was detached");
	return 0;
}

/* 1: another round at once. */
static int round_of(struct drainer *drainer)
{
	struct recorder *recorder = drainer->recorder;
	struct record_batch *batch = queue_pop(recorder->empty);
	int more;

	if (!batch)
		return 0; /* closed: a failure */
	record_batch_clear(batch);
	/* Before the look at the ring: a hurry is about what is there by now. */
	if (atomic_exchange(&recorder->hurry, false))
		drainer->hurries = true;
	more = fill(drainer, batch);
	/* What came before nonsense is none. */
	finish_batch(drainer, batch, more != 0);
	queue_push(batch->bytes || batch->seal || batch->ends ? recorder->full : recorder->empty,
		   batch);
	return more;
}

void *recorder_drain(void *argument)
{
	struct recorder *recorder = argument;
	struct drainer drainer = {
		.recorder = recorder,
		.ring = channel_ring(recorder->request.channel),
		.streams = recorder->request.handover != NULL,
	};
	int r = 0;

	while (r >= 0 && !recorder_failure(recorder)) {
		/* Asked for first: what is in the ring by then is taken. */
		bool stops = atomic_load(&recorder->stopping);

		r = round_of(&drainer);
		if (r == 0 && stops)
			break;
		if (r == 0)
			r = wait_for_records(&drainer);
	}
	if (r < 0)
		recorder_fail(recorder, r);
	return NULL;
}
