/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Packs, numbered in the order in which they were first met.
 */
#ifndef CATALOG_PACK_TABLE_H
#define CATALOG_PACK_TABLE_H

#include "catalog/id.h"

struct tmc_pack_table { /* begins as all zero; one thread's */
	struct tmc_id *packs; /* by number */
	uint32_t nr;
	uint32_t *slots; /* number + 1; 0: free */
	uint32_t nr_slots;
};

/** The number of a pack, which it is given if it has none. */
int tmc_pack_table_add(struct tmc_pack_table *table, const struct tmc_id *pack,
		       uint32_t *ret_number);
void tmc_pack_table_clear(struct tmc_pack_table *table);
#define CLEANUP_PACK_TABLE __attribute__((cleanup(tmc_pack_table_clear)))

#endif
