// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One page of its own holds the master key and what is derived from it: locked,
 * left out of core dumps, wiped when the repository is closed. Locking is an
 * attempt: a user with a small RLIMIT_MEMLOCK can back up all the same.
 *
 * Not handled: the contexts of libcrypto, which keep keys in the heap. A program
 * that unlocks a repository should not leave cores at all; see docs/security.md.
 */
#include "catalog/keys.h"

#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NR_IDLE 32

struct secret { /* a page */
	uint8_t master[TMC_KEY_BYTES];
	uint8_t keys[TMC_NR_KEYS][TMC_KEY_BYTES];
};

struct tmc_keys {
	struct tmc_id repo_id;
	bool encrypted;
	struct secret *secret; /* NULL while locked */

	pthread_mutex_t lock; /* all below */
	struct tmc_aead *idle[TMC_NR_KEYS][NR_IDLE];
	unsigned int nr_idle[TMC_NR_KEYS];
};

struct tmc_keys *tmc_keys_create(const struct tmc_id *repo_id, bool encrypted)
{
	struct tmc_keys *keys = calloc(1, sizeof(*keys));

	if (!keys)
		return NULL;
	keys->repo_id = *repo_id;
	keys->encrypted = encrypted;
	pthread_mutex_init(&keys->lock, NULL);
	return keys;
}

static void destroy_secret(struct secret *secret)
{
	OPENSSL_cleanse(secret, sizeof(*secret));
	munmap(secret, sizeof(*secret));
}

void tmc_keys_destroy(struct tmc_keys *keys)
{
	if (!keys)
		return;
	for (unsigned int which = 0; which < TMC_NR_KEYS; which++)
		while (keys->nr_idle[which])
			tmc_aead_destroy(keys->idle[which][--keys->nr_idle[which]]);
	if (keys->secret)
		destroy_secret(keys->secret);
	pthread_mutex_destroy(&keys->lock);
	free(keys);
}

const struct tmc_id *tmc_keys_repo_id(const struct tmc_keys *keys)
{
	return &keys->repo_id;
}

bool tmc_keys_is_encrypted(const struct tmc_keys *keys)
{
	return keys->encrypted;
}

/* ---------------------------------------------------------------------- unlock */

static struct secret *create_secret(void)
{
	void *page = mmap(NULL, sizeof(struct secret), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	madvise(page, sizeof(struct secret), MADV_DONTDUMP);
	mlock(page, sizeof(struct secret));
	return page;
}

static bool derive(EVP_KDF_CTX *context, const struct tmc_keys *keys, struct secret *secret,
		   enum tmc_key_purpose which)
{
	static const char *const purposes[TMC_NR_KEYS] = {
		[TMC_KEY_ID] = "id",
		[TMC_KEY_BLOB] = "blob",
		[TMC_KEY_INDEX] = "index",
		[TMC_KEY_OBJECT] = "object",
		[TMC_KEY_JOURNAL] = "journal",
	};
	char info[32];
	size_t length = (size_t)snprintf(info, sizeof(info), "tidemark 1 %s", purposes[which]);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret->master,
						  sizeof(secret->master)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)&keys->repo_id,
						  sizeof(keys->repo_id)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, length),
		OSSL_PARAM_END,
	};

	EVP_KDF_CTX_reset(context);
	return EVP_KDF_derive(context, secret->keys[which], TMC_KEY_BYTES, params) > 0;
}

static bool derive_all(const struct tmc_keys *keys, struct secret *secret)
{
	EVP_KDF *hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
	bool ok = context;

	for (enum tmc_key_purpose which = 0; ok && which < TMC_NR_KEYS; which++)
		ok = derive(context, keys, secret, which);
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(hkdf);
	return ok;
}

int tmc_keys_unlock(struct tmc_keys *keys, const uint8_t master[TMC_KEY_BYTES])
{
	struct secret *secret = create_secret();

	if (!secret)
		return failure_set(-ENOMEM, "out of memory");
	memcpy(secret->master, master, sizeof(secret->master));
	if (!derive_all(keys, secret)) {
		destroy_secret(secret);
		return failure_set(-EIO, "HKDF failed in libcrypto");
	}
	keys->secret = secret;
	return 0;
}

int tmc_keys_check(const struct tmc_keys *keys)
{
	if (!keys->encrypted || keys->secret)
		return 0;
	return failure_set(-ENOKEY, "the repository is encrypted: it opens with its passphrase only");
}

const uint8_t *tmc_keys_master(const struct tmc_keys *keys)
{
	return keys->secret->master;
}

const uint8_t *tmc_keys_get(const struct tmc_keys *keys, enum tmc_key_purpose which)
{
	return keys->secret->keys[which];
}

/* -------------------------------------------------------------------- contexts */

struct tmc_aead *tmc_keys_get_aead(struct tmc_keys *keys, enum tmc_key_purpose which)
{
	{
		LOCK_SCOPE(&keys->lock);
		if (keys->nr_idle[which])
			return keys->idle[which][--keys->nr_idle[which]];
	}
	return keys->secret ? tmc_aead_create(keys->secret->keys[which]) : NULL;
}

void tmc_keys_put_aead(struct tmc_keys *keys, enum tmc_key_purpose which, struct tmc_aead *aead)
{
	if (!aead)
		return;
	LOCK_SCOPE(&keys->lock);
	if (keys->nr_idle[which] < NR_IDLE) {
		keys->idle[which][keys->nr_idle[which]++] = aead;
		return;
	}
	tmc_aead_destroy(aead);
}
