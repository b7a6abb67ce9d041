/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The checksum of an index block: it covers where the block belongs.
 */
#ifndef CATALOG_INDEX_BLOCK_H
#define CATALOG_INDEX_BLOCK_H

#include "catalog/format.h"
#include "common/crc32c.h"

static inline uint32_t tmc_index_block_crc(const void *block, uint64_t number,
					   const uint8_t unique[TMC_UNIQUE_BYTES])
{
	le64_t number_disk = put_le64(number);
	uint32_t crc = crc32c(0, unique, TMC_UNIQUE_BYTES);

	crc = crc32c(crc, &number_disk, sizeof(number_disk));
	return crc32c(crc, block, TMC_INDEX_BLOCK_BYTES - sizeof(le32_t));
}

static inline le32_t tmc_index_block_crc_field(const void *block)
{
	le32_t field;

	memcpy(&field, (const uint8_t *)block + TMC_INDEX_BLOCK_BYTES - sizeof(field),
	       sizeof(field));
	return field;
}

#endif
