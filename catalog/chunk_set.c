// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A bitmap in pages that are made when they are first written: a backup of a few
 * changed chunks costs a few pages, a full one a bit per chunk.
 */
#include "catalog/chunk_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_WORDS 512u
#define PAGE_BITS  (PAGE_WORDS * 64u)

struct tmc_chunk_set {
	uint64_t nr_added;
	uint64_t nr_pages; /* in the table, which grows with the highest chunk */
	uint64_t **pages;
};

struct tmc_chunk_set *tmc_chunk_set_create(void)
{
	return calloc(1, sizeof(struct tmc_chunk_set));
}

void tmc_chunk_set_destroy(struct tmc_chunk_set *set)
{
	if (!set)
		return;
	for (uint64_t page = 0; page < set->nr_pages; page++)
		free(set->pages[page]);
	free(set->pages);
	free(set);
}

static bool is_chosen(const uint64_t *chosen, uint64_t nth)
{
	return !chosen || chosen[nth / 64] >> nth % 64 & 1;
}

static bool contains(const struct tmc_chunk_set *set, uint64_t chunk)
{
	const uint64_t *page = chunk / PAGE_BITS < set->nr_pages ? set->pages[chunk / PAGE_BITS] :
								   NULL;

	return page && page[chunk % PAGE_BITS / 64] >> chunk % 64 & 1;
}

static int reserve_pages(struct tmc_chunk_set *set, uint64_t nr_pages)
{
	uint64_t nr_grown = set->nr_pages ? set->nr_pages : 4;
	uint64_t **pages;

	if (nr_pages <= set->nr_pages)
		return 0;
	while (nr_grown < nr_pages)
		nr_grown *= 2;
	pages = reallocarray(set->pages, nr_grown, sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	memset(pages + set->nr_pages, 0, (nr_grown - set->nr_pages) * sizeof(*pages));
	set->pages = pages;
	set->nr_pages = nr_grown;
	return 0;
}

int tmc_chunk_set_add(struct tmc_chunk_set *set, uint64_t first, uint64_t nr,
		      const uint64_t *chosen, uint64_t *ret_chunk)
{
	if (nr && reserve_pages(set, (first + nr - 1) / PAGE_BITS + 1) < 0)
		return -ENOMEM;
	for (uint64_t page = first / PAGE_BITS; nr && page <= (first + nr - 1) / PAGE_BITS; page++) {
		if (!set->pages[page])
			set->pages[page] = calloc(PAGE_WORDS, sizeof(uint64_t));
		if (!set->pages[page])
			return -ENOMEM;
	}
	for (uint64_t n = 0; n < nr; n++) {
		if (is_chosen(chosen, n) && contains(set, first + n)) {
			*ret_chunk = first + n;
			return -EINVAL;
		}
	}
	for (uint64_t n = 0; n < nr; n++) {
		uint64_t chunk = first + n;

		if (!is_chosen(chosen, n))
			continue;
		set->pages[chunk / PAGE_BITS][chunk % PAGE_BITS / 64] |= 1ull << chunk % 64;
		set->nr_added++;
	}
	return 0;
}

uint64_t tmc_chunk_set_nr(const struct tmc_chunk_set *set)
{
	return set->nr_added;
}

uint64_t tmc_chunk_set_first_missing(const struct tmc_chunk_set *set)
{
	uint64_t chunk = 0;

	while (contains(set, chunk))
		chunk++;
	return chunk;
}
