// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * hog MIB: fill that much memory with what does not compress, and change a word of
 * each page again and again, in random order, until killed. Each time around the
 * page must be as it was left: what swap gave back is checked.
 */
#include <err.h>
#include <stdint.h>
#include <stdlib.h>

#define PAGE_WORDS 512

static uint64_t random_state = 1;

/* splitmix64 */
static uint64_t random_u64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

int main(int argc, char **argv)
{
	uint64_t nr_pages = argc == 2 ? strtoull(argv[1], NULL, 0) * 256 : 0;
	uint64_t *memory = aligned_alloc(4096, nr_pages * 4096), *page, i;
	uint32_t *expected = calloc(nr_pages, sizeof(*expected));

	if (!nr_pages || !memory || !expected)
		errx(1, "usage: hog MIB");
	for (i = 0; i < nr_pages * PAGE_WORDS; i++)
		memory[i] = random_u64();
	for (i = 0; i < nr_pages; i++)
		expected[i] = (uint32_t)memory[i * PAGE_WORDS];
	for (;;) {
		i = random_u64() % nr_pages;
		page = memory + i * PAGE_WORDS;
		if ((uint32_t)page[0] != expected[i])
			errx(1, "page %llu is not as it was left", (unsigned long long)i);
		page[0] = random_u64();
		expected[i] = (uint32_t)page[0];
	}
}
