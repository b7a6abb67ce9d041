// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A hash table of numbers beside the array of names: at most 48 bytes for each pack.
 */
#include "catalog/pack_table.h"

#include "common/bytes.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>

#define SLOTS_FIRST 64u

/* The slot of a pack, or the free one where it belongs; there always is one. */
static uint32_t *find_slot(const struct tmc_pack_table *table, const struct tmc_id *pack)
{
	uint32_t mask = table->nr_slots - 1, i = (uint32_t)get_be64(pack->bytes) & mask;

	while (table->slots[i] && !tmc_id_equal(&table->packs[table->slots[i] - 1], pack))
		i = (i + 1) & mask;
	return &table->slots[i];
}

static int grow(struct tmc_pack_table *table)
{
	uint32_t nr_slots = table->nr_slots ? 2 * table->nr_slots : SLOTS_FIRST;
	struct tmc_id *packs = NULL;
	uint32_t *slots;

	if (nr_slots)
		packs = realloc(table->packs, nr_slots / 2 * sizeof(*packs));
	if (!packs)
		return failure_set(-ENOMEM, "out of memory");
	table->packs = packs;
	slots = calloc(nr_slots, sizeof(*slots));
	if (!slots)
		return failure_set(-ENOMEM, "out of memory");
	free(table->slots);
	table->slots = slots;
	table->nr_slots = nr_slots;
	for (uint32_t i = 0; i < table->nr; i++)
		*find_slot(table, &packs[i]) = i + 1;
	return 0;
}

int tmc_pack_table_add(struct tmc_pack_table *table, const struct tmc_id *pack,
		       uint32_t *ret_number)
{
	uint32_t *slot;
	int ret = table->nr == table->nr_slots / 2 ? grow(table) : 0;

	if (ret < 0)
		return ret;
	slot = find_slot(table, pack);
	if (!*slot) {
		table->packs[table->nr] = *pack;
		*slot = ++table->nr;
	}
	*ret_number = *slot - 1;
	return 0;
}

void tmc_pack_table_clear(struct tmc_pack_table *table)
{
	free(table->packs);
	free(table->slots);
	memset(table, 0, sizeof(*table));
}
