/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One repair, whose steps lie in the files catalog/repair_*.c; repair.c has their order.
 */
#ifndef CATALOG_REPAIR_H
#define CATALOG_REPAIR_H

#include "catalog/pack_check.h"
#include "catalog/proof.h"
#include "catalog/repo.h"
#include "common/first_failure.h"

struct tmc_bad_pack {
	struct tmc_id id;
	bool missing;
};

struct tmc_repair {
	struct tmc_repo *repo;
	const struct tmc_repair_options *options;
	struct tmc_repair_result result;
	bool index_is_short; /* damaged, or a point misses a blob */
	bool quiet;          /* what is said of points now will be said again */

	struct tmc_repo view; /* the repository as it is now, with indexes and packs of its own */
	struct tmc_proof proof;

	enum tmc_pack_depth depth; /* constant while workers run, as the next two */
	struct tmc_id *packs;
	size_t nr_packs;
	atomic_size_t next_pack;
	struct first_failure failure; /* that is no damage */

	pthread_mutex_t lock; /* all below, and calls of the options' callbacks */
	uint64_t done_bytes, total_bytes;
	struct tmc_bad_pack *bad; /* sorted once the workers have ended */
	size_t nr_bad;
};

/** What is there and cannot be read, against what would better be tried again. */
bool tmc_repair_is_damage(int error);

/** From any thread. */
void tmc_repair_say(struct tmc_repair *repair, const char *text);
int tmc_repair_put_aside(struct tmc_repair *repair, enum tmc_store_kind kind,
			 const struct tmc_id *id);

/** Forget what was, and look at what is. */
int tmc_repair_open_view(struct tmc_repair *repair);

/** Look at all packs anew; sets the view, bad and the proof. */
int tmc_repair_check_packs(struct tmc_repair *repair, enum tmc_pack_depth depth);
/** NULL: it is not bad. */
const struct tmc_bad_pack *tmc_repair_find_bad(const struct tmc_repair *repair,
					       const struct tmc_id *pack);
/** Copy what can be read of bad packs, durably, unless it has a place in another one. */
int tmc_repair_salvage_packs(struct tmc_repair *repair);

/** Name the damaged ones. */
int tmc_repair_check_indexes(struct tmc_repair *repair);
/** Index anew what no intact index has; damaged ones go aside. */
int tmc_repair_rebuild_index(struct tmc_repair *repair);
/** Indexes that name bad packs go aside, once a new one says the rest of what they said. */
int tmc_repair_replace_indexes(struct tmc_repair *repair);

/** Count, and tell unless quiet, what points have lost; nothing is written. */
int tmc_repair_look_at_points(struct tmc_repair *repair);
int tmc_repair_replace_points(struct tmc_repair *repair);
/** A later backup has stored again what was lost: the original is whole. */
int tmc_repair_return_points(struct tmc_repair *repair);

/**
 * Name the damaged dooms and ledgers; they go aside if the options say so. Before
 * tmc_repo_enter(), which refuses them. Errors: also -EBUSY (somebody may be sweeping).
 */
int tmc_repair_check_dooms(struct tmc_repair *repair);

/** Name the damaged ones; they go aside if the options say so. */
int tmc_repair_check_notes(struct tmc_repair *repair);
int tmc_repair_check_segments(struct tmc_repair *repair);

#endif
