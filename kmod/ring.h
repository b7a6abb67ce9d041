/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_RING_H
#define TM_RING_H

#include <linux/ktime.h>
#include <linux/types.h>

struct poll_table_struct;
struct file;
struct tm_ring;
struct vm_area_struct;

/* A record to be: what the producer fills in. payload may be NULL. */
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

/* A place in the ring: to be filled and published soon, without a wait in between. */
struct tm_reservation {
	struct tm_ring *ring;
	u64 pos;
	u64 seq;
	u32 bytes;
};

/* bytes: as tidemark_bind.ring_bytes, checked by the caller. -ENOMEM. May sleep. */
struct tm_ring *tm_ring_create(u32 bytes);
/*
 * Nobody can reserve any more; what is reserved is waited for. Mappings of user
 * space keep their pages. May sleep.
 */
void tm_ring_destroy(struct tm_ring *ring);
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

/*
 * Reserve for a record of the stream; the order of reservations is its order. Any
 * context. -EAGAIN (no room but for what tm_ring_append_now() may need), -ESHUTDOWN
 * (the stream is closed), -EPROTO.
 */
int tm_ring_reserve(struct tm_ring *ring, u32 payload_bytes, struct tm_reservation *ret);
/* Writes the header; returns where the payload goes, if record->payload is NULL. */
void *tm_ring_fill(const struct tm_reservation *at, const struct tm_record *record);
void tm_ring_publish(const struct tm_reservation *done);
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

#endif
