/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One verification, in verify.c, verify_packs.c and verify_segments.c.
 */
#ifndef CATALOG_VERIFY_H
#define CATALOG_VERIFY_H

#include "catalog/doom.h"
#include "catalog/proof.h"
#include "catalog/repo.h"
#include "catalog/tree_check.h"

#include <pthread.h>
#include <stdatomic.h>

struct tmc_verify {
	struct tmc_repo *repo;
	const struct tmc_check_options *options;
	struct tmc_proof proof;
	struct tmc_tree_check trees;
	struct tmc_dooms dooms; /* that were there when it began */
	bool whole;             /* every object, not just what a point needs */
	bool is_first;          /* round of packs */
	bool index_is_short;    /* an index is damaged, or seems to be lost */

	struct tmc_id *packs; /* to check; constant while workers run, as the next three */
	uint64_t *pack_bytes; /* by number; 0: missing */
	bool *every_byte;     /* by number */
	size_t nr_packs;
	atomic_size_t next_pack;
	atomic_bool out_of_memory;
	struct tmc_id_list checked; /* packs that an index named then */

	pthread_mutex_t lock; /* all below, and calls of the options' callbacks */
	uint64_t done_bytes, total_bytes;
	struct tmc_verify_result result;
};

/** From any thread. */
void tmc_verify_note(struct tmc_verify *verify, const char *text);
/** An object, or a part of one, is damaged. */
void tmc_verify_damage_text(struct tmc_verify *verify, const char *text);
void tmc_verify_progress(struct tmc_verify *verify, uint64_t done_bytes, uint64_t read_bytes);

/** Whether a doom lists it that was there at the begin, or is there now. */
bool tmc_verify_is_given_up(struct tmc_verify *verify, enum tmc_store_kind kind,
			    const struct tmc_id *id);

/**
 * Check all packs, or those that are needed; in later rounds those that only later
 * indexes name.
 */
int tmc_verify_packs(struct tmc_verify *verify);

/** Check all segments of the journal, by one thread. */
int tmc_verify_segments(struct tmc_verify *verify);

#endif
