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
	u64 epoch;
	u64 chunk;
	const void *payload;
	u32 payload_bytes;
};

/* bytes: as tidemark_bind.ring_bytes, checked by the caller. -ENOMEM. May sleep. */
struct tm_ring *tm_ring_create(u32 bytes);
/* No producer is left. Mappings of user space keep their pages. */
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

/* Show the cut's state in the producer page. Any context, the closed gate included. */
void tm_ring_show_cut(struct tm_ring *ring, u32 cut_state, u32 lost_reason);
/* Wake those in poll, to look again. Any context. */
void tm_ring_wake(struct tm_ring *ring);

int tm_ring_mmap(struct tm_ring *ring, struct vm_area_struct *vma);
/* Registers with poll; EPOLLIN and EPOLLPRI as the contract says. */
__poll_t tm_ring_poll(struct tm_ring *ring, struct file *file, struct poll_table_struct *wait);

#endif
