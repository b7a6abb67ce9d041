/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The master key under a passphrase, as an object.
 */
#ifndef CATALOG_KEY_SLOT_H
#define CATALOG_KEY_SLOT_H

#include "catalog/format.h"
#include "catalog/keys.h"
#include "catalog/store.h"

struct tmc_scrypt_cost {
	uint32_t log2_n, r, p;
};
extern struct tmc_scrypt_cost tmc_scrypt_cost; /* of new slots; a test makes it cheap */

/** What a slot holds. */
struct tmc_slot_secret {
	uint8_t master[TMC_KEY_BYTES];
	struct tmc_id config_digest;
};
void tmc_slot_secret_wipe(struct tmc_slot_secret *secret);

/** The passphrase's length is from 1 to TMC_PASSPHRASE_BYTES - 1; else -EINVAL. */
int tmc_passphrase_check(const char *passphrase);

/** Make a slot; label: as in struct tmc_key. Errors: -EINVAL (label or passphrase). */
int tmc_key_slot_store(struct tmc_store *store, struct tmc_keys *keys, const char *passphrase,
		       const char *label, const struct tmc_slot_secret *secret,
		       struct tmc_id *ret_id);

/** Read and check one, without a passphrase. Errors: -ENOENT, -EBADMSG. */
int tmc_key_slot_load(struct tmc_store *store, struct tmc_keys *keys, const struct tmc_id *id,
		      struct tmc_key_slot_disk *ret_disk);

/** Errors: -EKEYREJECTED (another passphrase), with no sentence. */
int tmc_key_slot_open(const struct tmc_key_slot_disk *disk, const char *passphrase,
		      struct tmc_slot_secret *ret_secret);

#endif
