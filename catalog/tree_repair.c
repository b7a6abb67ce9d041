// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A walk that brings back the id of each node: the same where all below is there,
 * a new one where something is not. A subtree that was met before in this tree is not
 * walked again where it has lost nothing, everything or, once no more ranges are to be
 * told, anything: a hostile tree costs what its different nodes and the told ranges cost.
 */
#include "catalog/tree_repair.h"

#include "catalog/blob_set.h"
#include "catalog/pack_writer.h"
#include "catalog/repo.h"
#include "catalog/tree_memo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct walk {
	struct tmc_tree_repair *repair;
	const struct tmc_tree *tree;
	struct tmc_node_reader *reader;
	struct tmc_blob_coder *coder;
	struct tmc_id *ids;  /* fan_out for each level */
	uint8_t *raw, *disk; /* room for the largest node */
	uint64_t first_lost, nr_lost; /* the range that grows */
	uint64_t nr_told;             /* before it */
	struct tmc_tree_memo outcomes;
};

struct outcome { /* of a subtree */
	struct tmc_id id; /* that stands for it */
	uint64_t lost, unreadable; /* chunks */
};

static bool tells(const struct walk *walk)
{
	return walk->repair->lost && walk->nr_told < walk->repair->ranges_max;
}

static void flush_lost(struct walk *walk)
{
	struct tmc_tree_repair *repair = walk->repair;

	if (walk->nr_lost && tells(walk))
		repair->lost(repair->context, walk->first_lost, walk->nr_lost);
	walk->nr_told += walk->nr_lost != 0;
	walk->nr_lost = 0;
}

static uint64_t clip(const struct walk *walk, uint64_t first, uint64_t span)
{
	uint64_t left = walk->tree->nr_chunks - first;

	return left < span ? left : span;
}

static struct tmc_id lose(struct walk *walk, uint64_t first, uint64_t span)
{
	uint64_t nr = clip(walk, first, span);

	if (walk->first_lost + walk->nr_lost != first)
		flush_lost(walk);
	if (!walk->nr_lost)
		walk->first_lost = first;
	walk->nr_lost += nr;
	walk->repair->lost_chunks += nr;
	walk->repair->lost_bytes += tmc_tree_bytes(walk->tree, first, nr);
	walk->repair->unreadable_chunks += nr;
	return tmc_id_unreadable;
}

static int store_node(struct walk *walk, uint32_t level, const struct tmc_id *ids, uint32_t count,
		      struct tmc_id *ret_id)
{
	struct tmc_tree_repair *repair = walk->repair;
	struct tmc_entry entry = {
		.blob = { .type = TMC_BLOB_NODE, .raw_bytes = TMC_NODE_BYTES(count) },
	};
	int ret;

	if (!repair->blobs)
		return 0;
	tmc_node_put(level, ids, count, walk->raw);
	ret = tmc_hash_once(tmc_blob_coder_hash(walk->coder), walk->raw, entry.blob.raw_bytes,
			    &entry.blob.id);
	*ret_id = entry.blob.id;
	if (!ret)
		ret = tmc_blob_set_claim(repair->blobs, TMC_BLOB_NODE, &entry.blob.id);
	if (ret <= 0)
		return ret;
	ret = tmc_blob_encode(walk->coder, &entry.blob, walk->raw, walk->disk);
	if (!ret)
		ret = tmc_pack_writer_append(repair->packs, walk->disk,
					     tmc_blob_disk_bytes(&entry.blob), &entry, 1);
	if (!ret)
		tmc_blob_set_locate(repair->blobs, &entry, 1);
	return ret;
}

static bool all_unreadable(const struct tmc_id *ids, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!tmc_id_equal(&ids[i], &tmc_id_unreadable))
			return false;
	return true;
}

static bool lasts(const struct walk *walk, enum tmc_blob_type type, const struct tmc_id *id)
{
	return !walk->repair->only_lasting ||
	       tmc_index_set_has(walk->repair->repo->indexes, type, id) > 0;
}

static bool has_place(const struct walk *walk, uint64_t chunk, const struct tmc_id *id)
{
	struct tmc_location location;

	return lasts(walk, TMC_BLOB_CHUNK, id) && tmc_proof_find(walk->repair->proof, TMC_BLOB_CHUNK, id, &location) &&
	       location.entry.blob.raw_bytes == tmc_tree_chunk_bytes(walk->tree, chunk);
}

static int repair_node(struct walk *walk, uint32_t level, uint64_t node, struct tmc_id *id);

/* One id of a node: in the old one, out the one that stands for what is left. */
static int repair_child(struct walk *walk, uint32_t level, uint64_t nth, struct tmc_id *id)
{
	uint64_t span = tmc_tree_span_chunks(walk->tree, level);

	if (tmc_id_equal(id, &tmc_id_unreadable))
		walk->repair->unreadable_chunks += clip(walk, nth * span, span);
	if (tmc_id_is_special(id))
		return 0;
	if (level)
		return repair_node(walk, level - 1, nth, id);
	if (!has_place(walk, nth, id))
		*id = lose(walk, nth, 1);
	return 0;
}

static int repair_below(struct walk *walk, uint32_t level, uint64_t node, struct tmc_id *id)
{
	const struct tmc_tree *tree = walk->tree;
	struct tmc_id *ids = walk->ids + (size_t)level * tree->fan_out;
	uint32_t count = tmc_tree_node_count(tree, level, node);
	uint64_t span = tmc_tree_span_chunks(tree, level) * tree->fan_out;
	bool changed = false;
	int ret = tmc_node_read(walk->reader, tree, level, node, id, ids);

	if (ret == -ENOMEM)
		return ret;
	if (ret < 0 || !lasts(walk, TMC_BLOB_NODE, id)) {
		*id = lose(walk, node * span, span);
		return 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct tmc_id old = ids[i];

		ret = repair_child(walk, level, node * tree->fan_out + i, &ids[i]);
		if (ret < 0)
			return ret;
		changed |= !tmc_id_equal(&old, &ids[i]);
	}
	if (!changed)
		return 0;
	if (all_unreadable(ids, count)) {
		*id = tmc_id_unreadable;
		return 0;
	}
	return store_node(walk, level, ids, count, id);
}

/* False if its lost ranges have to be told once more. */
static bool take_outcome(struct walk *walk, uint64_t first, uint64_t span,
			 const struct outcome *known, struct tmc_id *id)
{
	struct tmc_tree_repair *repair = walk->repair;

	if (known->lost == span) {
		*id = lose(walk, first, span);
		return true;
	}
	if (known->lost && tells(walk))
		return false;
	repair->lost_chunks += known->lost;
	repair->lost_bytes += known->lost * walk->tree->chunk_bytes;
	repair->unreadable_chunks += known->unreadable;
	*id = known->id;
	return true;
}

static int repair_node(struct walk *walk, uint32_t level, uint64_t node, struct tmc_id *id)
{
	uint64_t span = tmc_tree_span_chunks(walk->tree, level) * walk->tree->fan_out;
	bool suits = tmc_tree_memo_suits(walk->tree, level, node);
	const struct tmc_id old = *id;
	const struct outcome *known = suits ? tmc_tree_memo_find(&walk->outcomes, level, &old, NULL)
					    : NULL;
	struct outcome outcome = {
		.lost = walk->repair->lost_chunks, .unreadable = walk->repair->unreadable_chunks,
	};
	int ret;

	if (known && take_outcome(walk, node * span, span, known, id))
		return 0;
	ret = repair_below(walk, level, node, id);
	if (ret || known || !suits)
		return ret;
	outcome.id = *id;
	outcome.lost = walk->repair->lost_chunks - outcome.lost;
	outcome.unreadable = walk->repair->unreadable_chunks - outcome.unreadable;
	return tmc_tree_memo_add(&walk->outcomes, level, &old, NULL, &outcome);
}

int tmc_tree_repair(struct tmc_tree_repair *repair, const struct tmc_tree *tree)
{
	uint32_t node_bytes = TMC_NODE_BYTES(tree->fan_out);
	__attribute__((cleanup(tmc_node_reader_cleanup))) struct tmc_node_reader *reader =
		tmc_node_reader_create(repair->repo);
	CLEANUP_FREE struct tmc_id *ids = malloc((size_t)tree->levels * tree->fan_out *
						 sizeof(*ids));
	CLEANUP_FREE uint8_t *room = malloc((size_t)node_bytes +
					    tmc_limits_disk_bytes(&repair->repo->limits));
	struct walk walk = {
		.repair = repair,
		.tree = tree,
		.reader = reader,
		.coder = tmc_blob_coder_create(&repair->repo->limits, repair->repo->keys),
		.ids = ids,
		.raw = room,
		.disk = room ? room + node_bytes : NULL,
		.outcomes = { .value_bytes = sizeof(struct outcome) },
	};
	int ret = 0;

	repair->root = tree->root;
	repair->lost_chunks = 0;
	repair->lost_bytes = 0;
	repair->unreadable_chunks = 0;
	if (!reader || !ids || !room || !walk.coder)
		ret = failure_set(-ENOMEM, "out of memory");
	if (!ret && tree->nr_chunks)
		ret = repair_child(&walk, tree->levels, 0, &repair->root);
	tmc_blob_coder_destroy(walk.coder);
	tmc_tree_memo_clear(&walk.outcomes);
	flush_lost(&walk);
	return ret;
}
