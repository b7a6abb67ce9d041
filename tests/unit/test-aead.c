// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * XAES-256-GCM: the vectors of C2SP's specification, and that nothing is opened
 * that is not what was sealed.
 */
#include "catalog/aead.h"

#include "common/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define NONCE ((const uint8_t *)"ABCDEFGHIJKLMNOPQRSTUVWX")

static struct tmc_aead *aead_of(uint8_t byte)
{
	uint8_t key[TMC_KEY_BYTES];
	struct tmc_aead *aead;

	memset(key, byte, sizeof(key));
	aead = tmc_aead_create(key);
	assert_non_null(aead);
	return aead;
}

static void check_vector(uint8_t byte, const char *bound, const char *expected)
{
	struct tmc_aead *aead = aead_of(byte);
	char text[12] = "XAES-256-GCM";
	uint8_t sealed[sizeof(text) + TMC_TAG_BYTES], plain[sizeof(text)];
	char digits[2 * sizeof(sealed) + 1];

	assert_int_equal(tmc_aead_seal(aead, NONCE, bound, strlen(bound), text, sizeof(text),
				       sealed), 0);
	hex_format(sealed, sizeof(sealed), digits);
	assert_string_equal(digits, expected);
	assert_int_equal(tmc_aead_open(aead, NONCE, bound, strlen(bound), sealed, sizeof(plain),
				       plain), 0);
	assert_memory_equal(plain, text, sizeof(text));
	tmc_aead_destroy(aead);
}

static void the_specification_s_vectors(void **state)
{
	check_vector(1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
	check_vector(3, "c2sp.org/XAES-256-GCM",
		     "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d");
}

#define NR_RANDOM  10000
#define EACH_BYTES (TMC_KEY_BYTES + TMC_NONCE_BYTES + 2 * 256)

/* Keys, nonces and lengths from SHAKE128, all results into another SHAKE128. */
static void the_specification_s_accumulated_vector(void **state)
{
	EVP_MD_CTX *source = EVP_MD_CTX_new(), *sum = EVP_MD_CTX_new();
	uint8_t *random = malloc((size_t)NR_RANDOM * EACH_BYTES), *p = random, digest[32];
	char digits[2 * sizeof(digest) + 1];

	assert_true(EVP_DigestInit_ex(source, EVP_shake128(), NULL));
	assert_true(EVP_DigestFinalXOF(source, random, (size_t)NR_RANDOM * EACH_BYTES));
	assert_true(EVP_DigestInit_ex(sum, EVP_shake128(), NULL));
	for (unsigned int i = 0; i < NR_RANDOM; i++) {
		struct tmc_aead *aead = tmc_aead_create(p);
		const uint8_t *nonce = p + TMC_KEY_BYTES, *plain = nonce + TMC_NONCE_BYTES + 1;
		size_t bytes = plain[-1], bound_bytes = plain[bytes];
		const uint8_t *bound = plain + bytes + 1;
		uint8_t sealed[256 + TMC_TAG_BYTES];

		assert_int_equal(tmc_aead_seal(aead, nonce, bound, bound_bytes, plain, bytes, sealed),
				 0);
		assert_true(EVP_DigestUpdate(sum, sealed, bytes + TMC_TAG_BYTES));
		assert_int_equal(tmc_aead_open(aead, nonce, bound, bound_bytes, sealed, bytes,
					       sealed), 0);
		assert_memory_equal(sealed, plain, bytes);
		tmc_aead_destroy(aead);
		p = (uint8_t *)bound + bound_bytes;
	}
	assert_true(EVP_DigestFinalXOF(sum, digest, sizeof(digest)));
	hex_format(digest, sizeof(digest), digits);
	assert_string_equal(digits, "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
	EVP_MD_CTX_free(source);
	EVP_MD_CTX_free(sum);
	free(random);
}

/* One context for many messages, both ways, with equal and other halves of nonces. */
static void a_context_keeps_nothing_of_the_last_message(void **state)
{
	static const char *const nonces[] = {
		"ABCDEFGHIJKLMNOPQRSTUVWX", "ABCDEFGHIJKLMNOPQRSTUVWY", "BBCDEFGHIJKLMNOPQRSTUVWX",
	};
	struct tmc_aead *aead = aead_of(7);
	uint8_t plain[100], sealed[3][116], again[116];

	memset(plain, 0x5a, sizeof(plain));
	for (unsigned int i = 0; i < 30; i++) {
		const uint8_t *nonce = (const uint8_t *)nonces[i % 3];

		assert_int_equal(tmc_aead_seal(aead, nonce, "x", 1, plain, 100, again), 0);
		if (i < 3)
			memcpy(sealed[i], again, sizeof(again));
		assert_memory_equal(again, sealed[i % 3], sizeof(again));
		nonce = (const uint8_t *)nonces[i % 2];
		if (i < 3)
			continue;
		memcpy(again, sealed[i % 2], sizeof(again));
		assert_int_equal(tmc_aead_open(aead, nonce, "x", 1, again, 100, again), 0);
		assert_memory_equal(again, plain, sizeof(plain));
	}
	assert_memory_not_equal(sealed[0], sealed[1], 100);
	tmc_aead_destroy(aead);
}

/* Every bit of nonce, tag, text and what is bound; and nothing of the text comes out. */
static void no_flipped_bit_is_opened(void **state)
{
	struct tmc_aead *aead = aead_of(9), *other = aead_of(8);
	struct {
		uint8_t nonce[TMC_NONCE_BYTES], bound[5], sealed[20 + TMC_TAG_BYTES];
	} message = { .bound = "bound" };
	uint8_t plain[20], zero[20] = { 0 };

	memcpy(message.nonce, NONCE, sizeof(message.nonce));
	assert_int_equal(tmc_aead_seal(aead, message.nonce, message.bound, 5, zero, 20,
				       message.sealed), 0);
	for (size_t bit = 0; bit < 8 * sizeof(message); bit++) {
		((uint8_t *)&message)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		memset(plain, 1, sizeof(plain));
		assert_int_equal(tmc_aead_open(aead, message.nonce, message.bound, 5, message.sealed,
					       20, plain), -EBADMSG);
		assert_memory_equal(plain, zero, sizeof(plain));
		((uint8_t *)&message)[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(tmc_aead_open(other, message.nonce, message.bound, 5, message.sealed, 20,
				       plain), -EBADMSG);
	assert_int_equal(tmc_aead_open(aead, message.nonce, message.bound, 4, message.sealed, 20,
				       plain), -EBADMSG);
	assert_int_equal(tmc_aead_open(aead, message.nonce, message.bound, 5, message.sealed, 20,
				       plain), 0);
	tmc_aead_destroy(aead);
	tmc_aead_destroy(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_specification_s_vectors),
		cmocka_unit_test(the_specification_s_accumulated_vector),
		cmocka_unit_test(a_context_keeps_nothing_of_the_last_message),
		cmocka_unit_test(no_flipped_bit_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
