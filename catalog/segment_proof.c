// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A name begins with numbers, so that a listing is in order; 128 bits of a hash are left
 * for the proof. In an encrypted repository it is keyed, and tags do the rest.
 */
#include "catalog/segment_proof.h"

#include <endian.h>

void tmc_segment_nonce(const struct tmc_object_header_disk *header, uint64_t n,
		       uint8_t ret_nonce[TMC_NONCE_BYTES])
{
	le64_t number = put_le64(n);

	static_assert(TMC_UNIQUE_BYTES + sizeof(number) == TMC_NONCE_BYTES, "format");
	memcpy(ret_nonce, header->unique, TMC_UNIQUE_BYTES);
	memcpy(ret_nonce + TMC_UNIQUE_BYTES, &number, sizeof(number));
}

int tmc_segment_name(struct tmc_hash *hash, const struct tmc_segment_bound *bound,
		     const void *table, size_t bytes, struct tmc_id *ret_id)
{
	uint64_t stretch = htobe64(get_le64(bound->tail.stretch));
	uint64_t last_seq = htobe64(get_le64(bound->tail.last_seq));
	struct tmc_id digest;
	int ret = tmc_hash_start(hash);

	if (!ret)
		ret = tmc_hash_update(hash, &bound->header, sizeof(bound->header));
	if (!ret)
		ret = tmc_hash_update(hash, table, bytes);
	if (!ret)
		ret = tmc_hash_update(hash, &bound->tail, sizeof(bound->tail));
	if (!ret)
		ret = tmc_hash_finish(hash, &digest);
	if (ret < 0)
		return ret;
	memcpy(ret_id->bytes, &stretch, 8);
	memcpy(ret_id->bytes + 8, &last_seq, 8);
	memcpy(ret_id->bytes + 16, &digest, 16);
	return 0;
}

int tmc_segment_proof(struct tmc_hash *hash, const void *stored, size_t bytes,
		      struct tmc_proof_disk *ret_proof)
{
	struct tmc_id digest;
	int ret = tmc_hash_once(hash, stored, bytes, &digest);

	if (!ret)
		memcpy(ret_proof, &digest, sizeof(*ret_proof));
	return ret;
}
