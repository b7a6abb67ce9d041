/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The chunks of a volume that records have changed since a point, as the records up to
 * an instant made them.
 */
#ifndef CATALOG_REPLAY_H
#define CATALOG_REPLAY_H

#include "catalog/tree.h"
#include "tidemark.h"

struct tmc_replay;

struct tmc_replay_span {
	const struct tmc_segment *segments; /* that hold the records, by seq, without a hole */
	size_t nr_segments;
	uint64_t base_seq; /* the first record is the one behind it */
	uint64_t last_seq;
};

/** Extents kept in memory at once; there is a variable for tests. */
#define TMC_REPLAY_EXTENTS (64u << 20 >> 5)
extern uint32_t tmc_replay_extents;

/**
 * Reads the tables, so that it is known what has changed; ended by tmc_replay_end. base: the
 * point's tree; both it and what span points to outlive the replay. Errors: -EBADMSG, -ENOENT.
 */
int tmc_replay_begin(struct tmc_repo *repo, const struct tmc_tree *base,
		     const struct tmc_replay_span *span, struct tmc_replay **ret_replay);
void tmc_replay_end(struct tmc_replay *replay);

/** Chunk n: bit n % 64 of word n / 64. */
const uint64_t *tmc_replay_changed(const struct tmc_replay *replay);
uint64_t tmc_replay_changed_bytes(const struct tmc_replay *replay);

/**
 * Deliver each changed chunk once, as tmc_sink wants it: from nr_workers threads, 0 for one
 * per CPU. Progress goes on from where what has not changed ends.
 */
int tmc_replay_run(struct tmc_replay *replay, unsigned int nr_workers, const struct tmc_sink *sink);

#endif
