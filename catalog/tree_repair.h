/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The tree of a damaged point without what is lost.
 */
#ifndef CATALOG_TREE_REPAIR_H
#define CATALOG_TREE_REPAIR_H

#include "catalog/proof.h"
#include "catalog/tree.h"

struct tmc_blob_set;
struct tmc_pack_writer;

struct tmc_tree_repair {
	/* in */
	struct tmc_repo *repo;
	struct tmc_proof *proof; /* of all packs there are */
	bool only_lasting; /* a place that a doom lists, which the repo's indexes avoid, is none */
	struct tmc_blob_set *blobs;    /* NULL: only look, store nothing */
	struct tmc_pack_writer *packs; /* with blobs */
	/**
	 * Chunks that are lost, in ascending order, neighbours joined; NULL: nobody asks. A
	 * tree of a few nodes may have as many such ranges as the volume has chunks: those
	 * after the first ranges_max are counted, and not told.
	 */
	void (*lost)(void *context, uint64_t first, uint64_t nr);
	uint64_t ranges_max;
	void *context;
	/* out */
	struct tmc_id root;        /* with blobs */
	uint64_t lost_chunks;      /* that were readable once, as far as that is known */
	uint64_t lost_bytes;       /* of them */
	uint64_t unreadable_chunks; /* of the new tree */
};

/**
 * Walk a tree. A chunk without a proved place, a node that cannot be read, and all
 * below it, become unreadable; nodes on the way are stored anew. Errors: those of
 * storing, -ENOMEM; never that something is damaged.
 */
int tmc_tree_repair(struct tmc_tree_repair *repair, const struct tmc_tree *tree);

#endif
