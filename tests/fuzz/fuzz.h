/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What the harnesses share. Each is one function over bytes, LLVMFuzzerTestOneInput(),
 * run by libFuzzer or by replay.c. An input begins with a byte of repairs: which
 * checksums are set right before the parser sees the object, so that what lies behind
 * them is reached, and the checks themselves as well.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "catalog/repo.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/** Inputs that the parser has accepted: a corpus that has none tests little. */
extern unsigned long fuzz_accepted;

/**
 * The repository is encrypted; set before the first input, by a constructor. Names are
 * keyed then, headers say so, and what is not sealed with the repository's key must
 * not be accepted: sealing is a repair.
 */
extern bool fuzz_encrypted;
#define FUZZ_ENCRYPTED                                                     \
	__attribute__((constructor)) static void encrypt_repository(void) \
	{                                                                  \
		fuzz_encrypted = true;                                     \
	}
/** Count an input; is_genuine: it was sealed. */
void fuzz_accept(bool is_genuine);

/** A key of the repository, for the whole process; NULL where it is not encrypted. */
struct tmc_aead *fuzz_aead(enum tmc_key_purpose which);
/** Seal what follows the header, with room for the tag behind it. Returns the new size. */
size_t fuzz_seal_body(void *image, size_t bytes);

/** Reads an input from its begin; what is not there is zero. */
struct fuzz_input {
	const uint8_t *p;
	size_t left;
};
uint8_t fuzz_u8(struct fuzz_input *input);
uint16_t fuzz_u16(struct fuzz_input *input);
uint64_t fuzz_u64(struct fuzz_input *input);
/** Returns how many bytes there were. */
size_t fuzz_bytes(struct fuzz_input *input, void *ret_data, size_t bytes);

/** An empty repository with chunks of 4096 bytes, the same for the whole process. */
struct tmc_repo *fuzz_repo(void);
const char *fuzz_repo_path(void);

/** The header of an object of that repository: id, encrypted bit and checksum are set right. */
void fuzz_repair_header(struct tmc_object_header_disk *header);
struct tmc_id fuzz_hash(const void *data, size_t bytes);

/** Put a file where the object belongs; take it away again. */
void fuzz_put(enum tmc_store_kind kind, const struct tmc_id *id, const void *data, size_t bytes);
void fuzz_take(enum tmc_store_kind kind, const struct tmc_id *id);

/**
 * Between the two the process may allocate twice cap_bytes, of all live allocations
 * together; more is a crash. cap_bytes: what the parser says that it needs.
 */
void fuzz_memory_begin(size_t cap_bytes);
void fuzz_memory_end(void);

#endif
