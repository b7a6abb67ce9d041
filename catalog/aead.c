// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * C2SP's XAES-256-GCM. The first half of a nonce and the key make the key of one
 * AES-256-GCM message by NIST SP 800-108 with CMAC, of which one block of input is
 * left: two blocks of AES. The second half is that message's nonce.
 *
 * The contexts are made once: a message allocates nothing. That of the message's
 * key is keyed anew for each, unless the first half of the nonce is the same as
 * before, as in the blocks of one index.
 */
#include "catalog/aead.h"

#include "common/failure.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 16
#define HALF_BYTES  (TMC_NONCE_BYTES / 2)

struct tmc_aead {
	EVP_CIPHER_CTX *derive;  /* AES-256 with the key */
	EVP_CIPHER_CTX *message; /* AES-256-GCM with the key of first_half */
	bool keyed;
	uint8_t first_half[HALF_BYTES];
	uint8_t subkey[BLOCK_BYTES]; /* CMAC's K1 */
};

static EVP_CIPHER *aes, *gcm;
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
	aes = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

__attribute__((destructor)) static void fetch_free(void)
{
	EVP_CIPHER_free(aes);
	EVP_CIPHER_free(gcm);
	aes = gcm = NULL;
}

static int crypto_failed(void)
{
	return failure_set(-EIO, "AES-256-GCM failed in libcrypto");
}

static bool encrypt_blocks(struct tmc_aead *aead, const uint8_t *in, int nr, uint8_t *ret_out)
{
	int bytes;

	return EVP_EncryptUpdate(aead->derive, ret_out, &bytes, in, nr * BLOCK_BYTES) &&
	       bytes == nr * BLOCK_BYTES;
}

/* K1 of CMAC: the encrypted zero block times x. */
static bool make_subkey(struct tmc_aead *aead)
{
	static const uint8_t zero[BLOCK_BYTES];
	uint8_t block[BLOCK_BYTES], carry;
	bool ok = encrypt_blocks(aead, zero, 1, block);

	carry = block[0] >> 7;
	for (unsigned int i = 0; i < BLOCK_BYTES; i++) {
		uint8_t next = i + 1 < BLOCK_BYTES ? block[i + 1] >> 7 : 0;

		aead->subkey[i] = (uint8_t)(block[i] << 1) | next;
	}
	aead->subkey[BLOCK_BYTES - 1] ^= (uint8_t)(carry * 0x87);
	OPENSSL_cleanse(block, sizeof(block));
	return ok;
}

static bool init(struct tmc_aead *aead, const uint8_t *key)
{
	aead->derive = EVP_CIPHER_CTX_new();
	aead->message = EVP_CIPHER_CTX_new();
	return aead->derive && aead->message && aes && gcm &&
	       EVP_EncryptInit_ex2(aead->derive, aes, key, NULL, NULL) &&
	       EVP_CIPHER_CTX_set_padding(aead->derive, 0) &&
	       EVP_EncryptInit_ex2(aead->message, gcm, NULL, NULL, NULL) && make_subkey(aead);
}

struct tmc_aead *tmc_aead_create(const uint8_t key[TMC_KEY_BYTES])
{
	struct tmc_aead *aead = calloc(1, sizeof(*aead));

	pthread_once(&fetch_once, fetch);
	if (!aead || init(aead, key))
		return aead;
	tmc_aead_destroy(aead);
	return NULL;
}

void tmc_aead_destroy(struct tmc_aead *aead)
{
	if (!aead)
		return;
	EVP_CIPHER_CTX_free(aead->derive);
	EVP_CIPHER_CTX_free(aead->message);
	OPENSSL_cleanse(aead, sizeof(*aead));
	free(aead);
}

static bool set_message_key(struct tmc_aead *aead, const uint8_t *nonce)
{
	uint8_t blocks[2][BLOCK_BYTES] = { { 0, 1, 'X', 0 }, { 0, 2, 'X', 0 } };
	uint8_t key[2 * BLOCK_BYTES];
	bool ok;

	for (unsigned int n = 0; n < 2; n++) {
		memcpy(blocks[n] + 4, nonce, HALF_BYTES);
		for (unsigned int i = 0; i < BLOCK_BYTES; i++)
			blocks[n][i] ^= aead->subkey[i];
	}
	ok = encrypt_blocks(aead, blocks[0], 2, key) &&
	     EVP_CipherInit_ex2(aead->message, NULL, key, NULL, -1, NULL);
	OPENSSL_cleanse(blocks, sizeof(blocks));
	OPENSSL_cleanse(key, sizeof(key));
	memcpy(aead->first_half, nonce, HALF_BYTES);
	aead->keyed = ok;
	return ok;
}

/* The direction is set first: keying for one does not always serve the other. */
static bool start(struct tmc_aead *aead, const uint8_t *nonce, const void *bound,
		  size_t bound_bytes, bool encrypt)
{
	int ignored;

	if (EVP_CIPHER_CTX_is_encrypting(aead->message) != encrypt)
		aead->keyed = false;
	if (!EVP_CipherInit_ex2(aead->message, NULL, NULL, NULL, encrypt, NULL))
		return false;
	if ((!aead->keyed || memcmp(aead->first_half, nonce, HALF_BYTES)) &&
	    !set_message_key(aead, nonce))
		return false;
	return EVP_CipherInit_ex2(aead->message, NULL, NULL, nonce + HALF_BYTES, encrypt, NULL) &&
	       (!bound_bytes ||
		EVP_CipherUpdate(aead->message, NULL, &ignored, bound, (int)bound_bytes));
}

int tmc_aead_seal(struct tmc_aead *aead, const uint8_t nonce[TMC_NONCE_BYTES], const void *bound,
		  size_t bound_bytes, const void *plain, size_t bytes, void *ret_sealed)
{
	uint8_t *tag = (uint8_t *)ret_sealed + bytes;
	int part = 0;

	if (!start(aead, nonce, bound, bound_bytes, true) ||
	    (bytes && !EVP_EncryptUpdate(aead->message, ret_sealed, &part, plain, (int)bytes)) ||
	    (size_t)part != bytes || !EVP_EncryptFinal_ex(aead->message, tag, &part) ||
	    !EVP_CIPHER_CTX_ctrl(aead->message, EVP_CTRL_AEAD_GET_TAG, TMC_TAG_BYTES, tag))
		return crypto_failed();
	return 0;
}

int tmc_aead_open(struct tmc_aead *aead, const uint8_t nonce[TMC_NONCE_BYTES], const void *bound,
		  size_t bound_bytes, const void *sealed, size_t bytes, void *ret_plain)
{
	uint8_t tag[TMC_TAG_BYTES], nothing[BLOCK_BYTES];
	int part = 0;

	memcpy(tag, (const uint8_t *)sealed + bytes, sizeof(tag));
	if (!start(aead, nonce, bound, bound_bytes, false) ||
	    (bytes && !EVP_DecryptUpdate(aead->message, ret_plain, &part, sealed, (int)bytes)) ||
	    (size_t)part != bytes ||
	    !EVP_CIPHER_CTX_ctrl(aead->message, EVP_CTRL_AEAD_SET_TAG, TMC_TAG_BYTES, tag))
		return crypto_failed();
	if (EVP_DecryptFinal_ex(aead->message, nothing, &part))
		return 0;
	OPENSSL_cleanse(ret_plain, bytes);
	return -EBADMSG;
}
