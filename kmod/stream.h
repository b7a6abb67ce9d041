/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_STREAM_H
#define TM_STREAM_H

#include <linux/bio.h>
#include <linux/workqueue.h>

#include "flight.h"
#include "interposer.h"
#include "ring.h"

struct tm_attachment;

/*
 * All writes to an attachment as records in its ring. Invariants
 *   S1  While the stream is on, a write is reserved for in the pass through the gate
 *       that marks its chunks dirty, before it is submitted: a write submitted after
 *       another one completed comes after it in the ring, and its bits are in the
 *       epoch that its record is in.
 *   S2  The ring is closed for the stream before the first write is submitted that is
 *       not recorded. Up to the last record before that there is no hole.
 *   S3  A write's payload is read once, before the write is submitted. From the
 *       reservation to the publication nothing waits and no memory is taken.
 *   S4  A write waits for room at most stall_ms; then the stream is behind.
 *   S5  The instant of a cut is a record: what is before it in the ring is in the
 *       epoch that the cut ends.
 *   S6  A write that was submitted before the stream began and lands after it, and a
 *       recorded one that fails, is told as a range to be read again before its
 *       submitter knows of it.
 */
struct tm_stream {
	struct workqueue_struct *queue; /* set in create; own one: own rescuer */
	struct work_struct work;
	bool allowed;            /* attachment mutex; the table says "stream" */
	raw_spinlock_t lock;     /* inside the gate */
	struct bio_list waiting; /* lock: writes that wait for room */
	bool on;                 /* lock to write; together with the ring's state */
	struct tm_ring *ring;    /* while it is on, and until stop; the channel's */
	u32 part_sectors;        /* gate; the most that one record of a write has */
	u64 start_cut_seq;       /* gate; of the cut that began it */
	u32 state;               /* lock; TIDEMARK_STREAM_* */
	u32 behind_reason;       /* lock */
	atomic64_t nr_recorded;  /* records, since attach */
	atomic64_t nr_gaps;      /* since attach */
	atomic64_t nr_stalls;    /* writes that waited for room, since attach */
	s64 nr_gaps_told;        /* by the attachment's event work alone */
};

enum tm_stream_verdict {
	TM_STREAM_RECORDED, /* all of it */
	TM_STREAM_GOES_ON,  /* a part of it, or the stream is off: look again */
	TM_STREAM_WAITS,    /* the bio is ours until there is room */
};

int tm_stream_create(struct tm_attachment *a);
void tm_stream_destroy(struct tm_attachment *a);

/* Does this attachment have a record of the write still to make? Inside the gate. */
static inline bool tm_stream_wants(const struct tm_stream *stream, u32 serial,
				   const struct tm_flight *flight)
{
	return unlikely(READ_ONCE(stream->on)) && serial > flight->recorded_upto;
}

/*
 * Record the write, or its next part, or keep it until that is possible. Inside the
 * gate, which it leaves.
 */
enum tm_stream_verdict tm_stream_record(struct tm_attachment *a, struct bio *bio,
					unsigned long gate_flags);
/* For S6. Inside the gate. */
void tm_stream_rescan_locked(struct tm_attachment *a, const struct tm_flight *flight);

/* The table's word. May sleep. */
void tm_stream_allow(struct tm_attachment *a, bool allowed);
/* Can the stream be begun now? Attachment mutex held. -EOPNOTSUPP, -EAGAIN. */
int tm_stream_check_start(struct tm_attachment *a);
/* At the instant, the gate closed: begin it where asked to, record the cut. */
void tm_stream_cut_locked(struct tm_attachment *a, bool start, u64 ended_epoch, u64 cut_seq);
/* On return nothing of it waits, and the ring is not used. Attachment mutex held. May sleep. */
void tm_stream_stop(struct tm_attachment *a);
/* -ENOTCONN (not on), -ETIMEDOUT, -EPROTO. May sleep. */
int tm_stream_mark(struct tm_attachment *a, const char *text);

/* off, on, behind */
const char *tm_stream_state_name(const struct tm_attachment *a);
/* Since it was asked last? The log is told. */
bool tm_stream_had_gap(struct tm_attachment *a);

/* The one way to fall behind. Any context. */
void tm_stream_lose(struct tm_attachment *a, u32 reason);

#endif
