// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One pass over the changes in ascending order. At every moment one node per
 * level is open, so memory is levels x fan_out ids whatever the volume's size. A
 * node without a change keeps its id and is not even read; a change that covers a
 * whole special subtree replaces its id without going down.
 */
#include "catalog/tree_builder.h"

#include "catalog/blob_set.h"
#include "catalog/change_log.h"
#include "catalog/pack_writer.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct builder {
	struct tmc_tree_build *build;
	const struct tmc_tree *tree;
	struct tmc_node_reader *reader;
	struct tmc_blob_coder *coder;
	struct tmc_id *ids;         /* fan_out for each level: the open nodes */
	uint8_t *raw, *disk;       /* room for the largest node */
	struct tmc_change change;   /* the next; nr 0: none is left */
};

static int next_change(struct builder *builder)
{
	int ret = tmc_change_log_next(builder->build->changes, &builder->change);

	if (!ret)
		builder->change.nr = 0;
	return ret < 0 ? ret : 0;
}

/* Take nr chunks off the front of the change at hand. */
static int consume(struct builder *builder, uint64_t nr)
{
	builder->change.first += nr;
	builder->change.nr -= nr;
	return builder->change.nr ? 0 : next_change(builder);
}

static void account(struct builder *builder, uint64_t first, uint64_t nr, const struct tmc_id *old,
		    const struct tmc_id *new)
{
	struct tmc_tree_build *build = builder->build;

	if (tmc_id_equal(old, new))
		return;
	build->changed_bytes += tmc_tree_bytes(builder->tree, first, nr);
	if (tmc_id_equal(new, &tmc_id_unreadable))
		build->newly_unreadable += nr;
	if (tmc_id_equal(old, &tmc_id_unreadable))
		build->no_more_unreadable += nr;
}

static int store_node(struct builder *builder, uint32_t level, const struct tmc_id *ids,
		      uint32_t count, struct tmc_id *ret_id)
{
	struct tmc_tree_build *build = builder->build;
	struct tmc_entry entry = {
		.blob = { .type = TMC_BLOB_NODE, .raw_bytes = TMC_NODE_BYTES(count) },
	};
	int ret;

	tmc_node_put(level, ids, count, builder->raw);
	ret = tmc_hash_once(tmc_blob_coder_hash(builder->coder), builder->raw,
			    entry.blob.raw_bytes, &entry.blob.id);
	if (ret < 0)
		return ret;
	*ret_id = entry.blob.id;
	ret = tmc_blob_set_claim(build->blobs, TMC_BLOB_NODE, &entry.blob.id);
	if (ret <= 0)
		return ret;
	ret = tmc_blob_encode(builder->coder, &entry.blob, builder->raw, builder->disk);
	if (!ret)
		ret = tmc_pack_writer_append(build->packs, builder->disk,
					     tmc_blob_disk_bytes(&entry.blob), &entry, 1);
	if (ret < 0)
		return ret;
	tmc_blob_set_locate(build->blobs, &entry, 1);
	build->nr_nodes++;
	return 0;
}

static bool all_equal(const struct tmc_id *ids, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		if (!tmc_id_equal(&ids[0], &ids[i]))
			return false;
	return true;
}

static int build_node(struct builder *builder, uint32_t level, uint64_t node, struct tmc_id *id);

/* Bring one id of a node up to date; there is a change somewhere below it. */
static int build_child(struct builder *builder, uint32_t level, uint64_t nth, struct tmc_id *id)
{
	const struct tmc_tree *tree = builder->tree;
	uint64_t span = tmc_tree_span_chunks(tree, level);
	uint64_t first = nth * span;
	uint64_t nr = tree->nr_chunks - first < span ? tree->nr_chunks - first : span;
	const struct tmc_change *change = &builder->change;

	bool replaces = change->first == first && change->nr >= nr && tmc_id_is_special(id) &&
			tmc_id_is_special(&change->id);

	if (level && !replaces)
		return build_node(builder, level - 1, nth, id);
	account(builder, first, nr, id, &change->id);
	*id = change->id;
	return consume(builder, nr);
}

/* In: the id that the node has in the parent; out: its new one. */
static int build_node(struct builder *builder, uint32_t level, uint64_t node, struct tmc_id *id)
{
	const struct tmc_tree *tree = builder->tree;
	uint32_t count = tmc_tree_node_count(tree, level, node);
	uint64_t span = tmc_tree_span_chunks(tree, level);
	uint64_t first_id = node * tree->fan_out;
	struct tmc_id *ids = builder->ids + (size_t)level * tree->fan_out;
	int ret;

	ret = tmc_node_read(builder->reader, tree, level, node, id, ids);
	while (!ret && builder->change.nr) {
		uint64_t nth = builder->change.first / span;

		if (nth >= first_id + count)
			break;
		ret = build_child(builder, level, nth, &ids[nth - first_id]);
	}
	if (ret < 0)
		return ret;
	if (all_equal(ids, count) && tmc_id_is_special(&ids[0])) {
		*id = ids[0];
		return 0;
	}
	return store_node(builder, level, ids, count, id);
}

static int run_builder(struct builder *builder)
{
	int ret = tmc_change_log_rewind(builder->build->changes);

	builder->build->root = builder->tree->root;
	if (!ret)
		ret = next_change(builder);
	if (ret < 0 || !builder->change.nr)
		return ret;
	return build_node(builder, builder->tree->levels - 1, 0, &builder->build->root);
}

static void destroy_coder(struct tmc_blob_coder **coder)
{
	tmc_blob_coder_destroy(*coder);
}

int tmc_tree_build(struct tmc_tree_build *build)
{
	const struct tmc_tree *tree = build->parent;
	uint32_t node_bytes = TMC_NODE_BYTES(tree->fan_out);
	__attribute__((cleanup(tmc_node_reader_cleanup))) struct tmc_node_reader *reader =
		tmc_node_reader_create(build->repo);
	CLEANUP(destroy_coder) struct tmc_blob_coder *coder =
		tmc_blob_coder_create(&build->repo->limits, build->repo->keys);
	CLEANUP_FREE struct tmc_id *ids = malloc((size_t)tree->levels * tree->fan_out *
						 sizeof(*ids));
	CLEANUP_FREE uint8_t *room = malloc(2 * (size_t)node_bytes + TMC_BLOB_SEAL_BYTES +
					    sizeof(struct tmc_blob_header_disk));
	struct builder builder = {
		.build = build,
		.tree = tree,
		.reader = reader,
		.coder = coder,
		.ids = ids,
	};

	if (!reader || !coder || !ids || !room)
		return failure_set(-ENOMEM, "out of memory");
	builder.raw = room;
	builder.disk = room + node_bytes;
	return run_builder(&builder);
}
