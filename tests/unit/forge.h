/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Trees made node by node, as no backup makes them, in a repository of their own with
 * chunks of FORGE_CHUNK bytes. A test that does not end in time is one that failed.
 */
#ifndef TESTS_UNIT_FORGE_H
#define TESTS_UNIT_FORGE_H

#include "repo_fixture.h"

#include "catalog/proof.h"
#include "catalog/tree.h"

#define FORGE_CHUNK 4096u

struct tmc_blob_set;
struct tmc_pack_writer;
struct tmc_blob_coder;

struct forge {
	struct fixture *fixture;
	struct tmc_repo *repo;
	struct tmc_blob_set *blobs; /* NULL: what was forged has been committed */
	struct tmc_pack_writer *packs;
	struct tmc_blob_coder *coder;
	uint64_t seed;
};

/** For cmocka; the forge is open then. */
int forge_setup(void **state);
int forge_teardown(void **state);

void forge_begin(struct forge *forge);
/** What has been forged can be found from now on. */
void forge_commit(struct forge *forge);

/** All bytes of it are content. */
struct tmc_id forge_chunk(struct forge *forge, uint8_t content);
struct tmc_id forge_node(struct forge *forge, uint32_t level, const struct tmc_id *ids,
			 uint32_t count);
/** A node of so many times one id, but for the last one. */
struct tmc_id forge_row(struct forge *forge, uint32_t level, const struct tmc_id *id,
			uint32_t count, const struct tmc_id *last);
/** An id that nothing has. */
struct tmc_id forge_nowhere(uint8_t nth);

struct tmc_point forge_point(struct forge *forge, const struct tmc_tree *tree);

/** That all of a tree is good which has a place. */
void forge_proof(struct forge *forge, const struct tmc_tree *tree, struct tmc_proof *ret_proof);

#endif
