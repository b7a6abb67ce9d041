/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_CUT_H
#define TM_CUT_H

#include <uapi/tidemark.h>

#include "attachment.h"

struct tm_cut_part {
	struct tm_attachment *attachment; /* caller holds a reference; has a channel */
	u32 flags;
	bool settles; /* set by the run: the freeze list says that nothing else is on its way */
	u64 ret_epoch;
	u64 ret_frozen_chunks;
};

/*
 * The calls of the contract (uapi/tidemark.h has the errors). All may sleep.
 * words arrays are in kernel memory.
 */
int tm_cut_run(struct tm_cut_part *parts, unsigned int nr_parts,
	       const struct tidemark_devno *freeze, unsigned int nr_freeze, u64 *ret_time_ns);
int tm_cut_read_frozen(struct tm_attachment *a, u64 first_word, u64 nr_words, u64 *ret_words);
int tm_cut_release(struct tm_attachment *a, u64 epoch, u64 first, u32 nr_chunks, u64 *ret_words);
int tm_cut_commit(struct tm_attachment *a, u64 epoch, const u8 base[TIDEMARK_BASE_BYTES]);
/* epoch 0: whichever cut there is, if any. Attachment mutex held for _locked. */
int tm_cut_abort(struct tm_attachment *a, u64 epoch);
int tm_cut_abort_locked(struct tm_attachment *a, u64 epoch);

/* none, active, lost */
const char *tm_cut_state_name(const struct tm_attachment *a);
/* Is old content worth keeping? Any context. */
static inline bool tm_cut_is_active(const struct tm_attachment *a)
{
	return READ_ONCE(a->cut_state) == TIDEMARK_CUT_ACTIVE;
}
/* The one way to lose a cut: ACTIVE -> LOST, logged once. Any context. */
void tm_cut_lose(struct tm_attachment *a, int reason);

#endif
