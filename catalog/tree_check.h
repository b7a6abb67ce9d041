/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which chunks of a tree have no proved place.
 */
#ifndef CATALOG_TREE_CHECK_H
#define CATALOG_TREE_CHECK_H

#include "catalog/proof.h"
#include "catalog/tree_memo.h"

struct tmc_tree_loss {
	uint64_t nr;    /* chunks */
	uint64_t first; /* chunk, if nr */
};

/** One thread's; for any number of trees, as long as proof stays what it is. */
struct tmc_tree_check {
	struct tmc_repo *repo;
	struct tmc_proof *proof;
	struct tmc_tree_memo memo; /* of struct tmc_tree_loss, from the node's first chunk on */
};

void tmc_tree_check_init(struct tmc_tree_check *check, struct tmc_repo *repo,
			 struct tmc_proof *proof);
/** What was remembered counts no more: the proof has grown. */
void tmc_tree_check_forget(struct tmc_tree_check *check);
void tmc_tree_check_exit(struct tmc_tree_check *check);

/** Errors: -ENOMEM; never that something is damaged. */
int tmc_tree_check(struct tmc_tree_check *check, const struct tmc_tree *tree,
		   struct tmc_tree_loss *ret_loss);

#endif
