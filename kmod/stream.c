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

bool tm_stream_had_gap(struct tm_attachment *a)
{
	s64 nr_gaps = atomic64_read(&a->stream.nr_gaps);

	if (nr_gaps == a->stream.nr_gaps_told)
		return false;
	a->stream.nr_gaps_told = nr_gaps;
	pr_warn("tidemark: %s: stream behind: %s; changed chunks are tracked, writes go on\n",
		dm_disk(a->md)->disk_name, behind_reason_name(READ_ONCE(a->stream.behind_reason)));
	return true;
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
		stream->part_sectors = tm_ring_part_bytes(stream->ring) >> SECTOR_SHIFT;
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
	switch (tm_bio_op(bio)) {
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

static __always_inline u32 record_flags(const struct bio *bio, bool is_first, bool is_last)
{
	u32 flags = is_last ? 0 : TIDEMARK_RECORD_MORE;

	if (likely(!(bio->bi_opf & (REQ_FUA | REQ_PREFLUSH))))
		return flags;
	if (bio->bi_opf & REQ_FUA)
		flags |= TIDEMARK_RECORD_FUA;
	if (is_first && bio->bi_opf & REQ_PREFLUSH)
		flags |= TIDEMARK_RECORD_PREFLUSH;
	return flags;
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
		atomic64_inc(&stream->nr_stalls);
		flight->held_since = ktime_get();
		bio_clear_polled(bio);
		bio_list_add(&stream->waiting, bio);
	}
	queue_work(stream->queue, &stream->work);
	raw_spin_unlock(&stream->lock);
}

/* recorded: sectors of the attachment, up to where there are records now */
static void move_on(struct tm_flight *flight, const struct tm_attachment *a, u64 recorded,
		    bool is_last)
{
	flight->waits_for_room = false;
	if (likely(is_last)) {
		flight->recorded_upto = a->serial;
		flight->next_sector = flight->sector;
	} else {
		flight->next_sector = a->first_sector + recorded;
	}
}

static __always_inline s64 reserve(struct tm_attachment *a, const struct tm_flight *flight,
				   u32 payload_bytes)
{
	/* Whoever comes later does not overtake those who wait, as far as can be seen. */
	if (unlikely(data_race(a->stream.waiting.head)) && !flight->waits_for_room)
		return -EAGAIN;
	return tm_ring_reserve(a->stream.ring, payload_bytes);
}

/* Inside the gate, which it leaves. */
static noinline enum tm_stream_verdict refuse(struct tm_attachment *a, struct bio *bio, int error,
					      unsigned long gate_flags)
{
	enum tm_stream_verdict verdict = TM_STREAM_GOES_ON;

	if (error == -EAGAIN) {
		wait_locked(&a->stream, bio);
		verdict = TM_STREAM_WAITS;
	} else if (error == -EPROTO) {
		tm_stream_lose(a, TIDEMARK_BEHIND_CONSUMER);
	} else if (error == -EOPNOTSUPP) {
		tm_stream_lose(a, TIDEMARK_BEHIND_OPERATION);
	}
	tm_gate_exit(gate_flags);
	return verdict;
}

static __always_inline void copy_payload(void *to, struct bio *bio, u32 skip_bytes, u32 bytes)
{
	struct bvec_iter iter = bio->bi_iter;
	struct bio_vec vec;

	if (unlikely(skip_bytes))
		bio_advance_iter(bio, &iter, skip_bytes);
	iter.bi_size = bytes;
	/* Pages of one vector are neighbours, and all memory is mapped. */
	__bio_for_each_bvec(vec, bio, iter, iter) {
		memcpy(to, page_address(vec.bv_page) + vec.bv_offset, vec.bv_len);
		to += vec.bv_len;
	}
}

/*
 * A record has what of the write is in the attachment and not recorded yet, cut to what
 * one can have.
 */
enum tm_stream_verdict tm_stream_record(struct tm_attachment *a, struct bio *bio,
					unsigned long gate_flags)
{
	struct tm_flight *flight = tm_flight_of(bio);
	u64 next = flight->next_sector, end = flight->sector + flight->nr_sectors;
	u64 sector = 0, left = 0, nr_sectors;
	u32 type = record_type(bio), payload_bytes = 0, skip_bytes;
	struct tm_ring *ring = a->stream.ring;
	struct tidemark_record *record;
	bool is_last;
	s64 pos;

	tm_gate_assert_held();
	tm_attachment_sectors(a, next, end - next, &sector, &left);
	nr_sectors = left;
	if (likely(type == TIDEMARK_RECORD_WRITE)) {
		nr_sectors = min_t(u64, left, a->stream.part_sectors);
		payload_bytes = nr_sectors << SECTOR_SHIFT;
	}
	pos = likely(type) ? reserve(a, flight, payload_bytes) : -EOPNOTSUPP;
	if (unlikely(pos < 0))
		return refuse(a, bio, pos, gate_flags);
	is_last = nr_sectors == left;
	skip_bytes = (a->first_sector + sector - flight->sector) << SECTOR_SHIFT;
	record = tm_ring_record_at(ring, pos);
	record->type = type;
	record->flags = record_flags(bio, next == flight->sector, is_last);
	record->epoch = a->epoch;
	record->chunk = 0;
	record->sector = sector;
	record->nr_sectors = nr_sectors;
	move_on(flight, a, sector + nr_sectors, is_last);
	atomic64_inc(&a->stream.nr_recorded);
	tm_gate_exit(gate_flags);
	if (likely(payload_bytes))
		copy_payload(record + 1, bio, skip_bytes, payload_bytes);
	tm_ring_publish(ring, pos, tm_ring_record_bytes(payload_bytes), true);
	return likely(is_last) ? TM_STREAM_RECORDED : TM_STREAM_GOES_ON;
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
