/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What walking a subtree has come to, so that it is walked once however often it is
 * referred to. Without that a tree of twelve nodes, each 32 times the next, costs
 * 32^12 visits, be it a volume of one content or a hostile repository.
 *
 * Only nodes from level 1 up are worth to be remembered: a node of level 0 is met at
 * most fan_out times below each of those. Only those that lie wholly before the end of
 * the volume have the same shape wherever they stand; of the others there is one at
 * each level.
 */
#ifndef CATALOG_TREE_MEMO_H
#define CATALOG_TREE_MEMO_H

#include "catalog/tree.h"

struct tmc_tree_memo { /* begins as all zero but for value_bytes */
	size_t value_bytes;
	void *root; /* of a search tree: no choice of ids makes it slow */
};

/** Whether all that depends on a node is its level and id. */
bool tmc_tree_memo_suits(const struct tmc_tree *tree, uint32_t level, uint64_t node);

/**
 * The value of a node, or of a pair of nodes of two trees; b: NULL for one. The level
 * belongs to the key: a node that is whole at its own is damage at any other. NULL:
 * not met yet.
 */
const void *tmc_tree_memo_find(const struct tmc_tree_memo *memo, uint32_t level,
			       const struct tmc_id *a, const struct tmc_id *b);

/** Copies value; the first one of a key stays. */
int tmc_tree_memo_add(struct tmc_tree_memo *memo, uint32_t level, const struct tmc_id *a,
		      const struct tmc_id *b, const void *value);

void tmc_tree_memo_clear(struct tmc_tree_memo *memo);

#endif
