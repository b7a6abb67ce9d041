// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Doom. Input: repairs, doom.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/doom.h"

#include <stdlib.h>
#include <string.h>

#define REPAIR_HEADER 1u
#define REPAIR_COUNTS 2u /* packs get what points and indexes leave */
#define REPAIR_ORDER  4u
#define REPAIR_NAME   8u
#define IMAGE_BYTES   (16u << 10)
#define CAP_BYTES     (2 * IMAGE_BYTES + (8u << 10)) /* the object, and its lists */

static uint8_t image[IMAGE_BYTES];

static void repair_order(const struct tmc_doom_disk *disk, size_t nr_ids)
{
	size_t counts[] = {
		get_le32(disk->nr_points), get_le32(disk->nr_indexes), get_le32(disk->nr_packs),
	};
	uint8_t *ids = image + sizeof(*disk);

	for (int i = 0; i < 3 && counts[i] <= nr_ids; i++) {
		qsort(ids, counts[i], sizeof(struct tmc_id), tmc_id_compare);
		ids += counts[i] * sizeof(struct tmc_id);
		nr_ids -= counts[i];
	}
}

static void repair(uint8_t repairs, size_t size)
{
	size_t nr_ids = (size - sizeof(struct tmc_doom_disk)) / sizeof(struct tmc_id), nr_others;
	struct tmc_doom_disk disk;

	memcpy(&disk, image, sizeof(disk));
	if (repairs & REPAIR_HEADER)
		fuzz_repair_header(&disk.header);
	nr_others = (size_t)get_le32(disk.nr_points) + get_le32(disk.nr_indexes);
	if (repairs & REPAIR_COUNTS && nr_others <= nr_ids)
		disk.nr_packs = put_le32((uint32_t)(nr_ids - nr_others));
	memcpy(image, &disk, sizeof(disk));
	if (repairs & REPAIR_ORDER)
		repair_order(&disk, nr_ids);
}

/* Whoever searches it relies on that. */
static void check_order(const struct tmc_id_list *list)
{
	for (size_t i = 1; i < list->nr; i++)
		if (tmc_id_compare(&list->ids[i - 1], &list->ids[i]) >= 0)
			abort();
}

static void load(const struct tmc_id *id, size_t size)
{
	struct tmc_repo *repo = fuzz_repo();
	struct tmc_doom doom;

	if (tmc_doom_load(repo->store, repo->keys, id, &doom) < 0)
		return;
	fuzz_accepted++;
	check_order(&doom.points);
	check_order(&doom.indexes);
	check_order(&doom.packs);
	if (sizeof(struct tmc_doom_disk) +
	    (doom.points.nr + doom.indexes.nr + doom.packs.nr) * sizeof(struct tmc_id) != size)
		abort();
	tmc_doom_clear(&doom);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t repairs = fuzz_u8(&input);
	size_t size = fuzz_bytes(&input, image, sizeof(image));
	struct tmc_id id = { { 1 } };

	if (size >= sizeof(struct tmc_doom_disk))
		repair(repairs, size);
	if (repairs & REPAIR_NAME)
		id = fuzz_hash(image, size);
	fuzz_put(TMC_STORE_DOOM, &id, image, size);
	fuzz_memory_begin(CAP_BYTES);
	load(&id, size);
	fuzz_memory_end();
	fuzz_take(TMC_STORE_DOOM, &id);
	return 0;
}
