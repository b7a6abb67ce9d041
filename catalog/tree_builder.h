/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Makes the tree of a new point from its parent's tree and the changes.
 */
#ifndef CATALOG_TREE_BUILDER_H
#define CATALOG_TREE_BUILDER_H

#include "catalog/tree.h"

struct tmc_blob_set;
struct tmc_change_log;
struct tmc_pack_writer;

struct tmc_tree_build {
	/* in */
	struct tmc_repo *repo;
	struct tmc_change_log *changes;
	struct tmc_blob_set *blobs;
	struct tmc_pack_writer *packs;
	const struct tmc_tree *parent; /* same shape; the zero root for no parent */
	/* out */
	struct tmc_id root;
	uint64_t changed_bytes;      /* of chunks whose id differs from the parent's */
	uint64_t newly_unreadable;   /* chunks */
	uint64_t no_more_unreadable; /* chunks */
	uint64_t nr_nodes;           /* stored: not known before */
};

/** Store the nodes that are new. Nodes without a change in them are not read. */
int tmc_tree_build(struct tmc_tree_build *build);

#endif
