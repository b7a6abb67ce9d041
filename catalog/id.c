// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The digest is fetched from libcrypto once for the process: an implicit fetch
 * for every chunk costs more than hashing a small one.
 */
#include "catalog/id.h"

#include "common/failure.h"
#include "common/hex.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

const struct tmc_id tmc_id_zero;
const struct tmc_id tmc_id_unreadable = { { [0 ... TMC_ID_BYTES - 1] = 0xff } };

struct tmc_hash {
	EVP_MD_CTX *context;
};

static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void sha256_fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

__attribute__((destructor)) static void sha256_free(void)
{
	EVP_MD_free(sha256);
	sha256 = NULL;
}

struct tmc_hash *tmc_hash_create(void)
{
	struct tmc_hash *hash = calloc(1, sizeof(*hash));

	pthread_once(&sha256_once, sha256_fetch);
	if (!hash)
		return NULL;
	hash->context = EVP_MD_CTX_new();
	if (!hash->context || !sha256 || !EVP_DigestInit_ex(hash->context, sha256, NULL)) {
		tmc_hash_destroy(hash);
		return NULL;
	}
	return hash;
}

void tmc_hash_destroy(struct tmc_hash *hash)
{
	if (!hash)
		return;
	EVP_MD_CTX_free(hash->context);
	free(hash);
}

void tmc_hash_cleanup(struct tmc_hash **hash)
{
	tmc_hash_destroy(*hash);
}

static int crypto_failed(void)
{
	return failure_set(-EIO, "SHA-256 failed in libcrypto");
}

int tmc_hash_start(struct tmc_hash *hash)
{
	return EVP_DigestInit_ex(hash->context, NULL, NULL) ? 0 : crypto_failed();
}

int tmc_hash_update(struct tmc_hash *hash, const void *data, size_t bytes)
{
	return EVP_DigestUpdate(hash->context, data, bytes) ? 0 : crypto_failed();
}

int tmc_hash_finish(struct tmc_hash *hash, struct tmc_id *ret_id)
{
	return EVP_DigestFinal_ex(hash->context, ret_id->bytes, NULL) ? 0 : crypto_failed();
}

int tmc_hash_once(struct tmc_hash *hash, const void *data, size_t bytes, struct tmc_id *ret_id)
{
	if (!EVP_DigestInit_ex(hash->context, NULL, NULL) ||
	    !EVP_DigestUpdate(hash->context, data, bytes) ||
	    !EVP_DigestFinal_ex(hash->context, ret_id->bytes, NULL))
		return crypto_failed();
	return 0;
}

void tmc_id_format(const struct tmc_id *id, char ret_text[TMC_ID_TEXT])
{
	hex_format(id->bytes, sizeof(id->bytes), ret_text);
}

bool tmc_id_parse(const char *text, struct tmc_id *ret_id)
{
	return strlen(text) == TMC_ID_TEXT - 1 &&
	       hex_parse(text, ret_id->bytes, sizeof(ret_id->bytes));
}

const char *tmc_error_text(void)
{
	return failure_text();
}
