/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_PRESERVE_H
#define TM_PRESERVE_H

#include <linux/bio.h>
#include <linux/workqueue.h>

struct tm_attachment;
struct tm_preserver;

/* Chunks that can be read at once: with the device's latency, the pace of held writes. */
#define TM_NR_PRESERVERS 8

/*
 * Writes to frozen chunks wait here while workers read what the chunks hold and
 * send it to the agent. Invariants:
 *   P1  A write to a frozen chunk is submitted only after the chunk's old content
 *       is in our memory, the agent has released the chunk, or the cut is over.
 *   P2  Whoever claims a chunk (tracker.h, T4) and then still sees the cut active
 *       knows that no write to it was submitted before the claim.
 *   P3  Each held write is submitted, whatever happens to the cut, the agent, or
 *       the memory: a worker needs none that was not taken before the cut.
 *   P4  A held write waits for ring space at most stall_ms, counted from the
 *       moment it was held; then the cut is lost.
 */
struct tm_preserve {
	struct workqueue_struct *queue; /* set in create; own one: own rescuer */
	raw_spinlock_t lock;            /* inside the gate */
	struct bio_list held;           /* lock */
	struct tm_preserver *preservers; /* attachment mutex; there while a cut is not ended */
	atomic64_t nr_preserved;        /* chunks, since attach */
	atomic64_t nr_held;             /* writes, since attach */
	atomic64_t nr_discards_dropped; /* bios, since attach */
};

int tm_preserve_create(struct tm_attachment *a);
void tm_preserve_destroy(struct tm_attachment *a);

/* Take the memory a cut needs. May sleep. -ENOMEM. Attachment mutex held. */
int tm_preserve_begin(struct tm_attachment *a);
/*
 * No cut is active and the gate was passed since: wait until what is held was
 * submitted, give the memory back. May sleep. Attachment mutex held.
 */
void tm_preserve_finish(struct tm_attachment *a);

/* Hold a write, with its flight on it, and set a worker to it. Inside the gate. */
void tm_preserve_hold_locked(struct tm_attachment *a, struct bio *bio);

#endif
