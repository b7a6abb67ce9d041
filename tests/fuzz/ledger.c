// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Ledger. Input: repairs, ledger.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/generation.h"

#include <stdlib.h>
#include <string.h>

#define REPAIR_HEADER 1u
#define REPAIR_NAME   2u
#define CAP_BYTES     4096u

static uint8_t image[2 * sizeof(struct tmc_ledger_disk)];

static void load(const struct tmc_id *id, size_t size)
{
	struct tmc_ledger_disk disk;
	uint64_t generation;

	if (tmc_ledger_load(fuzz_repo(), id, &generation) < 0)
		return;
	fuzz_accepted++;
	memcpy(&disk, image, sizeof(disk));
	if (size != sizeof(disk) || generation != get_le64(disk.generation))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t repairs = fuzz_u8(&input);
	size_t size = fuzz_bytes(&input, image, sizeof(image));
	struct tmc_object_header_disk header;
	struct tmc_id id = { { 1 } };

	memcpy(&header, image, sizeof(header));
	if (repairs & REPAIR_HEADER && size >= sizeof(header))
		fuzz_repair_header(&header);
	memcpy(image, &header, sizeof(header));
	if (repairs & REPAIR_NAME)
		id = fuzz_hash(image, size);
	fuzz_put(TMC_STORE_LEDGER, &id, image, size);
	fuzz_memory_begin(CAP_BYTES);
	load(&id, size);
	fuzz_memory_end();
	fuzz_take(TMC_STORE_LEDGER, &id);
	return 0;
}
