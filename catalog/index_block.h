/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The end of an index block: its checksum, which covers where the block belongs,
 * and in an encrypted repository its tag.
 */
#ifndef CATALOG_INDEX_BLOCK_H
#define CATALOG_INDEX_BLOCK_H

#include "catalog/format.h"

struct tmc_aead;

/**
 * Finish the block that has this number, in place. header: of the index. aead NULL:
 * the repository is not encrypted. Errors: -EIO.
 */
int tmc_index_block_seal(void *block, uint64_t number, const struct tmc_object_header_disk *header,
			 struct tmc_aead *aead);

/** Check, and decrypt in place; no sentence. Errors: -EBADMSG, -EIO. */
int tmc_index_block_open(void *block, uint64_t number, const struct tmc_object_header_disk *header,
			 struct tmc_aead *aead);

#endif
