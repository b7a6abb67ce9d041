/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One block of a large index that tells whether an id is in it, and where.
 */
#ifndef CATALOG_INDEX_FILTER_H
#define CATALOG_INDEX_FILTER_H

#include "catalog/format.h"

/** How many filter blocks a writer gives to an index. */
uint32_t tmc_index_filter_blocks(uint64_t nr_entries);

/** An id's filter block, and what that block tells it by. */
struct tmc_filter_key {
	uint32_t block;
	uint16_t bucket;
	uint8_t fingerprint;
};
struct tmc_filter_key tmc_filter_key(const struct tmc_id *id, uint32_t nr_filter_blocks);

/**
 * Which entries may have this key: ret_nr (0: none has) from ret_first on. False if the
 * block makes no sense in an index of nr_entries.
 */
bool tmc_index_filter_find(const struct tmc_index_filter_disk *filter, uint64_t nr_entries,
			   const struct tmc_filter_key *key, uint64_t *ret_first, uint32_t *ret_nr);

/** Makes the blocks of an index one after the other, from its entries in order. */
struct tmc_filter_builder {
	uint32_t nr_filter_blocks;
	uint32_t block;       /* that is being filled */
	uint64_t nr_entries;  /* added */
	struct tmc_index_filter_disk filter;
};

void tmc_filter_builder_init(struct tmc_filter_builder *builder, uint32_t nr_filter_blocks);
/** True while the block has to be taken, and done called, before this id can be added. */
bool tmc_filter_builder_is_full(const struct tmc_filter_builder *builder, const struct tmc_id *id);
void tmc_filter_builder_done(struct tmc_filter_builder *builder);
void tmc_filter_builder_add(struct tmc_filter_builder *builder, const struct tmc_id *id);

#endif
