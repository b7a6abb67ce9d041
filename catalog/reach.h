/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What points need: all blobs that can be reached from their roots.
 */
#ifndef CATALOG_REACH_H
#define CATALOG_REACH_H

#include "catalog/proof.h"
#include "catalog/tree.h"

struct tmc_reach {
	struct tmc_repo *repo;
	struct tmc_proof *proof;
	/** Each blob once, by one of its places; NULL: not wanted. */
	void (*blob)(void *context, const struct tmc_location *location);
	void *context;
};

/**
 * Set TMC_PROOF_NEEDED at every place of every blob of a tree, and needed at the
 * mentions of their packs. What another tree has shown already is passed over. A
 * node that cannot be read, or a blob without a place, does not end the walk: the
 * first such error is returned at its end. Errors: -EBADMSG.
 */
int tmc_reach_tree(const struct tmc_reach *reach, const struct tmc_tree *tree);

#endif
