// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * scrypt's 64 MiB are libcrypto's, and given back before anything else begins.
 * The name of a slot is its hash, so a damaged one is told from another
 * passphrase.
 */
#include "catalog/key_slot.h"

#include "catalog/object.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/zero.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#define MEMORY_MAX (1ull << 30)

struct tmc_scrypt_cost tmc_scrypt_cost = { .log2_n = 16, .r = 8, .p = 1 };

static const struct tmc_object_kind slot_kind = {
	.store_kind = TMC_STORE_KEY,
	.type = TMC_OBJECT_KEY,
	.bytes_min = sizeof(struct tmc_key_slot_disk),
	.bytes_max = sizeof(struct tmc_key_slot_disk),
};

void tmc_slot_secret_wipe(struct tmc_slot_secret *secret)
{
	OPENSSL_cleanse(secret, sizeof(*secret));
}

int tmc_passphrase_check(const char *passphrase)
{
	size_t length = strlen(passphrase);

	if (!length)
		return failure_set(-EINVAL, "the passphrase is empty");
	if (length >= TMC_PASSPHRASE_BYTES)
		return failure_set(-EINVAL, "the passphrase is longer than %u bytes",
				   TMC_PASSPHRASE_BYTES - 1);
	return 0;
}

static int derive(const struct tmc_key_slot_disk *disk, const char *passphrase,
		  uint8_t ret_key[TMC_KEY_BYTES])
{
	uint64_t n = 1ull << get_le32(disk->log2_n);

	if (!EVP_PBE_scrypt(passphrase, strlen(passphrase), disk->salt, sizeof(disk->salt), n,
			    get_le32(disk->r), get_le32(disk->p), 2 * MEMORY_MAX, ret_key,
			    TMC_KEY_BYTES))
		return failure_set(-ENOMEM, "scrypt failed: it needs %llu MiB of memory",
				   (unsigned long long)(128 * n * get_le32(disk->r) >> 20));
	return 0;
}

/* The header is complete when the secret is sealed: it is bound to all before it. */
static int seal(struct tmc_key_slot_disk *disk, const char *passphrase,
		const struct tmc_slot_secret *secret)
{
	uint8_t key[TMC_KEY_BYTES];
	struct tmc_aead *aead;
	int ret = derive(disk, passphrase, key);

	if (ret < 0)
		return ret;
	aead = tmc_aead_create(key);
	OPENSSL_cleanse(key, sizeof(key));
	if (!aead)
		return failure_set(-ENOMEM, "out of memory");
	ret = tmc_aead_seal(aead, disk->nonce, disk, offsetof(struct tmc_key_slot_disk, sealed),
			    secret, sizeof(*secret), disk->sealed);
	tmc_aead_destroy(aead);
	return ret;
}

int tmc_key_slot_store(struct tmc_store *store, struct tmc_keys *keys, const char *passphrase,
		       const char *label, const struct tmc_slot_secret *secret,
		       struct tmc_id *ret_id)
{
	struct tmc_key_slot_disk disk = {
		.log2_n = put_le32(tmc_scrypt_cost.log2_n),
		.r = put_le32(tmc_scrypt_cost.r),
		.p = put_le32(tmc_scrypt_cost.p),
	};
	size_t length = strlen(label);
	int ret = tmc_passphrase_check(passphrase);

	if (ret < 0)
		return ret;
	if (length > sizeof(disk.label))
		return failure_set(-EINVAL, "the label is longer than %zu bytes", sizeof(disk.label));
	memcpy(disk.label, label, length);
	if (getrandom(disk.salt, sizeof(disk.salt), 0) != sizeof(disk.salt) ||
	    getrandom(disk.nonce, sizeof(disk.nonce), 0) != sizeof(disk.nonce))
		return failure_set(-EIO, "the kernel gives no random numbers");
	ret = tmc_object_header_init(&disk.header, slot_kind.type, keys);
	if (!ret)
		ret = seal(&disk, passphrase, secret);
	return ret ? ret : tmc_object_store_image(store, keys, &slot_kind, &disk, sizeof(disk),
						  ret_id);
}

static bool is_sane(const struct tmc_key_slot_disk *disk)
{
	uint32_t log2_n = get_le32(disk->log2_n), r = get_le32(disk->r), p = get_le32(disk->p);

	return log2_n >= 10 && log2_n <= 22 && r >= 1 && r <= 32 && p >= 1 && p <= 16 &&
	       (128ull << log2_n) * r <= MEMORY_MAX && is_zero(disk->zero, sizeof(disk->zero)) &&
	       is_zero(disk->zero2, sizeof(disk->zero2));
}

int tmc_key_slot_load(struct tmc_store *store, struct tmc_keys *keys, const struct tmc_id *id,
		      struct tmc_key_slot_disk *ret_disk)
{
	CLEANUP_FREE uint8_t *image = NULL;
	char text[TMC_STORE_TEXT];
	size_t bytes;
	int ret = tmc_object_load(store, keys, &slot_kind, id, &image, &bytes);

	if (ret < 0)
		return ret;
	memcpy(ret_disk, image, sizeof(*ret_disk));
	return is_sane(ret_disk) ? 0 :
	       failure_set(-EBADMSG, "%s is damaged: it makes no sense",
			   tmc_store_describe(store, TMC_STORE_KEY, id, text));
}

int tmc_key_slot_open(const struct tmc_key_slot_disk *disk, const char *passphrase,
		      struct tmc_slot_secret *ret_secret)
{
	uint8_t key[TMC_KEY_BYTES];
	struct tmc_aead *aead;
	int ret = derive(disk, passphrase, key);

	if (ret < 0)
		return ret;
	aead = tmc_aead_create(key);
	OPENSSL_cleanse(key, sizeof(key));
	if (!aead)
		return failure_set(-ENOMEM, "out of memory");
	ret = tmc_aead_open(aead, disk->nonce, disk, offsetof(struct tmc_key_slot_disk, sealed),
			    disk->sealed, sizeof(*ret_secret), ret_secret);
	tmc_aead_destroy(aead);
	return ret == -EBADMSG ? -EKEYREJECTED : ret;
}
