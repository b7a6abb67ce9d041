/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_TRACKER_H
#define TM_TRACKER_H

#include <linux/atomic.h>
#include <linux/types.h>

#include "gate.h"

/*
 * One bit per chunk for what was written in the running epoch; and while there is a
 * cut two more, for what it froze, and which of that was released or preserved since.
 *
 * A chunk is *frozen* while it is in the frozen set and not done.
 *
 * Invariants
 *   T1  A write's chunks are dirty before the write is submitted.
 *   T2  dirty only gains bits, except at the instant of a cut, which takes them all.
 *   T3  frozen_set and all_frozen change only while no cut is active.
 *   T4  A done bit goes from 0 to 1 exactly once per cut: whoever sets it (the
 *       agent's release, a preserve) answers for the chunk's content.
 */
struct tm_tracker {
	unsigned long *dirty;      /* pointer: gate, read under RCU; bits: atomic */
	unsigned long *frozen_set; /* pointer: gate; bits constant during a cut; or NULL */
	unsigned long *done;       /* constant during a cut; bits: atomic; or NULL */
	u64 nr_chunks;             /* set at create, then constant */
	bool all_frozen;           /* gate; constant during a cut */
};

/* All chunks dirty. May sleep. -ENOMEM. destroy is fine after a failed create. */
int tm_tracker_create(struct tm_tracker *t, u64 nr_chunks);
void tm_tracker_destroy(struct tm_tracker *t);

/* first and last are inclusive and inside the volume, here and below. */
void tm_tracker_mark_many_dirty_locked(struct tm_tracker *t, u64 first, u64 last);
static inline void tm_tracker_mark_dirty_locked(struct tm_tracker *t, u64 first, u64 last)
{
	unsigned long bit = 1UL << (first & 63), *word = t->dirty + (first >> 6);

	tm_gate_assert_held();
	if (unlikely(first != last))
		tm_tracker_mark_many_dirty_locked(t, first, last);
	else if (!(READ_ONCE(*word) & bit))
		atomic_long_or(bit, (atomic_long_t *)word);
}
void tm_tracker_mark_all_dirty(struct tm_tracker *t);
/* Whole words of bits, inside the volume. The attachment's mutex keeps cuts away. */
void tm_tracker_mark_words_dirty(struct tm_tracker *t, u64 first_word, u64 nr_words,
				 const u64 *words);
u64 tm_tracker_count_dirty(struct tm_tracker *t);

/*
 * Take the memory of a cut: no cut may be active. fuzzy: no chunk will be frozen. May
 * sleep. -ENOMEM.
 */
int tm_tracker_prepare_cut(struct tm_tracker *t, bool fuzzy);
/* The counterpart: the cut is over and nobody is left who found it active. May sleep. */
void tm_tracker_finish_cut(struct tm_tracker *t);
/* The instant: the gate is closed. Takes constant time. */
void tm_tracker_cut_locked(struct tm_tracker *t, bool all);
/* Put what the last cut took back into dirty (T2): after the cut, before finish_cut. */
void tm_tracker_undo_cut(struct tm_tracker *t);

/* Is any chunk frozen? Only meaningful while a cut is active. */
bool tm_tracker_any_frozen(const struct tm_tracker *t, u64 first, u64 last);
u64 tm_tracker_count_frozen(const struct tm_tracker *t, u64 first, u64 last);
/* Become the one who answers for a frozen chunk; false: somebody else did. */
bool tm_tracker_claim(struct tm_tracker *t, u64 chunk);
/* The frozen set itself, whatever is done. */
u64 tm_tracker_frozen_word(const struct tm_tracker *t, u64 word);

#endif
