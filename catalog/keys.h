/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which repository it is, whether it is encrypted, and its keys once it has been
 * unlocked.
 */
#ifndef CATALOG_KEYS_H
#define CATALOG_KEYS_H

#include "catalog/aead.h"
#include "tidemark.h"

enum tmc_key_purpose {
	TMC_KEY_ID,      /* of hashes */
	TMC_KEY_BLOB,    /* of payloads in packs */
	TMC_KEY_INDEX,   /* of blocks of indexes */
	TMC_KEY_OBJECT,  /* of bodies of points, dooms, ledgers, notes */
	TMC_KEY_JOURNAL, /* of payloads and tables of segments */
	TMC_NR_KEYS,
};

struct tmc_keys; /**< constant once unlocked: may be shared by threads */

/** NULL: out of memory. */
struct tmc_keys *tmc_keys_create(const struct tmc_id *repo_id, bool encrypted);
void tmc_keys_destroy(struct tmc_keys *keys);

const struct tmc_id *tmc_keys_repo_id(const struct tmc_keys *keys);
bool tmc_keys_is_encrypted(const struct tmc_keys *keys);

/** Derive the keys of an encrypted repository. Errors: -EIO. */
int tmc_keys_unlock(struct tmc_keys *keys, const uint8_t master[TMC_KEY_BYTES]);

/** 0 if the repository can be worked with. Errors: -ENOKEY (it is locked). */
int tmc_keys_check(const struct tmc_keys *keys);

/** Those of an unlocked repository, in memory that is neither swapped nor dumped. */
const uint8_t *tmc_keys_master(const struct tmc_keys *keys);
const uint8_t *tmc_keys_get(const struct tmc_keys *keys, enum tmc_key_purpose which);

/**
 * A context with one of the keys, for one thread until it is put back. From any
 * thread. NULL: out of memory, or there are no keys.
 */
struct tmc_aead *tmc_keys_get_aead(struct tmc_keys *keys, enum tmc_key_purpose which);
void tmc_keys_put_aead(struct tmc_keys *keys, enum tmc_key_purpose which, struct tmc_aead *aead);

#endif
