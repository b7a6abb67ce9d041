/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_RING_H
#define TM_RING_H

#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>
#include <uapi/tidemark.h>

struct poll_table_struct;
struct file;
struct vm_area_struct;

/* Nobody but ring.c and the inline functions below looks inside. */
struct tm_ring {
	/* Set in create, then constant. */
	u32 bytes;
	unsigned int nr_pages;
	struct page **pages; /* the data area, then itself again */
	void *data;
	struct tidemark_ring_producer *producer;
	struct tidemark_ring_consumer *consumer;

	raw_spinlock_t lock; /* inside the gate */
	u64 reserved_pos;           /* lock */
	u64 published_pos;          /* lock */
	u64 consumed_pos;           /* lock; the last position that made sense */
	u64 seq;                    /* lock */
	u64 time_ns;                /* lock; of the tick below */
	unsigned long time_jiffies; /* lock */
	bool broken;                /* lock; sticky */
	bool stream_is_open;        /* lock */
	wait_queue_head_t readers;
	/*
	 * lock; by position in units of the alignment: how many units the record there
	 * takes, where it is complete and one before it is not; else 0.
	 */
	u16 *complete_units;
};

/* What the stream leaves free, so that the record of a cut finds room. */
#define TM_RING_SPARE_BYTES 256

/* A record to be: what the producer fills in. */
struct tm_record {
	u32 type;
	u32 flags;
	u64 epoch;
	u64 chunk;
	u64 sector;
	u64 nr_sectors;
	const void *payload;
	u32 payload_bytes;
};

/* bytes: as tidemark_bind.ring_bytes, checked by the caller. -ENOMEM. May sleep. */
struct tm_ring *tm_ring_create(u32 bytes);
/*
 * Nobody can reserve any more; what is reserved is waited for. Mappings of user
 * space keep their pages. May sleep.
 */
void tm_ring_destroy(struct tm_ring *ring);
/* Of the latest reservation. Any context. */
u64 tm_ring_last_seq(struct tm_ring *ring);
/* Bytes free at this moment. */
u64 tm_ring_room(struct tm_ring *ring);

/*
 * Append a record, waiting for space until the deadline; many producers at once.
 * keep_waiting is asked while there is none. -ETIMEDOUT, -ECANCELED (keep_waiting
 * said no), -EPROTO (the consumer's position makes no sense). May sleep.
 */
int tm_ring_append(struct tm_ring *ring, const struct tm_record *record, ktime_t deadline,
		   bool (*keep_waiting)(void *context), void *context);

/* The same without waiting: -EAGAIN. Any context. Whoever reads is not woken. */
int tm_ring_append_now(struct tm_ring *ring, const struct tm_record *record);

/* Most payload that one record of the stream can have: a multiple of a sector. */
u32 tm_ring_part_bytes(const struct tm_ring *ring);

/* TIDEMARK_STREAM_*: reservations for the stream are only given while it is on. Any context. */
void tm_ring_set_stream(struct tm_ring *ring, u32 stream_state, u32 behind_reason);

/* Show the cut's state in the producer page. Any context, the closed gate included. */
void tm_ring_show_cut(struct tm_ring *ring, u32 cut_state, u32 lost_reason);
/* Wake those in poll, to look again. Any context. */
void tm_ring_wake(struct tm_ring *ring);

int tm_ring_mmap(struct tm_ring *ring, struct vm_area_struct *vma);
/* Registers with poll; EPOLLIN and EPOLLPRI as the contract says. */
__poll_t tm_ring_poll(struct tm_ring *ring, struct file *file, struct poll_table_struct *wait);

/* ------------------------------------------------------- the way of each write */

static inline u16 *tm_ring_units_at(struct tm_ring *ring, u64 pos)
{
	return ring->complete_units + (pos & (ring->bytes - 1)) / TIDEMARK_RECORD_ALIGN;
}

/* The partner of acquire is the consumer's store: what it read may be overwritten. */
static inline int tm_ring_look_at_consumer_locked(struct tm_ring *ring)
{
	u64 pos = smp_load_acquire(&ring->consumer->consumer_pos);

	lockdep_assert_held(&ring->lock);
	if (unlikely(pos - ring->consumed_pos > ring->published_pos - ring->consumed_pos ||
		     pos % TIDEMARK_RECORD_ALIGN))
		ring->broken = true;
	if (unlikely(ring->broken))
		return -EPROTO;
	ring->consumed_pos = pos;
	return 0;
}

/* The clock is read once a tick; it is no more precise than that. */
static __always_inline u64 tm_ring_time_locked(struct tm_ring *ring)
{
	if (unlikely(ring->time_jiffies != jiffies)) {
		ring->time_jiffies = jiffies;
		ring->time_ns = ktime_get_coarse_real_ns();
	}
	return ring->time_ns;
}

static __always_inline u32 tm_ring_record_bytes(u32 payload_bytes)
{
	return ALIGN(sizeof(struct tidemark_record) + payload_bytes, TIDEMARK_RECORD_ALIGN);
}

/* Of a reservation. The payload goes right behind the header. */
static __always_inline struct tidemark_record *tm_ring_record_at(struct tm_ring *ring, u64 pos)
{
	return ring->data + (pos & (ring->bytes - 1));
}

/*
 * A place in the ring: to be filled and published soon, without a wait in between. What
 * the ring knows of the record stands there: record_bytes, seq, time_ns, payload_bytes.
 * Returns its position. The ring's lock is held. -EAGAIN (no room), -EPROTO.
 */
static __always_inline s64 tm_ring_reserve_locked(struct tm_ring *ring, u32 payload_bytes, u32 spare)
{
	u32 bytes = tm_ring_record_bytes(payload_bytes);
	u64 pos = ring->reserved_pos, end = pos + bytes + spare;
	struct tidemark_record *record = tm_ring_record_at(ring, pos);

	/* The consumer's page, which it writes all the time, is left alone while there is room. */
	if (unlikely(end - ring->consumed_pos > ring->bytes)) {
		if (tm_ring_look_at_consumer_locked(ring))
			return -EPROTO;
		if (end - ring->consumed_pos > ring->bytes)
			return -EAGAIN;
	}
	record->record_bytes = bytes;
	record->seq = ++ring->seq;
	record->time_ns = tm_ring_time_locked(ring);
	record->payload_bytes = payload_bytes;
	ring->reserved_pos = pos + bytes;
	return pos;
}

/*
 * Reserve for a record of the stream; the order of reservations is its order. Inside
 * the gate. -EAGAIN (no room but for what tm_ring_append_now() may need), -ESHUTDOWN
 * (the stream is closed), -EPROTO.
 */
static __always_inline s64 tm_ring_reserve(struct tm_ring *ring, u32 payload_bytes)
{
	s64 pos = -ESHUTDOWN;

	raw_spin_lock(&ring->lock);
	if (likely(ring->stream_is_open))
		pos = tm_ring_reserve_locked(ring, payload_bytes, TM_RING_SPARE_BYTES);
	raw_spin_unlock(&ring->lock);
	return pos;
}

void tm_ring_catch_up_locked(struct tm_ring *ring);

/*
 * The record is complete. The ring may go away once that is known, but not before
 * interrupts are on again.
 */
static __always_inline void tm_ring_publish(struct tm_ring *ring, u64 pos, u32 bytes, bool wake)
{
	unsigned long flags;

	local_irq_save(flags);
	raw_spin_lock(&ring->lock);
	if (likely(ring->published_pos == pos)) {
		ring->published_pos = pos + bytes;
		if (pos + bytes != ring->reserved_pos)
			tm_ring_catch_up_locked(ring);
		/* Partner: the consumer's acquiring load. */
		smp_store_release(&ring->producer->producer_pos, ring->published_pos);
	} else {
		*tm_ring_units_at(ring, pos) = bytes / TIDEMARK_RECORD_ALIGN;
	}
	raw_spin_unlock(&ring->lock);
	if (wake && unlikely(wq_has_sleeper(&ring->readers)))
		tm_ring_wake(ring);
	local_irq_restore(flags);
}

#endif
