// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The file of a saved state. Input: repairs, the file. What is accepted has runs in order,
 * inside the volume, and is written again as it was.
 */
#include "tests/fuzz/fuzz.h"

#include "agent/saved_state.h"

#include <fcntl.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define REPAIR_DIGEST 1u
#define ID            "part:aaaa-01"
#define CAP_BYTES     (1u << 20)

static char directory[PATH_MAX - 64];
static char path[PATH_MAX];

/* The name is the writer's affair: one file is written, and found. */
static void find_path(void)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	size_t used;

	snprintf(directory, sizeof(directory), "%s/state", fuzz_repo_path());
	mkdir(directory, 0700);
	SHA256((const uint8_t *)ID, sizeof(ID) - 1, digest);
	used = (size_t)snprintf(path, sizeof(path), "%s/", directory);
	for (int i = 0; i < 16; i++)
		used += (size_t)snprintf(path + used, sizeof(path) - used, "%02x", digest[i]);
	snprintf(path + used, sizeof(path) - used, ".state");
}

static void put(const uint8_t *data, size_t bytes)
{
	FILE *file = fopen(path, "w");

	if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0)
		abort();
}

static void check(const struct saved_state *state)
{
	const struct chunk_runs *dirty = &state->dirty;

	for (size_t i = 0; i < dirty->nr; i++)
		if (!dirty->runs[i].nr_chunks || dirty->runs[i].first_chunk >= state->nr_chunks ||
		    dirty->runs[i].nr_chunks > state->nr_chunks - dirty->runs[i].first_chunk ||
		    (i && dirty->runs[i].first_chunk <= dirty->runs[i - 1].first_chunk +
								dirty->runs[i - 1].nr_chunks))
			abort();
}

/* Windows end, whatever the sizes. */
static void walk(const struct saved_state *state)
{
	static struct chunk_window window;
	uint64_t from = 0;

	for (int i = 0; i < 64 && chunk_runs_window(&state->dirty, from, state->nr_chunks, &window);
	     i++)
		from = window.first_chunk + window.nr_chunks;
}

static void read_back(void)
{
	struct saved_state state;
	int r = saved_state_read(directory, ID, &state);

	if (r == 0) {
		fuzz_accepted++;
		check(&state);
		walk(&state);
	}
	saved_state_clear(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t repairs = fuzz_u8(&input);
	static uint8_t file[65536];
	size_t size = fuzz_bytes(&input, file, sizeof(file));

	if (!path[0])
		find_path();
	if (repairs & REPAIR_DIGEST && size >= SHA256_DIGEST_LENGTH)
		SHA256(file, size - SHA256_DIGEST_LENGTH, file + size - SHA256_DIGEST_LENGTH);
	put(file, size);
	fuzz_memory_begin(CAP_BYTES);
	read_back();
	fuzz_memory_end();
	return 0;
}
