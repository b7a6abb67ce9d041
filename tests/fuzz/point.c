// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Restore point. Input: repairs, point; of an encrypted repository its plain body.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/point.h"

#include <stdlib.h>
#include <string.h>

#define REPAIR_HEADER  1u
#define REPAIR_STRINGS 2u /* their size */
#define REPAIR_TREE    4u /* chunk size and levels follow from the volume's size */
#define REPAIR_NAME    8u
#define REPAIR_SEAL    16u
#define CAP_BYTES      (TMC_POINT_BYTES_MAX + (16u << 10))

static uint8_t image[TMC_POINT_BYTES_MAX + 1000];

static void repair(uint8_t repairs, size_t size)
{
	const struct tmc_limits *limits = &fuzz_repo()->limits;
	struct tmc_point_disk disk;
	struct tmc_tree tree;

	memcpy(&disk, image, sizeof(disk));
	if (repairs & REPAIR_HEADER)
		fuzz_repair_header(&disk.header);
	if (repairs & REPAIR_STRINGS)
		disk.strings_bytes = put_le32((uint32_t)(size - sizeof(disk)));
	if (repairs & REPAIR_TREE) {
		tmc_tree_init(&tree, &disk.root, get_le64(disk.volume_bytes), limits);
		disk.levels = put_le32(tree.levels);
		disk.chunk_bytes = put_le32(limits->chunk_bytes);
	}
	memcpy(image, &disk, sizeof(disk));
}

static void load(const struct tmc_id *id, bool is_sealed)
{
	struct tmc_point point;
	struct tmc_tree tree;

	if (tmc_point_load(fuzz_repo(), id, &point, &tree) < 0)
		return;
	fuzz_accept(is_sealed);
	if (tree.levels > TMC_TREE_LEVELS_MAX || strlen(point.group) >= TMC_TEXT_BYTES ||
	    strlen(point.volume.volume_id) >= TMC_TEXT_BYTES)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t repairs = fuzz_u8(&input);
	size_t size = fuzz_bytes(&input, image, sizeof(image) - TMC_TAG_BYTES);
	struct tmc_id id = { { 1 } };

	if (size >= sizeof(struct tmc_point_disk))
		repair(repairs, size);
	if (repairs & REPAIR_SEAL)
		size = fuzz_seal_body(image, size);
	if (repairs & REPAIR_NAME)
		id = fuzz_hash(image, size);
	fuzz_put(TMC_STORE_POINT, &id, image, size);
	fuzz_memory_begin(CAP_BYTES);
	load(&id, repairs & REPAIR_SEAL);
	fuzz_memory_end();
	fuzz_take(TMC_STORE_POINT, &id);
	return 0;
}
