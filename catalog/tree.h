/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The hash tree over a volume's chunks: geometry, nodes, lookups.
 */
#ifndef CATALOG_TREE_H
#define CATALOG_TREE_H

#include "catalog/blob.h"

struct tmc_repo;

#define TMC_TREE_LEVELS_MAX 64

/** Shape and root of a tree; a plain value. */
struct tmc_tree {
	struct tmc_id root;
	uint64_t volume_bytes;
	uint64_t nr_chunks;
	uint32_t chunk_bytes;
	uint32_t fan_out;
	uint32_t levels;
};

void tmc_tree_init(struct tmc_tree *tree, const struct tmc_id *root, uint64_t volume_bytes,
		   const struct tmc_limits *limits);

/** Chunks below one id of a node at this level. */
uint64_t tmc_tree_span_chunks(const struct tmc_tree *tree, uint32_t level);
/** Ids in a node. */
uint32_t tmc_tree_node_count(const struct tmc_tree *tree, uint32_t level, uint64_t node);
uint32_t tmc_tree_chunk_bytes(const struct tmc_tree *tree, uint64_t chunk);
/** Bytes of the volume in nr chunks from first on. */
uint64_t tmc_tree_bytes(const struct tmc_tree *tree, uint64_t first, uint64_t nr);

/** Reads nodes; used by one thread at a time. */
struct tmc_node_reader;
struct tmc_node_reader *tmc_node_reader_create(struct tmc_repo *repo);
void tmc_node_reader_destroy(struct tmc_node_reader *reader);
void tmc_node_reader_cleanup(struct tmc_node_reader **reader);

/**
 * The ids of a node, of which ret_ids has room for fan_out. A zero or unreadable id
 * gives a table of such ids. Errors: -EBADMSG.
 */
int tmc_node_read(struct tmc_node_reader *reader, const struct tmc_tree *tree, uint32_t level,
		  uint64_t node, const struct tmc_id *id, struct tmc_id *ret_ids);

/** Check what a blob of type node holds. what: for the error. */
int tmc_node_check(const void *raw, uint32_t raw_bytes, uint32_t level, uint32_t count,
		   const char *what);

/** Plain bytes of a node; ret_raw has room for TMC_NODE_BYTES(count). */
void tmc_node_put(uint32_t level, const struct tmc_id *ids, uint32_t count, void *ret_raw);

/**
 * Looks up chunks; cheap where the next one is near the previous. What lies beyond the
 * end is zeros.
 */
struct tmc_tree_cursor;
struct tmc_tree_cursor *tmc_tree_cursor_create(struct tmc_repo *repo, const struct tmc_tree *tree);
void tmc_tree_cursor_destroy(struct tmc_tree_cursor *cursor);
int tmc_tree_cursor_get(struct tmc_tree_cursor *cursor, uint64_t chunk, struct tmc_id *ret_id);
/** Of a chunk in the tree: its id, and how many from it on are seen to have the same. */
int tmc_tree_cursor_get_run(struct tmc_tree_cursor *cursor, uint64_t chunk, struct tmc_id *ret_id,
			    uint64_t *ret_nr);

#endif
