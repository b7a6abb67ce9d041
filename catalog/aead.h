/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * XAES-256-GCM: authenticated encryption under nonces of 24 bytes, which may be
 * random.
 */
#ifndef CATALOG_AEAD_H
#define CATALOG_AEAD_H

#include <stddef.h>
#include <stdint.h>

#define TMC_KEY_BYTES   32
#define TMC_NONCE_BYTES 24
#define TMC_TAG_BYTES   16

struct tmc_aead; /**< one key, made ready; used by one thread at a time */

/** NULL: out of memory, or libcrypto has no AES-256-GCM. */
struct tmc_aead *tmc_aead_create(const uint8_t key[TMC_KEY_BYTES]);
void tmc_aead_destroy(struct tmc_aead *aead);

/**
 * Encrypt bytes at plain to ret_sealed, which may be the same place; the tag
 * follows there, TMC_TAG_BYTES. bound: what is authenticated besides. At most 1 GiB
 * of each. Errors: -EIO.
 */
int tmc_aead_seal(struct tmc_aead *aead, const uint8_t nonce[TMC_NONCE_BYTES], const void *bound,
		  size_t bound_bytes, const void *plain, size_t bytes, void *ret_sealed);

/**
 * The way back: bytes and the tag at sealed, which may be the same place as
 * ret_plain. Returns -EBADMSG, with ret_plain zeroed and no sentence, if it is not
 * what was sealed with this key, nonce and bound. Errors: -EIO.
 */
int tmc_aead_open(struct tmc_aead *aead, const uint8_t nonce[TMC_NONCE_BYTES], const void *bound,
		  size_t bound_bytes, const void *sealed, size_t bytes, void *ret_plain);

#endif
