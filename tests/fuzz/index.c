// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Index. Input: repairs, then for each block how many bytes of it follow (u16) and
 * these; the rest of the block is zero. Searched on disk, read from end to end, and
 * searched in memory.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/index.h"
#include "catalog/index_block.h"

#include <string.h>

#define REPAIR_HEADER 1u
#define REPAIR_CRCS   2u
#define REPAIR_COUNTS 4u /* packs get what the entries and filters leave */
#define REPAIR_SEAL   8u /* with the checksums */
#define NR_BLOCKS     16u
#define CAP_BYTES     (NR_BLOCKS * TMC_INDEX_BLOCK_BYTES + (16u << 10))

static uint8_t blocks[NR_BLOCKS][TMC_INDEX_BLOCK_BYTES];

static uint32_t read_blocks(struct fuzz_input *input)
{
	uint32_t nr = 0;

	memset(blocks, 0, sizeof(blocks));
	while (input->left && nr < NR_BLOCKS) {
		uint16_t part = fuzz_u16(input);

		fuzz_bytes(input, blocks[nr++], part < sizeof(*blocks) ? part : sizeof(*blocks));
	}
	return nr;
}

static void repair(uint8_t repairs, uint32_t nr)
{
	struct tmc_aead *aead = repairs & REPAIR_SEAL ? fuzz_aead(TMC_KEY_INDEX) : NULL;
	struct tmc_index_head_disk head;

	memcpy(&head, blocks[0], sizeof(head));
	if (repairs & REPAIR_HEADER)
		fuzz_repair_header(&head.header);
	if (repairs & REPAIR_COUNTS) {
		uint64_t nr_other = 1 + get_le64(head.nr_entries) / TMC_INDEX_BLOCK_ENTRIES +
				    (get_le64(head.nr_entries) % TMC_INDEX_BLOCK_ENTRIES != 0) +
				    get_le32(head.nr_filter_blocks);

		if (nr_other < nr)
			head.nr_packs = put_le32((uint32_t)(nr - nr_other) *
						 TMC_INDEX_BLOCK_PACKS);
	}
	memcpy(blocks[0], &head, sizeof(head));
	for (uint32_t i = 0; repairs & REPAIR_CRCS && i < nr; i++)
		tmc_index_block_seal(blocks[i], i, &head.header, aead);
	if (aead)
		tmc_keys_put_aead(fuzz_repo()->keys, TMC_KEY_INDEX, aead);
}

static void find(struct tmc_index *index, const struct tmc_id *id)
{
	struct tmc_entry entry;
	uint64_t position;
	struct tmc_id pack;

	for (unsigned int type = TMC_BLOB_CHUNK; type <= TMC_BLOB_NODE; type++)
		if (tmc_index_find(index, (enum tmc_blob_type)type, id, &entry, &position) > 0)
			tmc_index_pack(index, entry.pack, &pack);
}

/* Ids that are there, or nearly, and the ends. */
static void find_all(struct tmc_index *index)
{
	struct tmc_index_cursor cursor = { .index = index };
	struct tmc_entry entry;

	for (unsigned int i = 0; i < 100 && tmc_index_next(&cursor, &entry) > 0; i++) {
		find(index, &entry.blob.id);
		entry.blob.id.bytes[31] ^= 1;
		find(index, &entry.blob.id);
		entry.blob.id.bytes[0] ^= 0x80;
		find(index, &entry.blob.id);
	}
	find(index, &tmc_id_zero);
	find(index, &tmc_id_unreadable);
}

static void open_index(const struct tmc_id *id, bool is_sealed)
{
	struct tmc_repo *repo = fuzz_repo();
	struct tmc_index *index;
	struct tmc_id pack;

	if (tmc_index_open(repo->store, repo->keys, id, &index) < 0)
		return;
	fuzz_accept(is_sealed);
	find_all(index);
	tmc_index_pack(index, tmc_index_nr_packs(index) - 1, &pack);
	if (!tmc_index_load(index))
		find_all(index);
	tmc_index_close(index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t repairs = fuzz_u8(&input);
	uint32_t nr = read_blocks(&input);
	struct tmc_id id = { { 1 } };

	repair(repairs, nr);
	fuzz_put(TMC_STORE_INDEX, &id, blocks, (size_t)nr * sizeof(*blocks));
	fuzz_memory_begin(CAP_BYTES);
	open_index(&id, (repairs & REPAIR_CRCS) && (repairs & REPAIR_SEAL));
	fuzz_memory_end();
	fuzz_take(TMC_STORE_INDEX, &id);
	return 0;
}
