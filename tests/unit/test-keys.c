// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Derived keys and keyed hashes, against what openssl(1) makes of the same master
 * key: "openssl kdf ... HKDF" and "openssl dgst -mac HMAC". They are in every
 * repository and must never change.
 */
#include "catalog/id.h"
#include "catalog/keys.h"
#include "common/failure.h"
#include "common/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct tmc_keys *locked_keys(uint8_t repo_byte)
{
	struct tmc_id repo_id;
	struct tmc_keys *keys;

	memset(&repo_id, repo_byte, sizeof(repo_id));
	keys = tmc_keys_create(&repo_id, true);
	assert_non_null(keys);
	return keys;
}

static struct tmc_keys *unlocked_keys(uint8_t repo_byte, uint8_t master_byte)
{
	struct tmc_keys *keys = locked_keys(repo_byte);
	uint8_t master[TMC_KEY_BYTES];

	memset(master, master_byte, sizeof(master));
	assert_int_equal(tmc_keys_unlock(keys, master), 0);
	assert_memory_equal(tmc_keys_master(keys), master, sizeof(master));
	return keys;
}

static void each_purpose_has_the_key_that_openssl_derives(void **state)
{
	static const char *const expected[TMC_NR_KEYS] = {
		[TMC_KEY_ID] = "1ba4d1f37df14665f1a335847ad0fb52a1974472e2a66078fe5467c5b8780d6e",
		[TMC_KEY_BLOB] = "73d78ed6829423dcaa593f03d85a50a6c50daca3e4528cfea72fcabfa063135d",
		[TMC_KEY_INDEX] = "a2277202b41f57e7061f17917805372645165d497ed3785fbd05d53a9ca8114d",
		[TMC_KEY_OBJECT] = "c719f81f60dcd87c37678f34b9bdd90a942752967059a0b365d39457d58d16b8",
		[TMC_KEY_JOURNAL] =
			"0a4459771afb8f5369df93745dab87449beb7359264040748a1d83488b0cd4d8",
	};
	struct tmc_keys *keys = unlocked_keys(0x22, 0x11), *other = unlocked_keys(0x23, 0x11);

	for (enum tmc_key_purpose which = 0; which < TMC_NR_KEYS; which++) {
		char digits[2 * TMC_KEY_BYTES + 1];

		hex_format(tmc_keys_get(keys, which), TMC_KEY_BYTES, digits);
		assert_string_equal(digits, expected[which]);
		assert_memory_not_equal(tmc_keys_get(keys, which), tmc_keys_get(other, which),
					TMC_KEY_BYTES);
	}
	tmc_keys_destroy(keys);
	tmc_keys_destroy(other);
}

/* Again and again, and in parts: the state that has taken the key is not used up. */
static void a_keyed_hash_is_hmac(void **state)
{
	struct tmc_keys *keys = unlocked_keys(0x22, 0x11);
	struct tmc_hash *hash = tmc_hash_create(keys);
	const char *text = "what do ya want for nothing?";
	char digits[TMC_ID_TEXT];
	struct tmc_id id;

	assert_non_null(hash);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(tmc_hash_once(hash, text, strlen(text), &id), 0);
		tmc_id_format(&id, digits);
		assert_string_equal(digits, "371f52431c15224e1b869279ef2453b1"
					    "ab6b5cffc7ed0deb99606ddd90e28e1d");
		assert_int_equal(tmc_hash_start(hash), 0);
		assert_int_equal(tmc_hash_update(hash, text, 5), 0);
		assert_int_equal(tmc_hash_update(hash, text + 5, strlen(text) - 5), 0);
		memset(&id, 0, sizeof(id));
		assert_int_equal(tmc_hash_finish(hash, &id), 0);
		tmc_id_format(&id, digits);
		assert_string_equal(digits, "371f52431c15224e1b869279ef2453b1"
					    "ab6b5cffc7ed0deb99606ddd90e28e1d");
	}
	tmc_hash_destroy(hash);
	tmc_keys_destroy(keys);
}

static void locked_keys_give_nothing(void **state)
{
	struct tmc_keys *keys = locked_keys(1);

	assert_int_equal(tmc_keys_check(keys), -ENOKEY);
	assert_non_null(strstr(failure_text(), "passphrase"));
	assert_null(tmc_hash_create(keys));
	assert_null(tmc_keys_get_aead(keys, TMC_KEY_BLOB));
	tmc_keys_destroy(keys);
}

/* More contexts than are kept, of several purposes, from the pool and back to it. */
static void contexts_are_lent(void **state)
{
	struct tmc_keys *keys = unlocked_keys(1, 2);
	static const uint8_t nonce[TMC_NONCE_BYTES];
	uint8_t sealed[8 + TMC_TAG_BYTES], plain[8] = "content";
	struct tmc_aead *aeads[50];

	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 50; i++) {
			aeads[i] = tmc_keys_get_aead(keys, i % 2 ? TMC_KEY_BLOB : TMC_KEY_INDEX);
			assert_non_null(aeads[i]);
		}
		assert_int_equal(tmc_aead_seal(aeads[1], nonce, "", 0, plain, 8, sealed), 0);
		assert_int_equal(tmc_aead_open(aeads[2], nonce, "", 0, sealed, 8, plain), -EBADMSG);
		assert_int_equal(tmc_aead_open(aeads[3], nonce, "", 0, sealed, 8, plain), 0);
		assert_memory_equal(plain, "content", 8);
		for (unsigned int i = 0; i < 50; i++)
			tmc_keys_put_aead(keys, i % 2 ? TMC_KEY_BLOB : TMC_KEY_INDEX, aeads[i]);
	}
	tmc_keys_destroy(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_purpose_has_the_key_that_openssl_derives),
		cmocka_unit_test(a_keyed_hash_is_hmac),
		cmocka_unit_test(locked_keys_give_nothing),
		cmocka_unit_test(contexts_are_lent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
