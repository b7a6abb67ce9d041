// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What others are told of a protection. They ask at any time, also while its thread makes a
 * point for minutes; so what changes from moment to moment, the lag and the ring, is looked at
 * when it is asked for, and the thread only says what there is to look at.
 */
#include "agent/protection.h"
#include "common/clock_ns.h"
#include "common/lock_scope.h"

#include <stdio.h>
#include <string.h>

const char *protection_state_name(enum protection_state state)
{
	static const char *const names[] = {
		[PROTECTION_STARTING] = "starting",
		[PROTECTION_SCANNING] = "scanning",
		[PROTECTION_STREAMING] = "streaming",
		[PROTECTION_WAITING] = "waiting",
	};

	return names[state];
}

void protection_set_state(struct protection *p, enum protection_state state)
{
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);

	LOCK_SCOPE(&p->lock);
	if (p->status.state != state || !p->status.state_ns)
		p->status.state_ns = now_ns;
	p->status.state = state;
	p->status.since_ns = state == PROTECTION_STREAMING ? p->whole_ns : 0;
	if (state == PROTECTION_STREAMING)
		p->status.failing_ns = 0;
}

void protection_note_gap(struct protection *p)
{
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);

	LOCK_SCOPE(&p->lock);
	p->status.nr_gaps++;
	p->status.gap_ns = now_ns;
}

bool protection_note_failure(struct protection *p, const char *reason)
{
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);
	bool news;

	LOCK_SCOPE(&p->lock);
	news = !p->status.failing_ns || strcmp(p->status.reason, reason) != 0;
	snprintf(p->status.reason, sizeof(p->status.reason), "%s", reason);
	if (!p->status.failing_ns)
		p->status.failing_ns = now_ns;
	return news;
}

void protection_note_point(struct protection *p, const struct tmc_point *point,
			   uint64_t checked_ns)
{
	LOCK_SCOPE(&p->lock);
	p->status.point = point->id;
	p->status.point_ns = point->cut_time_ns;
	if (checked_ns > p->status.point_checked_ns)
		p->status.point_checked_ns = checked_ns;
}

void protection_show(struct protection *p)
{
	LOCK_SCOPE(&p->lock);
	p->shown.recorder = p->recorder;
	p->shown.ring = channel_ring(p->live.channel);
}

void protection_hide(struct protection *p)
{
	LOCK_SCOPE(&p->lock);
	p->shown.recorder = NULL;
	p->shown.ring = NULL;
}

/*
 * Where the stream is on at a later time, every write of before it has a place in the ring: so
 * the clock is read first, and the ring before the recorder.
 */
static bool find_lag_locked(struct protection *p, uint64_t now_ns, uint64_t *ret_lag_ns)
{
	uint64_t oldest_ns = p->status.durable_ns;
	bool streams = p->status.state == PROTECTION_STREAMING && p->shown.ring &&
		       ring_stream_is_on(p->shown.ring);

	if (streams)
		oldest_ns = recorder_oldest_ns(p->shown.recorder);
	if (!streams && !oldest_ns)
		return false;
	*ret_lag_ns = oldest_ns && oldest_ns < now_ns ? now_ns - oldest_ns : 0;
	return true;
}

void protection_get_status(struct protection *p, struct protection_status *ret_status)
{
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);

	LOCK_SCOPE(&p->lock);
	*ret_status = p->status;
	ret_status->scanned_bytes = atomic_load(&p->scan.read_bytes);
	ret_status->knows_lag = find_lag_locked(p, now_ns, &ret_status->lag_ns);
	if (!p->shown.ring)
		return;
	ret_status->ring_bytes = p->shown.ring->ring_bytes;
	ret_status->ring_waiting_bytes = ring_waiting_bytes(p->shown.ring);
}
