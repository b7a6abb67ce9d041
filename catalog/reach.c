// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A subtree that was met before is not walked again: a hundred points of one
 * volume cost what they do not share.
 */
#include "catalog/reach.h"

#include "common/cleanup.h"
#include "common/failure.h"
#include "common/first_failure.h"

#include <errno.h>

struct walk {
	const struct tmc_reach *reach;
	const struct tmc_tree *tree;
	struct tmc_node_reader *reader;
	struct tmc_id *ids; /* fan_out for each level */
	struct first_failure failure;
};

static void no_place(struct walk *walk, enum tmc_blob_type type, const struct tmc_id *id)
{
	char digits[TMC_ID_TEXT];

	tmc_id_format(id, digits);
	first_failure_note(&walk->failure,
			   failure_set(-EBADMSG, "no index of the repository knows %s %s",
				       type == TMC_BLOB_NODE ? "tree node" : "chunk", digits));
}

/* False if it has been met before, or is nowhere. */
static bool meet(struct walk *walk, enum tmc_blob_type type, const struct tmc_id *id)
{
	struct tmc_proof *proof = walk->reach->proof;
	struct tmc_location location;
	bool found = false, is_new = false;

	for (size_t n = 0; n < proof->nr_indexes; n++) {
		struct tmc_pack_mention *mention;

		if (tmc_index_set_find_in(proof->indexes, n, type, id, &location) <= 0)
			continue;
		if (!tmc_proof_set(proof, n, location.position, TMC_PROOF_NEEDED)) {
			if (!found && walk->reach->blob)
				walk->reach->blob(walk->reach->context, &location);
			is_new = true;
		}
		found = true;
		mention = tmc_proof_mentions(proof, &location.pack);
		if (mention)
			mention->needed = true;
	}
	if (!found)
		no_place(walk, type, id);
	return is_new;
}

static void walk_node(struct walk *walk, uint32_t level, uint64_t node, const struct tmc_id *id)
{
	const struct tmc_tree *tree = walk->tree;
	struct tmc_id *ids = walk->ids + (size_t)level * tree->fan_out;
	uint32_t count = tmc_tree_node_count(tree, level, node);
	int ret;

	if (!meet(walk, TMC_BLOB_NODE, id))
		return;
	ret = tmc_node_read(walk->reader, tree, level, node, id, ids);
	if (ret < 0) {
		first_failure_note(&walk->failure, ret);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (tmc_id_is_special(&ids[i]))
			continue;
		if (level)
			walk_node(walk, level - 1, node * tree->fan_out + i, &ids[i]);
		else
			meet(walk, TMC_BLOB_CHUNK, &ids[i]);
	}
}

int tmc_reach_tree(const struct tmc_reach *reach, const struct tmc_tree *tree)
{
	__attribute__((cleanup(tmc_node_reader_cleanup))) struct tmc_node_reader *reader =
		tmc_node_reader_create(reach->repo);
	CLEANUP_FREE struct tmc_id *ids = malloc((size_t)tree->levels * tree->fan_out *
						 sizeof(*ids));
	struct walk walk = { .reach = reach, .tree = tree, .reader = reader, .ids = ids };

	if (!reader || !ids)
		return failure_set(-ENOMEM, "out of memory");
	first_failure_init(&walk.failure);
	if (!tmc_id_is_special(&tree->root))
		walk_node(&walk, tree->levels - 1, 0, &tree->root);
	return first_failure_get(&walk.failure);
}
