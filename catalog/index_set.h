/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * All index objects of a repository: where is a blob?
 */
#ifndef CATALOG_INDEX_SET_H
#define CATALOG_INDEX_SET_H

#include "catalog/blob.h"
#include "catalog/doom.h"
#include "catalog/index.h"
#include "catalog/store.h"

struct tmc_index_set; /**< may be shared by threads */

/** Opens nothing: that is for the first lookup. */
struct tmc_index_set *tmc_index_set_create(struct tmc_store *store, struct tmc_keys *keys,
					   const struct tmc_limits *limits);
void tmc_index_set_destroy(struct tmc_index_set *set);

/**
 * Open what has been added since. A damaged index object is remembered and makes
 * lookups that find nothing return -EBADMSG. Errors: -EPROTONOSUPPORT.
 */
int tmc_index_set_refresh(struct tmc_index_set *set);

/** 0, or the damage of the first index object that a refresh could not open. */
int tmc_index_set_check(struct tmc_index_set *set);

/** Open one index object, in a set that is never refreshed. */
int tmc_index_set_add(struct tmc_index_set *set, const struct tmc_id *id);

struct tmc_location {
	struct tmc_entry entry; /* valid within the limits; its pack counts in index */
	struct tmc_index *index;
	size_t number;          /* of index in the set */
	uint64_t position;      /* of the entry in index */
	struct tmc_id pack;
};

/**
 * A place of a blob. Refreshes once if it finds none. Errors: -EBADMSG (nowhere).
 */
int tmc_index_set_find(struct tmc_index_set *set, enum tmc_blob_type type,
		       const struct tmc_id *id, struct tmc_location *ret_location);

/** The same in one index. Returns 1, 0 (not there), or a negative errno. */
int tmc_index_set_find_in(struct tmc_index_set *set, size_t number, enum tmc_blob_type type,
			  const struct tmc_id *id, struct tmc_location *ret_location);

/**
 * Whether a blob need not be stored again: it has a place in a pack that exists and
 * is long enough. A pack that somebody lost is thus healed by the next backup.
 * Returns 1, 0 or a negative errno.
 */
int tmc_index_set_has(struct tmc_index_set *set, enum tmc_blob_type type,
		      const struct tmc_id *id);

/**
 * For tmc_index_set_has() alone: nothing is found through an index, or in a pack, that
 * one of the dooms lists, and what was remembered of packs is forgotten. dooms is
 * borrowed.
 */
void tmc_index_set_avoid(struct tmc_index_set *set, const struct tmc_dooms *dooms);

/** The indexes by number, 0 up; NULL at the end. They live as long as the set. */
struct tmc_index *tmc_index_set_get(struct tmc_index_set *set, size_t number);

#endif
