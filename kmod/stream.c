// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Every write becomes a record: a place in the ring is reserved inside the gate,
 * which gives the order; the payload is copied outside of it, before the write goes
 * on. A write that finds no room is kept on a list, by its own link, and a worker
 * tries again: the submitter may be inside another driver's submit path.
 *
 *   OFF, BEHIND --cut with STREAM--> ON --lose()--> BEHIND, --stop()--> OFF
 */
#include "stream.h"

#include <linux/delay.h>
#include <linux/device-mapper.h>

#include "attachment.h"
#include "channel.h"
#include "gate.h"

/* ---------------------------------------------------------------------- states */

static void close_locked(struct tm_stream *stream, u32 state, u32 reason)
{
	/* In this order (S2): who still sees it on is refused by the ring. */
	tm_ring_set_stream(stream->ring, state, reason);
	WRITE_ONCE(stream->on, false);
	WRITE_ONCE(stream->state, state);
	WRITE_ONCE(stream->behind_reason, reason);
}

void tm_stream_lose(struct tm_attachment *a, u32 reason)
{
	struct tm_stream *stream = &a->stream;
	unsigned long flags;

	raw_spin_lock_irqsave(&stream->lock, flags);
	if (stream->on) {
		close_locked(stream, TIDEMARK_STREAM_BEHIND, reason);
		atomic64_inc(&stream->nr_gaps);
		schedule_work(&a->event);
	}
	raw_spin_unlock_irqrestore(&stream->lock, flags);
}

const char *tm_stream_state_name(const struct tm_attachment *a)
{
	switch (READ_ONCE(a->stream.state)) {
	case TIDEMARK_STREAM_ON:
		return "on";
	case TIDEMARK_STREAM_BEHIND:
		return "behind";
	default:
		return "off";
	}
}

static const char *behind_reason_name(u32 reason)
{
	switch (reason) {
	case TIDEMARK_BEHIND_STALLED:
		return "the agent did not drain the ring in time";
	case TIDEMARK_BEHIND_CONSUMER:
		return "the agent broke the ring";
	default:
		return "a write whose effect no record can tell";
	}
}

void tm_stream_log_gap(struct tm_attachment *a)
{
	s64 nr_gaps = atomic64_read(&a->stream.nr_gaps);

	if (nr_gaps == a->stream.nr_gaps_logged)
		return;
	a->stream.nr_gaps_logged = nr_gaps;
	pr_warn("tidemark: %s: stream behind: %s; changed chunks are tracked, writes go on\n",
		dm_disk(a->md)->disk_name, behind_reason_name(READ_ONCE(a->stream.behind_reason)));
}

void tm_stream_stop(struct tm_attachment *a)
{
	struct tm_stream *stream = &a->stream;
	unsigned long flags;

	lockdep_assert_held(&a->mutex);
	if (!stream->ring)
		return;
	raw_spin_lock_irqsave(&stream->lock, flags);
	close_locked(stream, TIDEMARK_STREAM_OFF, TIDEMARK_BEHIND_NOT);
	raw_spin_unlock_irqrestore(&stream->lock, flags);
	tm_gate_sync();
	flush_work(&stream->work);
	WARN_ON_ONCE(!bio_list_empty(&stream->waiting));
	stream->ring = NULL;
	schedule_work(&a->event);
}

void tm_stream_allow(struct tm_attachment *a, bool allowed)
{
	mutex_lock(&a->mutex);
	WRITE_ONCE(a->stream.allowed, allowed);
	if (!allowed)
		tm_stream_stop(a);
	mutex_unlock(&a->mutex);
}

int tm_stream_check_start(struct tm_attachment *a)
{
	lockdep_assert_held(&a->mutex);
	if (!a->stream.allowed)
		return -EOPNOTSUPP;
	/* Off, it has nothing that could take the room away again. */
	if (!READ_ONCE(a->stream.on) &&
	    tm_ring_room(tm_channel_ring(a->channel)) < sizeof(struct tidemark_record))
		return -EAGAIN;
	return 0;
}

static bool start_locked(struct tm_attachment *a, u64 cut_seq)
{
	struct tm_stream *stream = &a->stream;
	bool starts;

	raw_spin_lock(&stream->lock);
	starts = !stream->on;
	if (starts) {
		stream->ring = tm_channel_ring(a->channel);
		stream->start_cut_seq = cut_seq;
		WRITE_ONCE(stream->state, TIDEMARK_STREAM_ON);
		tm_ring_set_stream(stream->ring, TIDEMARK_STREAM_ON, TIDEMARK_BEHIND_NOT);
		WRITE_ONCE(stream->on, true);
		schedule_work(&a->event);
	}
	raw_spin_unlock(&stream->lock);
	return starts;
}

static void append_now(struct tm_attachment *a, const struct tm_record *record)
{
	switch (tm_ring_append_now(a->stream.ring, record)) {
	case 0:
		atomic64_inc(&a->stream.nr_recorded);
		break;
	case -EPROTO:
		tm_stream_lose(a, TIDEMARK_BEHIND_CONSUMER);
		break;
	default:
		tm_stream_lose(a, TIDEMARK_BEHIND_STALLED);
		break;
	}
}

void tm_stream_cut_locked(struct tm_attachment *a, bool start, u64 ended_epoch, u64 cut_seq)
{
	struct tm_record record = { .type = TIDEMARK_RECORD_CUT, .epoch = ended_epoch };

	tm_gate_assert_held();
	if (start && start_locked(a, cut_seq))
		record.flags = TIDEMARK_RECORD_STARTS;
	if (READ_ONCE(a->stream.on))
		append_now(a, &record);
}

void tm_stream_rescan_locked(struct tm_attachment *a, const struct tm_flight *flight)
{
	struct tm_record record = { .type = TIDEMARK_RECORD_RESCAN, .epoch = a->epoch };

	tm_gate_assert_held();
	tm_attachment_sectors(a, flight->sector, flight->nr_sectors, &record.sector,
			      &record.nr_sectors);
	append_now(a, &record);
	tm_ring_wake(a->stream.ring);
}

static bool still_on(void *context)
{
	struct tm_attachment *a = context;

	return READ_ONCE(a->stream.on);
}

int tm_stream_mark(struct tm_attachment *a, const char *text)
{
	struct tm_record record = {
		.type = TIDEMARK_RECORD_MARK,
		.payload = text,
		.payload_bytes = strlen(text),
	};
	int r = -ENOTCONN;

	mutex_lock(&a->mutex);
	record.epoch = a->epoch;
	if (still_on(a))
		r = tm_ring_append(a->stream.ring, &record,
				   ktime_add_ms(ktime_get(), READ_ONCE(a->stall_ms)), still_on, a);
	if (!r)
		atomic64_inc(&a->stream.nr_recorded);
	mutex_unlock(&a->mutex);
	return r == -ECANCELED ? -ENOTCONN : r;
}

/* ---------------------------------------------------------------------- writes */

static u32 record_type(const struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_WRITE:
		return bio_sectors(bio) ? TIDEMARK_RECORD_WRITE : TIDEMARK_RECORD_FLUSH;
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
		return TIDEMARK_RECORD_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return TIDEMARK_RECORD_ZEROES;
	default:
		return 0;
	}
}

static u32 record_flags(const struct bio *bio, bool is_first)
{
	u32 flags = bio->bi_opf & REQ_FUA ? TIDEMARK_RECORD_FUA : 0;

	if (is_first && bio->bi_opf & REQ_PREFLUSH)
		flags |= TIDEMARK_RECORD_PREFLUSH;
	return flags;
}

/* What of the write is in the attachment and not recorded yet, cut to what a record can have. */
static void describe(const struct tm_attachment *a, const struct bio *bio,
		     struct tm_stream_part *ret)
{
	const struct tm_flight *flight = tm_flight_of((struct bio *)bio);
	u64 end = flight->sector + flight->nr_sectors;
	u64 left;

	ret->record = (struct tm_record){ .type = record_type(bio), .epoch = a->epoch };
	ret->skip_bytes = 0;
	ret->is_last = true;
	if (!tm_attachment_sectors(a, flight->next_sector, end - flight->next_sector,
				   &ret->record.sector, &left))
		left = 0;
	ret->record.nr_sectors = left;
	ret->record.flags = record_flags(bio, flight->next_sector == flight->sector);
	if (ret->record.type != TIDEMARK_RECORD_WRITE)
		return;
	ret->record.nr_sectors = min_t(u64, left, tm_ring_part_bytes(a->stream.ring) >> SECTOR_SHIFT);
	ret->record.payload_bytes = ret->record.nr_sectors << SECTOR_SHIFT;
	ret->skip_bytes = (a->first_sector + ret->record.sector - flight->sector) << SECTOR_SHIFT;
	ret->is_last = ret->record.nr_sectors == left;
	if (!ret->is_last)
		ret->record.flags |= TIDEMARK_RECORD_MORE;
}

/* The one at the head keeps its place; it is the worker that has it. */
static void wait_locked(struct tm_stream *stream, struct bio *bio)
{
	struct tm_flight *flight = tm_flight_of(bio);

	raw_spin_lock(&stream->lock);
	if (flight->waits_for_room) {
		bio_list_add_head(&stream->waiting, bio);
	} else {
		flight->waits_for_room = true;
		flight->held_since = ktime_get();
		bio_clear_polled(bio);
		bio_list_add(&stream->waiting, bio);
	}
	queue_work(stream->queue, &stream->work);
	raw_spin_unlock(&stream->lock);
}

static int reserve(struct tm_attachment *a, const struct tm_flight *flight,
		   struct tm_stream_part *part)
{
	/* Whoever comes later does not overtake those who wait, as far as can be seen. */
	if (!flight->waits_for_room && data_race(a->stream.waiting.head))
		return -EAGAIN;
	return tm_ring_reserve(a->stream.ring, part->record.payload_bytes, &part->at);
}

static void move_on(struct tm_flight *flight, const struct tm_attachment *a,
		    const struct tm_stream_part *part)
{
	flight->waits_for_room = false;
	if (part->is_last) {
		flight->recorded_upto = a->serial;
		flight->next_sector = flight->sector;
	} else {
		flight->next_sector = a->first_sector + part->record.sector +
				      part->record.nr_sectors;
	}
}

enum tm_stream_verdict tm_stream_take_locked(struct tm_attachment *a, struct bio *bio,
					     struct tm_stream_part *ret_part)
{
	struct tm_flight *flight = tm_flight_of(bio);
	int r;

	tm_gate_assert_held();
	describe(a, bio, ret_part);
	if (!ret_part->record.type) {
		tm_stream_lose(a, TIDEMARK_BEHIND_OPERATION);
		return TM_STREAM_IS_OFF;
	}
	r = reserve(a, flight, ret_part);
	switch (r) {
	case 0:
		move_on(flight, a, ret_part);
		atomic64_inc(&a->stream.nr_recorded);
		return TM_STREAM_RECORDS;
	case -EAGAIN:
		wait_locked(&a->stream, bio);
		return TM_STREAM_WAITS;
	case -EPROTO:
		tm_stream_lose(a, TIDEMARK_BEHIND_CONSUMER);
		break;
	}
	return TM_STREAM_IS_OFF;
}

void tm_stream_record(const struct tm_stream_part *part, struct bio *bio)
{
	void *to = tm_ring_fill(&part->at, &part->record);
	struct bvec_iter iter = bio->bi_iter;
	struct bio_vec vec;

	if (part->record.payload_bytes) {
		bio_advance_iter(bio, &iter, part->skip_bytes);
		iter.bi_size = part->record.payload_bytes;
		__bio_for_each_segment(vec, bio, iter, iter) {
			memcpy(to, page_address(vec.bv_page) + vec.bv_offset, vec.bv_len);
			to += vec.bv_len;
		}
	}
	tm_ring_publish(&part->at);
}

static struct bio *next_waiting(struct tm_stream *stream)
{
	struct bio *bio;

	raw_spin_lock_irq(&stream->lock);
	bio = bio_list_pop(&stream->waiting);
	raw_spin_unlock_irq(&stream->lock);
	return bio;
}

static void work_through_waiting(struct work_struct *work)
{
	struct tm_attachment *a = container_of(work, struct tm_attachment, stream.work);
	ktime_t deadline;
	struct bio *bio;

	while ((bio = next_waiting(&a->stream))) {
		deadline = ktime_add_ms(tm_flight_of(bio)->held_since, READ_ONCE(a->stall_ms));
		if (ktime_after(ktime_get(), deadline))
			tm_stream_lose(a, TIDEMARK_BEHIND_STALLED);
		if (tm_interposer_resubmit(bio) == TM_BIO_HELD)
			usleep_range(200, 1000);
	}
}

/* --------------------------------------------------------------------- lifetime */

int tm_stream_create(struct tm_attachment *a)
{
	struct tm_stream *stream = &a->stream;

	raw_spin_lock_init(&stream->lock);
	bio_list_init(&stream->waiting);
	INIT_WORK(&stream->work, work_through_waiting);
	stream->queue = alloc_workqueue("tidemark_stream",
					WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 1);
	return stream->queue ? 0 : -ENOMEM;
}

void tm_stream_destroy(struct tm_attachment *a)
{
	if (a->stream.queue)
		destroy_workqueue(a->stream.queue);
}
