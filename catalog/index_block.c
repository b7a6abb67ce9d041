// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Block 0 tells what the file is and stays plain; it is all associated data. The
 * checksum is that of what lies on disk: damage is told from forgery without a key.
 */
#include "catalog/index_block.h"

#include "catalog/aead.h"
#include "common/crc32c.h"

#include <errno.h>
#include <string.h>

#define SEALED_BYTES (TMC_INDEX_BLOCK_BYTES - TMC_TAG_BYTES - sizeof(le32_t))

struct bound {
	struct tmc_object_header_disk header;
	le64_t number;
};
static_assert(sizeof(struct bound) == 136, "format");

static void make_nonce(uint8_t ret_nonce[TMC_NONCE_BYTES], uint64_t number,
		       const struct tmc_object_header_disk *header)
{
	le64_t number_disk = put_le64(number);

	memcpy(ret_nonce, header->unique, sizeof(header->unique));
	memcpy(ret_nonce + sizeof(header->unique), &number_disk, sizeof(number_disk));
}

static le32_t block_crc(const void *block, uint64_t number,
			const struct tmc_object_header_disk *header)
{
	le64_t number_disk = put_le64(number);
	uint32_t crc = crc32c(0, header->unique, sizeof(header->unique));

	crc = crc32c(crc, &number_disk, sizeof(number_disk));
	return put_le32(crc32c(crc, block, TMC_INDEX_BLOCK_BYTES - sizeof(le32_t)));
}

int tmc_index_block_seal(void *block, uint64_t number, const struct tmc_object_header_disk *header,
			 struct tmc_aead *aead)
{
	struct bound bound = { .header = *header, .number = put_le64(number) };
	uint8_t nonce[TMC_NONCE_BYTES], *end = (uint8_t *)block + SEALED_BYTES;
	int ret = 0;
	le32_t crc;

	make_nonce(nonce, number, header);
	if (aead && !number)
		ret = tmc_aead_seal(aead, nonce, block, SEALED_BYTES, end, 0, end);
	else if (aead)
		ret = tmc_aead_seal(aead, nonce, &bound, sizeof(bound), block, SEALED_BYTES, block);
	crc = block_crc(block, number, header);
	memcpy(end + TMC_TAG_BYTES, &crc, sizeof(crc));
	return ret;
}

int tmc_index_block_open(void *block, uint64_t number, const struct tmc_object_header_disk *header,
			 struct tmc_aead *aead)
{
	struct bound bound = { .header = *header, .number = put_le64(number) };
	uint8_t nonce[TMC_NONCE_BYTES], *end = (uint8_t *)block + SEALED_BYTES;
	le32_t crc = block_crc(block, number, header);
	int ret;

	if (memcmp(end + TMC_TAG_BYTES, &crc, sizeof(crc)))
		return -EBADMSG;
	if (!aead)
		return 0;
	make_nonce(nonce, number, header);
	if (number)
		ret = tmc_aead_open(aead, nonce, &bound, sizeof(bound), block, SEALED_BYTES, block);
	else
		ret = tmc_aead_open(aead, nonce, block, SEALED_BYTES, end, 0, end);
	memset(end, 0, TMC_TAG_BYTES);
	return ret;
}
