/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_FLIGHT_H
#define TM_FLIGHT_H

#include <linux/blk_types.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/mempool.h>
#include <linux/percpu-refcount.h>
#include <linux/percpu.h>

struct tm_disk;

/*
 * What rides on a write until it completes. The bio's own completion is kept
 * here, ours observes it (a write in flight over a cut must be dirty in the next
 * epoch as well) and hands on to the original.
 */
struct tm_flight {
	void *private;
	bio_end_io_t *end_io;
	struct tm_disk *disk;
	sector_t sector; /* on the whole disk, as submitted */
	unsigned int nr_sectors;
	bool waits_for_room; /* in the ring of a stream */
	bool may_rest;       /* set when it is made: not one of the reserve */
	u32 recorded_upto;   /* serial of the last attachment that has its record */
	sector_t next_sector; /* not recorded yet by the one after that */
	u64 cut_seq;         /* the latest cut of all at submission */
	ktime_t held_since;
	struct tm_flight *next; /* while it rests */
};

/*
 * The flights of one disk. Those that have landed rest on their CPU for the next
 * write: taking one and giving it back costs a few instructions, and no allocator.
 *
 * Each flight, resting or not, has a reference on the disk; without one of its own no
 * flight is made. A reserve is never rested: whoever waits for a flight gets it.
 */
struct tm_flights {
	struct tm_resting __percpu *resting; /* interrupts off, of its CPU alone */
	mempool_t reserve;
	struct percpu_ref ref;
};

struct tm_resting {
	struct tm_flight *first;
	int room; /* for more; below 0: closed for good */
};

int tm_flights_init(void);
void tm_flights_exit(void);

/* The last reference calls released, in any context. May sleep. -ENOMEM. */
int tm_flights_create(struct tm_flights *f, percpu_ref_func_t *released);
/* After released was called. */
void tm_flights_destroy(struct tm_flights *f);
/* No flight rests any more; released is called when the last one has landed. May sleep. */
void tm_flights_close(struct tm_flights *f);

/* The caller's reference goes to the flight. NULL only where gfp does not let it wait. */
struct tm_flight *tm_flights_make(struct tm_flights *f, gfp_t gfp);
void tm_flights_free(struct tm_flights *f, struct tm_flight *flight);

/* One that rests here, with its reference, or NULL. Interrupts are off. */
static inline struct tm_flight *tm_flights_take(struct tm_flights *f)
{
	struct tm_resting *resting = this_cpu_ptr(f->resting);
	struct tm_flight *flight = resting->first;

	if (flight) {
		resting->first = flight->next;
		resting->room++;
	}
	return flight;
}

/* It has landed. Any context. Do not touch the disk after this. */
static inline void tm_flights_give_back(struct tm_flights *f, struct tm_flight *flight)
{
	struct tm_resting *resting;
	unsigned long flags;

	local_irq_save(flags);
	resting = this_cpu_ptr(f->resting);
	if (likely(flight->may_rest && resting->room > 0)) {
		resting->room--;
		flight->next = resting->first;
		resting->first = flight;
	} else {
		tm_flights_free(f, flight);
	}
	local_irq_restore(flags);
}

#endif
