// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Nodes that trees share, or that one tree has many times, are walked once: those of
 * level 0 that are whole have a bit in the proof, all above are remembered with what
 * is lost below them.
 */
#include "catalog/tree_check.h"

#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct walk {
	struct tmc_tree_check *check;
	const struct tmc_tree *tree;
	struct tmc_node_reader *reader;
	struct tmc_id *ids; /* fan_out for each level */
	struct tmc_tree_loss loss;
};

static void lose(struct walk *walk, uint64_t first, uint64_t nr)
{
	if (!walk->loss.nr && nr)
		walk->loss.first = first;
	walk->loss.nr += nr;
}

static void lose_node(struct walk *walk, uint32_t level, uint64_t node)
{
	uint64_t span = tmc_tree_span_chunks(walk->tree, level) * walk->tree->fan_out;
	uint64_t left = walk->tree->nr_chunks - node * span;

	lose(walk, node * span, left < span ? left : span);
}

static void walk_chunk(struct walk *walk, uint64_t chunk, const struct tmc_id *id)
{
	struct tmc_location location;

	if (!tmc_proof_find(walk->check->proof, TMC_BLOB_CHUNK, id, &location) ||
	    location.entry.blob.raw_bytes != tmc_tree_chunk_bytes(walk->tree, chunk))
		lose(walk, chunk, 1);
}

static int walk_node(struct walk *walk, uint32_t level, uint64_t node, const struct tmc_id *id);

/* What is below a node that has been read, or that it is lost. */
static int walk_below(struct walk *walk, uint32_t level, uint64_t node, const struct tmc_id *id)
{
	const struct tmc_tree *tree = walk->tree;
	struct tmc_id *ids = walk->ids + (size_t)level * tree->fan_out;
	uint32_t count = tmc_tree_node_count(tree, level, node);
	int ret = tmc_node_read(walk->reader, tree, level, node, id, ids);

	if (ret == -ENOMEM)
		return ret;
	if (ret < 0) {
		lose_node(walk, level, node);
		return 0;
	}
	for (uint32_t i = 0; i < count && !ret; i++) {
		uint64_t nth = node * tree->fan_out + i;

		if (tmc_id_is_special(&ids[i]))
			continue;
		if (level)
			ret = walk_node(walk, level - 1, nth, &ids[i]);
		else
			walk_chunk(walk, nth, &ids[i]);
	}
	return ret;
}

/* A whole leaf has only whole chunks, so the volume's last one has to lie behind it. */
static int walk_leaf(struct walk *walk, uint64_t node, const struct tmc_id *id)
{
	struct tmc_proof *proof = walk->check->proof;
	bool shared = (node + 1) * walk->tree->fan_out < walk->tree->nr_chunks;
	uint64_t nr_lost = walk->loss.nr;
	struct tmc_location location;
	int ret;

	if (tmc_index_set_find(proof->indexes, TMC_BLOB_NODE, id, &location) < 0) {
		lose_node(walk, 0, node);
		return 0;
	}
	if (shared && tmc_proof_is_set(proof, location.number, location.position, TMC_PROOF_LEAF))
		return 0;
	ret = walk_below(walk, 0, node, id);
	if (!ret && shared && walk->loss.nr == nr_lost)
		tmc_proof_set(proof, location.number, location.position, TMC_PROOF_LEAF);
	return ret;
}

static int walk_node(struct walk *walk, uint32_t level, uint64_t node, const struct tmc_id *id)
{
	struct tmc_tree_memo *memo = &walk->check->memo;
	uint64_t first = node * tmc_tree_span_chunks(walk->tree, level) * walk->tree->fan_out;
	bool suits = tmc_tree_memo_suits(walk->tree, level, node);
	const struct tmc_tree_loss *known = suits ? tmc_tree_memo_find(memo, level, id, NULL) : NULL;
	struct tmc_tree_loss before = walk->loss, below;
	int ret;

	if (!level)
		return walk_leaf(walk, node, id);
	if (known) {
		lose(walk, first + known->first, known->nr);
		return 0;
	}
	walk->loss = (struct tmc_tree_loss){ 0 };
	ret = walk_below(walk, level, node, id);
	below = walk->loss;
	walk->loss = before;
	lose(walk, below.first, below.nr);
	below.first -= below.nr ? first : 0;
	return ret || !suits ? ret : tmc_tree_memo_add(memo, level, id, NULL, &below);
}

void tmc_tree_check_init(struct tmc_tree_check *check, struct tmc_repo *repo,
			 struct tmc_proof *proof)
{
	*check = (struct tmc_tree_check){
		.repo = repo,
		.proof = proof,
		.memo = { .value_bytes = sizeof(struct tmc_tree_loss) },
	};
}

void tmc_tree_check_forget(struct tmc_tree_check *check)
{
	tmc_tree_memo_clear(&check->memo);
}

void tmc_tree_check_exit(struct tmc_tree_check *check)
{
	tmc_tree_memo_clear(&check->memo);
}

int tmc_tree_check(struct tmc_tree_check *check, const struct tmc_tree *tree,
		   struct tmc_tree_loss *ret_loss)
{
	__attribute__((cleanup(tmc_node_reader_cleanup))) struct tmc_node_reader *reader =
		tmc_node_reader_create(check->repo);
	CLEANUP_FREE struct tmc_id *ids = malloc((size_t)tree->levels * tree->fan_out *
						 sizeof(*ids));
	struct walk walk = { .check = check, .tree = tree, .reader = reader, .ids = ids };
	int ret = reader && ids ? 0 : failure_set(-ENOMEM, "out of memory");

	if (!ret && !tmc_id_is_special(&tree->root))
		ret = walk_node(&walk, tree->levels - 1, 0, &tree->root);
	*ret_loss = walk.loss;
	return ret;
}
