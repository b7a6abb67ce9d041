/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a segment is proved by: its name, and the nonces of what is sealed in it. For who
 * writes and who reads.
 */
#ifndef CATALOG_SEGMENT_PROOF_H
#define CATALOG_SEGMENT_PROOF_H

#include "catalog/aead.h"
#include "catalog/format.h"
#include "catalog/id.h"

#define TMC_SEGMENT_TABLE UINT64_MAX /* in the place of a record's number */

/** What the table is bound to; a payload is to the header alone. */
struct tmc_segment_bound {
	struct tmc_object_header_disk header;
	struct tmc_segment_tail_disk tail;
};
static_assert(sizeof(struct tmc_segment_bound) == 320, "format");

/** Of the payload of record n from 0, or of the table. */
void tmc_segment_nonce(const struct tmc_object_header_disk *header, uint64_t n,
		       uint8_t ret_nonce[TMC_NONCE_BYTES]);

/** table: as it is stored, with its tag. Errors: -EIO. */
int tmc_segment_name(struct tmc_hash *hash, const struct tmc_segment_bound *bound,
		     const void *table, size_t bytes, struct tmc_id *ret_id);

/** The first bytes of the hash of a payload as it is stored. Errors: -EIO. */
int tmc_segment_proof(struct tmc_hash *hash, const void *stored, size_t bytes,
		      struct tmc_proof_disk *ret_proof);

#endif
