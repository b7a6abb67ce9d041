// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Nodes are read one by one, verified, and never cached beyond the path to the
 * latest chunk: neighbours share it.
 */
#include "catalog/tree.h"

#include "catalog/blob_read.h"
#include "catalog/repo.h"
#include "common/failure.h"
#include "common/zero.h"

#include <errno.h>
#include <stdlib.h>

void tmc_tree_init(struct tmc_tree *tree, const struct tmc_id *root, uint64_t volume_bytes,
		   const struct tmc_limits *limits)
{
	uint64_t nr_nodes;

	*tree = (struct tmc_tree){
		.root = *root,
		.volume_bytes = volume_bytes,
		.nr_chunks = volume_bytes / limits->chunk_bytes +
			     (volume_bytes % limits->chunk_bytes != 0),
		.chunk_bytes = limits->chunk_bytes,
		.fan_out = limits->fan_out,
		.levels = 1,
	};
	for (nr_nodes = tree->nr_chunks; nr_nodes > limits->fan_out; tree->levels++)
		nr_nodes = nr_nodes / limits->fan_out + (nr_nodes % limits->fan_out != 0);
}

uint64_t tmc_tree_span_chunks(const struct tmc_tree *tree, uint32_t level)
{
	uint64_t span = 1;

	while (level--)
		span *= tree->fan_out;
	return span;
}

uint32_t tmc_tree_node_count(const struct tmc_tree *tree, uint32_t level, uint64_t node)
{
	uint64_t span = tmc_tree_span_chunks(tree, level);
	uint64_t nr_ids = tree->nr_chunks / span + (tree->nr_chunks % span != 0);
	uint64_t left = nr_ids - node * tree->fan_out;

	return left < tree->fan_out ? (uint32_t)left : tree->fan_out;
}

uint32_t tmc_tree_chunk_bytes(const struct tmc_tree *tree, uint64_t chunk)
{
	return (uint32_t)tmc_tree_bytes(tree, chunk, 1);
}

uint64_t tmc_tree_bytes(const struct tmc_tree *tree, uint64_t first, uint64_t nr)
{
	uint64_t begin = first * tree->chunk_bytes;

	return first + nr == tree->nr_chunks ? tree->volume_bytes - begin : nr * tree->chunk_bytes;
}

/* ----------------------------------------------------------------------- nodes */

struct tmc_node_reader {
	struct tmc_repo *repo;
	struct tmc_blob_coder *coder;
	uint8_t *disk, *raw; /* room for the largest node */
};

struct tmc_node_reader *tmc_node_reader_create(struct tmc_repo *repo)
{
	struct tmc_node_reader *reader = calloc(1, sizeof(*reader));
	uint32_t node_bytes = TMC_NODE_BYTES(repo->limits.fan_out);

	if (!reader)
		return NULL;
	reader->repo = repo;
	reader->coder = tmc_blob_coder_create(&repo->limits, repo->keys);
	reader->disk = malloc(sizeof(struct tmc_blob_header_disk) + node_bytes +
			      repo->limits.seal_bytes);
	reader->raw = malloc(node_bytes);
	if (!reader->coder || !reader->disk || !reader->raw) {
		tmc_node_reader_destroy(reader);
		return NULL;
	}
	return reader;
}

void tmc_node_reader_destroy(struct tmc_node_reader *reader)
{
	if (!reader)
		return;
	tmc_blob_coder_destroy(reader->coder);
	free(reader->disk);
	free(reader->raw);
	free(reader);
}

void tmc_node_reader_cleanup(struct tmc_node_reader **reader)
{
	tmc_node_reader_destroy(*reader);
}

int tmc_node_check(const void *raw, uint32_t raw_bytes, uint32_t level, uint32_t count,
		   const char *what)
{
	struct tmc_node_header_disk header;

	memcpy(&header, raw, sizeof(header));
	if (memcmp(header.magic, TMC_NODE_MAGIC, sizeof(header.magic)) || header.level != level ||
	    get_le16(header.count) != count || raw_bytes != TMC_NODE_BYTES(count) ||
	    header.zero || !is_zero(header.zero2, sizeof(header.zero2)))
		return failure_set(-EBADMSG, "%s is damaged: a tree node in it makes no sense",
				   what);
	return 0;
}

int tmc_node_read(struct tmc_node_reader *reader, const struct tmc_tree *tree, uint32_t level,
		  uint64_t node, const struct tmc_id *id, struct tmc_id *ret_ids)
{
	uint32_t count = tmc_tree_node_count(tree, level, node);
	char text[TMC_STORE_TEXT];
	struct tmc_blob blob;
	int ret;

	if (tmc_id_is_special(id)) {
		for (uint32_t i = 0; i < count; i++)
			ret_ids[i] = *id;
		return 0;
	}
	ret = tmc_blob_read(reader->repo, TMC_BLOB_NODE, id, reader->coder, reader->disk,
			    reader->raw, &blob, text);
	if (!ret)
		ret = tmc_node_check(reader->raw, blob.raw_bytes, level, count, text);
	if (!ret)
		memcpy(ret_ids, reader->raw + sizeof(struct tmc_node_header_disk),
		       count * sizeof(*ret_ids));
	return ret;
}

void tmc_node_put(uint32_t level, const struct tmc_id *ids, uint32_t count, void *ret_raw)
{
	struct tmc_node_header_disk header = {
		.level = (uint8_t)level,
		.count = put_le16((uint16_t)count),
	};

	memcpy(header.magic, TMC_NODE_MAGIC, sizeof(header.magic));
	memcpy(ret_raw, &header, sizeof(header));
	memcpy((uint8_t *)ret_raw + sizeof(header), ids, count * sizeof(*ids));
}

/* ---------------------------------------------------------------------- cursor */

struct tmc_tree_cursor {
	struct tmc_tree tree;
	struct tmc_node_reader *reader;
	uint64_t nodes[TMC_TREE_LEVELS_MAX]; /* which node ids[] of a level holds */
	struct tmc_id *ids;                  /* fan_out for each level */
};

#define NO_NODE UINT64_MAX

struct tmc_tree_cursor *tmc_tree_cursor_create(struct tmc_repo *repo, const struct tmc_tree *tree)
{
	struct tmc_tree_cursor *cursor = calloc(1, sizeof(*cursor));

	if (!cursor)
		return NULL;
	cursor->tree = *tree;
	cursor->reader = tmc_node_reader_create(repo);
	cursor->ids = malloc((size_t)tree->levels * tree->fan_out * sizeof(*cursor->ids));
	for (uint32_t level = 0; level < tree->levels; level++)
		cursor->nodes[level] = NO_NODE;
	if (!cursor->reader || !cursor->ids) {
		tmc_tree_cursor_destroy(cursor);
		return NULL;
	}
	return cursor;
}

void tmc_tree_cursor_destroy(struct tmc_tree_cursor *cursor)
{
	if (!cursor)
		return;
	tmc_node_reader_destroy(cursor->reader);
	free(cursor->ids);
	free(cursor);
}

int tmc_tree_cursor_get_run(struct tmc_tree_cursor *cursor, uint64_t chunk, struct tmc_id *ret_id,
			    uint64_t *ret_nr)
{
	const struct tmc_tree *tree = &cursor->tree;
	const struct tmc_id *id = &tree->root;
	uint64_t span = tree->nr_chunks; /* below id, which begins at a multiple of it */

	for (uint32_t level = tree->levels; level--;) {
		uint64_t below = tmc_tree_span_chunks(tree, level);
		uint64_t nth = chunk / below;
		struct tmc_id *ids = cursor->ids + (size_t)level * tree->fan_out;
		uint64_t node = nth / tree->fan_out;

		if (tmc_id_is_special(id))
			break;
		if (cursor->nodes[level] != node) {
			int ret;

			cursor->nodes[level] = NO_NODE;
			ret = tmc_node_read(cursor->reader, tree, level, node, id, ids);
			if (ret < 0)
				return ret;
			cursor->nodes[level] = node;
		}
		id = &ids[nth % tree->fan_out];
		span = below;
	}
	*ret_id = *id;
	*ret_nr = span - chunk % span;
	return 0;
}

int tmc_tree_cursor_get(struct tmc_tree_cursor *cursor, uint64_t chunk, struct tmc_id *ret_id)
{
	uint64_t nr;

	if (chunk < cursor->tree.nr_chunks)
		return tmc_tree_cursor_get_run(cursor, chunk, ret_id, &nr);
	*ret_id = tmc_id_zero;
	return 0;
}
