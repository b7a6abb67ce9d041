// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Object header. Input: repairs, type asked for, 128 bytes.
 */
#include "tests/fuzz/fuzz.h"

#include "catalog/object.h"

#define REPAIR_CRC 1u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	struct tmc_object_header_disk header;
	uint8_t repairs = fuzz_u8(&input);
	enum tmc_object_type type = fuzz_u8(&input) % (TMC_OBJECT_JOURNAL + 1);
	const struct tmc_keys *keys = fuzz_repo()->keys;
	uint64_t ro_compat;

	fuzz_bytes(&input, &header, sizeof(header));
	if (repairs & REPAIR_CRC)
		fuzz_repair_header(&header);
	fuzz_memory_begin(4096);
	fuzz_accepted += !tmc_object_header_check(&header, type, keys, "it", &ro_compat);
	fuzz_memory_end();
	return 0;
}
