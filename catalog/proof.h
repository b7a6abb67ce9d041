/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a verification has proved so far: a few bits for every entry of every
 * index, and which index speaks of which pack.
 */
#ifndef CATALOG_PROOF_H
#define CATALOG_PROOF_H

#include "catalog/index_set.h"

enum tmc_proof_bit {
	TMC_PROOF_GOOD,     /* the blob is at its place, every byte of it */
	TMC_PROOF_LEAF,     /* a node of level 0, and all chunks below it are good */
	TMC_PROOF_NEEDED,   /* met before, while the packs that are needed are collected */
	TMC_NR_PROOF_BITS,
};

struct tmc_pack_mention { /* of a pack in an index */
	struct tmc_id pack;
	size_t number;     /* of the index in the set */
	uint32_t position; /* of the pack in the index */
	bool needed;
};

struct tmc_proof {
	struct tmc_index_set *indexes;
	size_t nr_indexes;
	_Atomic uint64_t **bits; /* by index number: TMC_NR_PROOF_BITS for each entry */
	struct tmc_pack_mention *mentions; /* sorted by pack */
	size_t nr_mentions;
};

/**
 * For the indexes that the set has now. damage() is called, with
 * tmc_error_text(), where an index cannot tell its packs.
 */
int tmc_proof_init(struct tmc_proof *proof, struct tmc_index_set *indexes,
		   void (*damage)(void *context), void *context);
/**
 * Take in the indexes that the set has got since. What is needed has to be collected
 * anew. Not while other threads use it.
 */
int tmc_proof_grow(struct tmc_proof *proof, void (*damage)(void *context), void *context);
void tmc_proof_exit(struct tmc_proof *proof);

/** From any thread. True if the bit was set already. */
bool tmc_proof_set(struct tmc_proof *proof, size_t number, uint64_t position,
		   enum tmc_proof_bit bit);
bool tmc_proof_is_set(const struct tmc_proof *proof, size_t number, uint64_t position,
		      enum tmc_proof_bit bit);

/** A good blob has been found in a pack: set the bit of each entry that says so. */
void tmc_proof_add_blob(struct tmc_proof *proof, const struct tmc_id *pack,
			const struct tmc_entry *entry);

/** A place of the blob that is proved good; false if there is none. */
bool tmc_proof_find(const struct tmc_proof *proof, enum tmc_blob_type type,
		    const struct tmc_id *id, struct tmc_location *ret_location);

/** The mentions of a pack: the first; NULL if no index knows it. */
struct tmc_pack_mention *tmc_proof_mentions(const struct tmc_proof *proof,
					    const struct tmc_id *pack);

#endif
