// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Runs a harness without libFuzzer: each input of the corpus, then so many mutations
 * of it, the same ones each time. What crashes is left in the file of that name.
 *
 *	replay NR_MUTATIONS CRASH_FILE INPUT...
 */
#include "tests/fuzz/fuzz.h"

#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES (64u << 10)

static const char *crash_path;
static uint8_t latest[INPUT_BYTES];
static size_t latest_bytes;
static uint64_t seed = 1;

static uint64_t next_random(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 24;
}

static void save_latest(void)
{
	FILE *file = fopen(crash_path, "w");

	if (file && fwrite(latest, 1, latest_bytes, file) == latest_bytes && !fclose(file))
		fprintf(stderr, "the input is in %s\n", crash_path);
}

static void save_aborted(int number)
{
	save_latest();
	signal(number, SIG_DFL);
	raise(number);
}

/* A copy of exactly its size, so that ASan sees what is read behind it. */
static void run_latest(void)
{
	uint8_t *copy = malloc(latest_bytes ? latest_bytes : 1);

	memcpy(copy, latest, latest_bytes);
	LLVMFuzzerTestOneInput(copy, latest_bytes);
	free(copy);
}

static void read_input(const char *path)
{
	FILE *file = fopen(path, "r");

	if (!file) {
		perror(path);
		exit(2);
	}
	latest_bytes = fread(latest, 1, sizeof(latest), file);
	fclose(file);
}

/* Numbers that lengths and counts go wrong with. */
static void put_number(uint8_t *p, size_t room)
{
	static const uint32_t numbers[] = {
		0, 1, 2, 31, 32, 33, 127, 128, 255, 256, 4095, 4096, 4097, 65535, 65536,
		0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
	};
	uint32_t number = numbers[next_random() % (sizeof(numbers) / sizeof(*numbers))];
	size_t bytes = (size_t)1 << next_random() % 3;

	memcpy(p, &number, bytes < room ? bytes : room);
}

static void mutate_once(void)
{
	size_t at = next_random() % latest_bytes, room = latest_bytes - at;
	size_t part = 1 + next_random() % (room < 64 ? room : 64);
	size_t from = next_random() % (latest_bytes - part + 1);

	switch (next_random() % 7) {
	case 0:
		latest[at] ^= (uint8_t)(1u << next_random() % 8);
		break;
	case 1:
		latest[at] = (uint8_t)next_random();
		break;
	case 2:
		latest[at] = (uint8_t)(latest[at] + 1 - 2 * (next_random() % 2));
		break;
	case 3:
		put_number(latest + at, room);
		break;
	case 4: /* a part of it over another */
		memmove(latest + at, latest + from, part);
		break;
	case 5: /* a part is gone */
		memmove(latest + at, latest + at + part, room - part);
		latest_bytes -= latest_bytes > part ? part : 0;
		break;
	case 6: /* a part is there twice */
		if (latest_bytes + part > sizeof(latest))
			break;
		memmove(latest + at + part, latest + at, room);
		latest_bytes += part;
		break;
	}
}

int main(int argc, char **argv)
{
	unsigned int nr_mutations, nr_runs = 0;

	if (argc < 4)
		return 2;
	nr_mutations = (unsigned int)atoi(argv[1]);
	crash_path = argv[2];
	__sanitizer_set_death_callback(save_latest);
	signal(SIGABRT, save_aborted);
	for (int i = 3; i < argc; i++) {
		for (unsigned int n = 0; n <= nr_mutations; n++, nr_runs++) {
			read_input(argv[i]);
			if (n % 4 == 1)
				latest[0] = (uint8_t)next_random(); /* mostly the repairs */
			for (unsigned int k = n ? 1 + next_random() % 4 : 0; k && latest_bytes; k--)
				mutate_once();
			run_latest();
		}
	}
	printf("%u inputs, %lu accepted\n", nr_runs, fuzz_accepted);
	if (fuzz_accepted && fuzz_accepted < nr_runs)
		return 0;
	fprintf(stderr, "a parser that takes all or nothing is not tested\n");
	return 1;
}
