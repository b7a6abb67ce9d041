// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Key slot. Input: repairs, slot. It is opened with a passphrase where that is cheap;
 * sealing it is done here as docs/format.md says, and nothing else may be opened.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/key_slot.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define REPAIR_HEADER 1u
#define REPAIR_COST   2u /* is as low as it may be */
#define REPAIR_SEAL   4u
#define REPAIR_NAME   8u
#define PASSPHRASE    "fuzz"
#define CHEAP_BYTES   (1u << 20)
#define CAP_BYTES     (2 * CHEAP_BYTES + (64u << 10)) /* of scrypt */

static uint8_t image[2 * sizeof(struct tmc_key_slot_disk)];

static bool is_cheap(const struct tmc_key_slot_disk *disk)
{
	uint32_t log2_n = get_le32(disk->log2_n), r = get_le32(disk->r), p = get_le32(disk->p);

	return log2_n <= 12 && r <= 32 && p <= 2 && (128ull << log2_n) * r <= CHEAP_BYTES;
}

/* False where these parameters give no key. */
static bool seal(struct tmc_key_slot_disk *disk)
{
	uint8_t key[TMC_KEY_BYTES], secret[64] = { 7 };
	struct tmc_aead *aead;

	if (!is_cheap(disk) ||
	    !EVP_PBE_scrypt(PASSPHRASE, strlen(PASSPHRASE), disk->salt, sizeof(disk->salt),
			    1ull << get_le32(disk->log2_n), get_le32(disk->r), get_le32(disk->p),
			    2 * CHEAP_BYTES, key, sizeof(key)))
		return false;
	aead = tmc_aead_create(key);
	if (!aead || tmc_aead_seal(aead, disk->nonce, disk, 264, secret, sizeof(secret),
				   disk->sealed) < 0)
		abort();
	tmc_aead_destroy(aead);
	return true;
}

/* Returns whether it was sealed. */
static bool repair(uint8_t repairs)
{
	struct tmc_key_slot_disk disk;
	bool is_sealed = false;

	memcpy(&disk, image, sizeof(disk));
	if (repairs & REPAIR_HEADER)
		fuzz_repair_header(&disk.header);
	if (repairs & REPAIR_COST) {
		disk.log2_n = put_le32(10);
		disk.r = put_le32(1);
		disk.p = put_le32(1);
	}
	if (repairs & REPAIR_SEAL)
		is_sealed = seal(&disk);
	memcpy(image, &disk, sizeof(disk));
	return is_sealed;
}

static void open_slot(const struct tmc_id *id, bool is_sealed)
{
	struct tmc_repo *repo = fuzz_repo();
	struct tmc_slot_secret secret;
	struct tmc_key_slot_disk disk;

	if (tmc_key_slot_load(repo->store, repo->keys, id, &disk) < 0)
		return;
	if (is_cheap(&disk) && !tmc_key_slot_open(&disk, PASSPHRASE, &secret) != is_sealed)
		abort();
	fuzz_accepted++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t repairs = fuzz_u8(&input);
	size_t size = fuzz_bytes(&input, image, sizeof(image));
	bool is_sealed = size >= sizeof(struct tmc_key_slot_disk) && repair(repairs);
	struct tmc_id id = { { 1 } };

	if (repairs & REPAIR_NAME)
		id = fuzz_hash(image, size);
	fuzz_put(TMC_STORE_KEY, &id, image, size);
	fuzz_memory_begin(CAP_BYTES);
	open_slot(&id, is_sealed);
	fuzz_memory_end();
	fuzz_take(TMC_STORE_KEY, &id);
	return 0;
}
