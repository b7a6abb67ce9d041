// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * 10^8 chunks have 10^5 nodes above level 0: some 20 MB.
 */
#include "catalog/tree_memo.h"

#include "common/failure.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

struct memory {
	uint32_t level;
	struct tmc_id ids[2];
	_Alignas(uint64_t) uint8_t value[];
};

static struct memory make_key(uint32_t level, const struct tmc_id *a, const struct tmc_id *b)
{
	return (struct memory){ .level = level, .ids = { *a, b ? *b : tmc_id_zero } };
}

static int compare(const void *a, const void *b)
{
	const struct memory *memory_a = a, *memory_b = b;

	if (memory_a->level != memory_b->level)
		return memory_a->level < memory_b->level ? -1 : 1;
	return memcmp(memory_a->ids, memory_b->ids, sizeof(memory_a->ids));
}

bool tmc_tree_memo_suits(const struct tmc_tree *tree, uint32_t level, uint64_t node)
{
	uint64_t span = tmc_tree_span_chunks(tree, level) * tree->fan_out;

	return level && (node + 1) * span < tree->nr_chunks;
}

const void *tmc_tree_memo_find(const struct tmc_tree_memo *memo, uint32_t level,
			       const struct tmc_id *a, const struct tmc_id *b)
{
	const struct memory key = make_key(level, a, b);
	struct memory *const *found = tfind(&key, &memo->root, compare);

	return found ? (*found)->value : NULL;
}

int tmc_tree_memo_add(struct tmc_tree_memo *memo, uint32_t level, const struct tmc_id *a,
		      const struct tmc_id *b, const void *value)
{
	struct memory *memory = malloc(sizeof(*memory) + memo->value_bytes);
	struct memory *const *kept;

	if (!memory)
		return failure_set(-ENOMEM, "out of memory");
	*memory = make_key(level, a, b);
	memcpy(memory->value, value, memo->value_bytes);
	kept = tsearch(memory, &memo->root, compare);
	if (!kept || *kept != memory)
		free(memory);
	return kept ? 0 : failure_set(-ENOMEM, "out of memory");
}

void tmc_tree_memo_clear(struct tmc_tree_memo *memo)
{
	tdestroy(memo->root, free);
	memo->root = NULL;
}
