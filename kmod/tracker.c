// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Bits per chunk. Everything works on whole words with masks, because one bio can
 * cover 4 GiB and this runs inside the gate.
 *
 * A bit is tested before it is set: most writes go to chunks that are dirty
 * already, and an atomic operation on a shared cache line costs far more than a
 * load.
 */
#include "tracker.h"

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "gate.h"

#if BITS_PER_LONG != 64
#error "dm-tidemark needs a 64-bit kernel"
#endif

#define BIT_OF(chunk)  ((chunk) & 63)
#define WORD_OF(chunk) ((chunk) >> 6)

static u64 nr_words(const struct tm_tracker *t)
{
	return WORD_OF(t->nr_chunks + 63);
}

/* The bits of word that stand for chunks in [first, last]. */
static unsigned long range_mask(u64 word, u64 first, u64 last)
{
	unsigned long mask = ~0UL;

	if (word == WORD_OF(first))
		mask &= ~0UL << BIT_OF(first);
	if (word == WORD_OF(last))
		mask &= ~0UL >> (63 - BIT_OF(last));
	return mask;
}

static void set_bits(unsigned long *word, unsigned long mask)
{
	if ((READ_ONCE(*word) & mask) != mask)
		atomic_long_or(mask, (atomic_long_t *)word);
}

static void set_range(unsigned long *map, u64 first, u64 last)
{
	u64 word;

	for (word = WORD_OF(first); word <= WORD_OF(last); word++)
		set_bits(map + word, range_mask(word, first, last));
}

/* Maps that do not fit are refused; nobody is killed to make room for them. */
static unsigned long *alloc_map(u64 words)
{
	return kvcalloc(words, sizeof(unsigned long),
			GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

int tm_tracker_create(struct tm_tracker *t, u64 nr_chunks)
{
	t->nr_chunks = nr_chunks;
	t->dirty = alloc_map(nr_words(t));
	if (!t->dirty)
		return -ENOMEM;
	tm_tracker_mark_all_dirty(t);
	return 0;
}

void tm_tracker_destroy(struct tm_tracker *t)
{
	kvfree(t->dirty);
}

void tm_tracker_mark_many_dirty_locked(struct tm_tracker *t, u64 first, u64 last)
{
	set_range(t->dirty, first, last);
}

void tm_tracker_mark_all_dirty(struct tm_tracker *t)
{
	set_range(t->dirty, 0, t->nr_chunks - 1);
}

void tm_tracker_mark_words_dirty(struct tm_tracker *t, u64 first_word, u64 nr_words,
				 const u64 *words)
{
	u64 i;

	for (i = 0; i < nr_words; i++)
		set_bits(t->dirty + first_word + i, words[i]);
}

u64 tm_tracker_count_dirty(struct tm_tracker *t)
{
	const unsigned long *dirty;
	u64 word, count = 0;

	/* A cut may take the map, and its end free it: partner of tm_tracker_finish_cut(). */
	rcu_read_lock();
	dirty = READ_ONCE(t->dirty);
	for (word = 0; word < nr_words(t); word++)
		count += hweight_long(READ_ONCE(dirty[word]));
	rcu_read_unlock();
	return count;
}

int tm_tracker_prepare_cut(struct tm_tracker *t, bool fuzzy)
{
	t->frozen_set = alloc_map(nr_words(t));
	t->done = alloc_map(nr_words(t));
	if (!t->frozen_set || !t->done) {
		tm_tracker_finish_cut(t);
		return -ENOMEM;
	}
	if (fuzzy)
		memset(t->done, 0xff, nr_words(t) * sizeof(unsigned long));
	return 0;
}

void tm_tracker_finish_cut(struct tm_tracker *t)
{
	synchronize_rcu();
	kvfree(t->frozen_set);
	kvfree(t->done);
	t->frozen_set = NULL;
	t->done = NULL;
}

void tm_tracker_cut_locked(struct tm_tracker *t, bool all)
{
	unsigned long *empty = t->frozen_set;

	tm_gate_assert_held();
	t->frozen_set = t->dirty;
	WRITE_ONCE(t->dirty, empty);
	t->all_frozen = all;
}

void tm_tracker_undo_cut(struct tm_tracker *t)
{
	u64 word;

	for (word = 0; word < nr_words(t); word++)
		set_bits(t->dirty + word, t->frozen_set[word]);
}

static unsigned long frozen_set_word(const struct tm_tracker *t, u64 word)
{
	return t->all_frozen ? ~0UL : t->frozen_set[word];
}

bool tm_tracker_any_frozen(const struct tm_tracker *t, u64 first, u64 last)
{
	u64 word;

	for (word = WORD_OF(first); word <= WORD_OF(last); word++)
		if (frozen_set_word(t, word) & ~READ_ONCE(t->done[word]) &
		    range_mask(word, first, last))
			return true;
	return false;
}

u64 tm_tracker_count_frozen(const struct tm_tracker *t, u64 first, u64 last)
{
	u64 word, count = 0;

	for (word = WORD_OF(first); word <= WORD_OF(last); word++)
		count += hweight_long(frozen_set_word(t, word) & ~READ_ONCE(t->done[word]) &
				      range_mask(word, first, last));
	return count;
}

bool tm_tracker_claim(struct tm_tracker *t, u64 chunk)
{
	if (!(frozen_set_word(t, WORD_OF(chunk)) & (1UL << BIT_OF(chunk))))
		return false;
	/* Fully ordered: P2 needs the claim before the next look at the cut's state. */
	return !test_and_set_bit(chunk, t->done);
}

u64 tm_tracker_frozen_word(const struct tm_tracker *t, u64 word)
{
	return frozen_set_word(t, word) & range_mask(word, 0, t->nr_chunks - 1);
}
