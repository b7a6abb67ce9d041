/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Names by hash: compare, format, compute.
 */
#ifndef CATALOG_ID_H
#define CATALOG_ID_H

#include "tidemark.h"

#include <string.h>

struct tmc_keys;
struct tmc_hash; /**< one running hash; used by one thread at a time */

/**
 * SHA-256, or HMAC-SHA-256 with the id key where the keys are of an encrypted
 * repository. keys NULL: SHA-256. Returns NULL: out of memory, libcrypto has no
 * SHA-256, or the repository is locked.
 */
struct tmc_hash *tmc_hash_create(const struct tmc_keys *keys);
void tmc_hash_destroy(struct tmc_hash *hash);
void tmc_hash_cleanup(struct tmc_hash **hash);
#define CLEANUP_HASH __attribute__((cleanup(tmc_hash_cleanup)))

/** A sequence is start, update..., finish; all return 0 or -EIO. */
int tmc_hash_start(struct tmc_hash *hash);
int tmc_hash_update(struct tmc_hash *hash, const void *data, size_t bytes);
int tmc_hash_finish(struct tmc_hash *hash, struct tmc_id *ret_id);

/** All three at once. */
int tmc_hash_once(struct tmc_hash *hash, const void *data, size_t bytes, struct tmc_id *ret_id);

extern const struct tmc_id tmc_id_zero;
extern const struct tmc_id tmc_id_unreadable;

static inline bool tmc_id_equal(const struct tmc_id *a, const struct tmc_id *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/** For bsearch and qsort: ascending. */
int tmc_id_compare(const void *a, const void *b);

static inline bool tmc_id_is_special(const struct tmc_id *id)
{
	return tmc_id_equal(id, &tmc_id_zero) || tmc_id_equal(id, &tmc_id_unreadable);
}

/** A file name; false if it is not exactly the digits of an id. */
bool tmc_id_parse(const char *text, struct tmc_id *ret_id);

#endif
