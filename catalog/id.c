// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The digest is fetched from libcrypto once for the process: an implicit fetch
 * for every chunk costs more than hashing a small one. Keyed hashes begin anew
 * from the state that has taken the key already.
 */
#include "catalog/id.h"

#include "catalog/keys.h"
#include "common/failure.h"
#include "common/hex.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>

const struct tmc_id tmc_id_zero;
const struct tmc_id tmc_id_unreadable = { { [0 ... TMC_ID_BYTES - 1] = 0xff } };

struct tmc_hash { /* one of the two */
	EVP_MD_CTX *plain;
	EVP_MAC_CTX *keyed;
};

static EVP_MD *sha256;
static EVP_MAC *hmac;
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

__attribute__((destructor)) static void fetch_free(void)
{
	EVP_MD_free(sha256);
	EVP_MAC_free(hmac);
	sha256 = NULL;
	hmac = NULL;
}

static bool init_plain(struct tmc_hash *hash)
{
	hash->plain = EVP_MD_CTX_new();
	return hash->plain && sha256 && EVP_DigestInit_ex(hash->plain, sha256, NULL);
}

static bool init_keyed(struct tmc_hash *hash, const struct tmc_keys *keys)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_END,
	};

	hash->keyed = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	return hash->keyed && !tmc_keys_check(keys) &&
	       EVP_MAC_init(hash->keyed, tmc_keys_get(keys, TMC_KEY_ID), TMC_KEY_BYTES, params);
}

struct tmc_hash *tmc_hash_create(const struct tmc_keys *keys)
{
	struct tmc_hash *hash = calloc(1, sizeof(*hash));

	pthread_once(&fetch_once, fetch);
	if (!hash)
		return NULL;
	if (keys && tmc_keys_is_encrypted(keys) ? init_keyed(hash, keys) : init_plain(hash))
		return hash;
	tmc_hash_destroy(hash);
	return NULL;
}

void tmc_hash_destroy(struct tmc_hash *hash)
{
	if (!hash)
		return;
	EVP_MD_CTX_free(hash->plain);
	EVP_MAC_CTX_free(hash->keyed);
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
	int ok = hash->keyed ? EVP_MAC_init(hash->keyed, NULL, 0, NULL) :
			       EVP_DigestInit_ex(hash->plain, NULL, NULL);

	return ok ? 0 : crypto_failed();
}

int tmc_hash_update(struct tmc_hash *hash, const void *data, size_t bytes)
{
	int ok = hash->keyed ? EVP_MAC_update(hash->keyed, data, bytes) :
			       EVP_DigestUpdate(hash->plain, data, bytes);

	return ok ? 0 : crypto_failed();
}

int tmc_hash_finish(struct tmc_hash *hash, struct tmc_id *ret_id)
{
	size_t bytes;
	int ok = hash->keyed ? EVP_MAC_final(hash->keyed, ret_id->bytes, &bytes, TMC_ID_BYTES) :
			       EVP_DigestFinal_ex(hash->plain, ret_id->bytes, NULL);

	return ok ? 0 : crypto_failed();
}

int tmc_hash_once(struct tmc_hash *hash, const void *data, size_t bytes, struct tmc_id *ret_id)
{
	int ret = tmc_hash_start(hash);

	if (!ret)
		ret = tmc_hash_update(hash, data, bytes);
	return ret ? ret : tmc_hash_finish(hash, ret_id);
}

int tmc_id_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tmc_id));
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
