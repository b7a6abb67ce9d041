// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Opening a repository. Input: repairs, config. The library holds back nothing: what
 * a config that is accepted says bounds every later allocation, so it is checked here.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define REPAIR_CRC   1u
#define REPAIR_CHECK 2u
#define CAP_BYTES    (64u << 10)

static void open_repository(void)
{
	struct tmc_repo *repo;

	if (tmc_repo_open(fuzz_repo_path(), &repo) < 0)
		return;
	fuzz_accepted++;
	if (repo->limits.chunk_bytes > TMC_CHUNK_BYTES_MAX || repo->limits.fan_out < 2 ||
	    repo->limits.fan_out > TMC_FAN_OUT_MAX)
		abort();
	tmc_repo_close(repo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t repairs = fuzz_u8(&input);
	struct tmc_config_disk config;
	size_t size = fuzz_bytes(&input, &config, sizeof(config));

	if (repairs & REPAIR_CRC)
		fuzz_repair_header(&config.header);
	if (repairs & REPAIR_CHECK)
		config.check = fuzz_hash(&config, offsetof(struct tmc_config_disk, check));
	fuzz_put(TMC_STORE_CONFIG, NULL, &config, size);
	fuzz_memory_begin(CAP_BYTES);
	open_repository();
	fuzz_memory_end();
	return 0;
}
