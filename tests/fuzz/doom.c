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

#define REPAIR_HEADER   1u
#define REPAIR_COUNTS   2u /* segments, or packs, get what the others leave */
#define REPAIR_ORDER    4u
#define REPAIR_NAME     8u
#define REPAIR_SEGMENTS 16u /* else there are none, and packs get it */
#define IMAGE_BYTES     (16u << 10)
#define CAP_BYTES       (2 * IMAGE_BYTES + (8u << 10)) /* the object, and its lists */

static uint8_t image[IMAGE_BYTES];

static void repair_order(const struct tmc_doom_disk *disk, size_t nr_ids)
{
	size_t counts[] = {
		get_le32(disk->nr_points), get_le32(disk->nr_indexes), get_le32(disk->nr_packs),
		get_le32(disk->nr_segments),
	};
	uint8_t *ids = image + sizeof(*disk);

	for (int i = 0; i < 4 && counts[i] <= nr_ids; i++) {
		qsort(ids, counts[i], sizeof(struct tmc_id), tmc_id_compare);
		ids += counts[i] * sizeof(struct tmc_id);
		nr_ids -= counts[i];
	}
}

static void repair_counts(struct tmc_doom_disk *disk, size_t nr_ids, bool has_segments)
{
	size_t nr_others = (size_t)get_le32(disk->nr_points) + get_le32(disk->nr_indexes);
	le32_t *last = has_segments ? &disk->nr_segments : &disk->nr_packs;

	if (has_segments)
		nr_others += get_le32(disk->nr_packs);
	else
		disk->nr_segments = put_le32(0);
	if (nr_others <= nr_ids)
		*last = put_le32((uint32_t)(nr_ids - nr_others));
}

/* The header says whether there are segments. */
static void repair_header(struct tmc_doom_disk *disk)
{
	uint64_t incompat = get_le64(disk->header.incompat) & ~(uint64_t)TMC_INCOMPAT_SEGMENTS;

	if (get_le32(disk->nr_segments))
		incompat |= TMC_INCOMPAT_SEGMENTS;
	disk->header.incompat = put_le64(incompat);
	fuzz_repair_header(&disk->header);
}

static void repair(uint8_t repairs, size_t size)
{
	size_t nr_ids = (size - sizeof(struct tmc_doom_disk)) / sizeof(struct tmc_id);
	struct tmc_doom_disk disk;

	memcpy(&disk, image, sizeof(disk));
	if (repairs & REPAIR_COUNTS)
		repair_counts(&disk, nr_ids, repairs & REPAIR_SEGMENTS);
	if (repairs & REPAIR_HEADER)
		repair_header(&disk);
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
	check_order(&doom.segments);
	if (sizeof(struct tmc_doom_disk) +
	    (doom.points.nr + doom.indexes.nr + doom.packs.nr + doom.segments.nr) *
	    sizeof(struct tmc_id) != size)
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
