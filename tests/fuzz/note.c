// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Note. Input: repairs, note.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/note.h"

#include <stdlib.h>
#include <string.h>

#define REPAIR_HEADER  1u
#define REPAIR_STRINGS 2u /* their size */
#define REPAIR_NAME    4u
#define CAP_BYTES      (TMC_NOTE_BYTES_MAX + (16u << 10))

static uint8_t image[TMC_NOTE_BYTES_MAX + 1000];

static void repair(uint8_t repairs, size_t size)
{
	struct tmc_note_disk disk;

	memcpy(&disk, image, sizeof(disk));
	if (repairs & REPAIR_HEADER)
		fuzz_repair_header(&disk.header);
	if (repairs & REPAIR_STRINGS)
		disk.strings_bytes = put_le32((uint32_t)(size - sizeof(disk)));
	memcpy(image, &disk, sizeof(disk));
}

static void load(const struct tmc_id *id)
{
	struct tmc_note note;

	if (tmc_note_load(fuzz_repo(), id, &note) < 0)
		return;
	fuzz_accepted++;
	if (note.nr_tags > TMC_TAGS_MAX || strnlen(note.text, TMC_TEXT_BYTES) == TMC_TEXT_BYTES)
		abort();
	for (unsigned int i = 0; i < note.nr_tags; i++)
		if (strnlen(note.tags[i], TMC_TAG_TEXT) == TMC_TAG_TEXT)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t repairs = fuzz_u8(&input);
	size_t size = fuzz_bytes(&input, image, sizeof(image));
	struct tmc_id id = { { 1 } };

	if (size >= sizeof(struct tmc_note_disk))
		repair(repairs, size);
	if (repairs & REPAIR_NAME)
		id = fuzz_hash(image, size);
	fuzz_put(TMC_STORE_NOTE, &id, image, size);
	fuzz_memory_begin(CAP_BYTES);
	load(&id);
	fuzz_memory_end();
	fuzz_take(TMC_STORE_NOTE, &id);
	return 0;
}
