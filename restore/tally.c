// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "restore/tally.h"
#include "common/bit_run.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdlib.h>

static size_t nr_words(const struct tally *tally)
{
	return (size_t)(tally->nr_chunks / 64 + 1);
}

int tally_init(struct tally *tally, uint64_t volume_bytes, uint32_t chunk_bytes, uint64_t begin,
	       uint64_t end)
{
	*tally = (struct tally){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.begin = begin,
		.end = end,
		.volume_bytes = volume_bytes,
		.nr_chunks = volume_bytes / chunk_bytes + (volume_bytes % chunk_bytes != 0),
		.chunk_bytes = chunk_bytes,
	};
	for (int fate = 0; fate <= TALLY_UNREADABLE; fate++) {
		tally->bits[fate] = calloc(nr_words(tally), sizeof(uint64_t));
		if (!tally->bits[fate])
			return failure_set(-ENOMEM, "restore: out of memory");
	}
	return 0;
}

void tally_clear(struct tally *tally)
{
	for (int fate = 0; fate <= TALLY_UNREADABLE; fate++) {
		free(tally->bits[fate]);
		tally->bits[fate] = NULL;
	}
}

uint64_t tally_first_chunk(const struct tally *tally)
{
	return tally->begin / tally->chunk_bytes;
}

uint64_t tally_end_chunk(const struct tally *tally)
{
	return tally->end / tally->chunk_bytes + (tally->end % tally->chunk_bytes != 0);
}

void tally_note_chunks(struct tally *tally, enum tally_fate fate, uint64_t first, uint64_t nr)
{
	LOCK_SCOPE(&tally->lock);
	bit_set(tally->bits[fate], first, first + nr);
}

void tally_note(struct tally *tally, enum tally_fate fate, uint64_t offset, uint64_t bytes)
{
	uint64_t first = offset / tally->chunk_bytes;
	uint64_t behind = (offset + bytes + tally->chunk_bytes - 1) / tally->chunk_bytes;

	if (bytes)
		tally_note_chunks(tally, fate, first, behind - first);
}

void tally_forget_chunks(struct tally *tally, uint64_t first, uint64_t nr)
{
	LOCK_SCOPE(&tally->lock);
	for (int fate = 0; fate < TALLY_NR_FATES; fate++)
		for (uint64_t n = first; n < first + nr; n++)
			tally->bits[fate][n / 64] &= ~(1ull << n % 64);
}

uint64_t *tally_bitmap(const struct tally *tally, unsigned int fates)
{
	uint64_t *bits = calloc(nr_words(tally), sizeof(*bits));

	for (int fate = 0; bits && fate <= TALLY_UNREADABLE; fate++)
		for (size_t i = 0; fates >> fate & 1 && i < nr_words(tally); i++)
			bits[i] |= tally->bits[fate][i];
	return bits;
}

/* ---------------------------------------------------------------------- ranges */

/* Bit n % 64 of a word: whether it has that fate. */
static uint64_t word_of(const struct tally *tally, enum tally_fate fate, uint64_t nth)
{
	uint64_t word = 0;

	if (fate != TALLY_INCOMPLETE)
		return tally->bits[fate][nth];
	for (int known = 0; known < TALLY_NR_FATES; known++)
		word |= tally->bits[known][nth];
	return ~word;
}

/* The first chunk from there on, before end, that has the fate, or has it not. */
static uint64_t find(const struct tally *tally, enum tally_fate fate, uint64_t chunk, uint64_t end,
		     bool has)
{
	while (chunk < end) {
		uint64_t word = word_of(tally, fate, chunk / 64);

		word = (has ? word : ~word) >> chunk % 64;
		if (word) {
			chunk += (uint64_t)__builtin_ctzll(word);
			break;
		}
		chunk += 64 - chunk % 64;
	}
	return chunk < end ? chunk : end;
}

int tally_ranges(const struct tally *tally, enum tally_fate fate,
		 int (*range)(void *context, uint64_t offset, uint64_t bytes), void *context)
{
	uint64_t end = tally_end_chunk(tally);
	uint64_t first = find(tally, fate, tally_first_chunk(tally), end, true);
	int r = 0;

	while (r >= 0 && first < end) {
		uint64_t behind = find(tally, fate, first, end, false);
		uint64_t from = first * tally->chunk_bytes;
		uint64_t to = behind == end ? tally->end : behind * tally->chunk_bytes;

		if (from < tally->begin)
			from = tally->begin;
		r = range(context, from, to - from);
		first = find(tally, fate, behind, end, true);
	}
	return r < 0 ? r : 0;
}

static int add_bytes(void *sum, uint64_t offset, uint64_t bytes)
{
	*(uint64_t *)sum += bytes;
	return 0;
}

uint64_t tally_bytes(const struct tally *tally, enum tally_fate fate)
{
	uint64_t sum = 0;

	tally_ranges(tally, fate, add_bytes, &sum);
	return sum;
}

uint64_t tally_nr_chunks(const struct tally *tally, enum tally_fate fate)
{
	uint64_t end = tally_end_chunk(tally);
	uint64_t first = find(tally, fate, tally_first_chunk(tally), end, true);
	uint64_t nr = 0;

	while (first < end) {
		uint64_t behind = find(tally, fate, first, end, false);

		nr += behind - first;
		first = find(tally, fate, behind, end, true);
	}
	return nr;
}
