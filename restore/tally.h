/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What has become of each chunk of the range that is restored: a bit per chunk and fate. Chunks
 * without a fate are incomplete. Ranges are given in exact bytes: the first and the last
 * chunk of a range may be there in part.
 */
#ifndef RESTORE_TALLY_H
#define RESTORE_TALLY_H

#include <pthread.h>
#include <stdint.h>

enum tally_fate {
	TALLY_WRITTEN, /* content of the repository, verified */
	TALLY_ZEROED,
	TALLY_SAME,    /* read from the target, compared, and left */
	TALLY_KNOWN,   /* known to be unchanged, and neither read nor written */
	TALLY_NR_FATES,
	TALLY_UNREADABLE = TALLY_NR_FATES, /* besides one of those: zeros, by the backup's fault */
	TALLY_INCOMPLETE, /* of tally_ranges() alone */
};

struct tally {
	pthread_mutex_t lock; /* bits */
	uint64_t begin, end;  /* bytes of the volume; then constant */
	uint64_t volume_bytes;
	uint64_t nr_chunks;
	uint32_t chunk_bytes;
	uint64_t *bits[TALLY_UNREADABLE + 1];
};

/** begin < end <= volume_bytes, or an empty volume. Errors, with a sentence: -ENOMEM. */
int tally_init(struct tally *tally, uint64_t volume_bytes, uint32_t chunk_bytes, uint64_t begin,
	       uint64_t end);
/** All zero bytes are fine too. */
void tally_clear(struct tally *tally);

/** First chunk of the range, and the one behind its last. */
uint64_t tally_first_chunk(const struct tally *tally);
uint64_t tally_end_chunk(const struct tally *tally);

/** From any thread; bytes may end within a chunk at the ends of range and volume. */
void tally_note(struct tally *tally, enum tally_fate fate, uint64_t offset, uint64_t bytes);
void tally_note_chunks(struct tally *tally, enum tally_fate fate, uint64_t first, uint64_t nr);

/** They have no fate any more, and are incomplete. */
void tally_forget_chunks(struct tally *tally, uint64_t first, uint64_t nr);

/** A new bitmap of the chunks that have one of the fates (bits 1 << fate); NULL: no memory. */
uint64_t *tally_bitmap(const struct tally *tally, unsigned int fates);

/**
 * The ranges of a fate, ascending, neighbours joined. A negative return value of range()
 * stops, and is returned. Not while others note.
 */
int tally_ranges(const struct tally *tally, enum tally_fate fate,
		 int (*range)(void *context, uint64_t offset, uint64_t bytes), void *context);
uint64_t tally_bytes(const struct tally *tally, enum tally_fate fate);
uint64_t tally_nr_chunks(const struct tally *tally, enum tally_fate fate);

#endif
