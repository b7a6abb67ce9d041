// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Two points, compared by their trees alone. Nodes of one level and number cover
 * the same chunks in both, whatever the sizes of the volumes; where the ids are
 * equal nothing below is read. A tree with more levels is followed down along its
 * first nodes until both are of one level: beyond the end of the smaller volume
 * there is nothing to compare.
 *
 * A pair of nodes that was compared before is not compared again where it comes to
 * nothing, to a single range or, if nobody wants ranges, to a sum. Else one of its
 * ends at least lies within, so that going down once more is paid for by a call of
 * range(): the cost is that of the different pairs and of the ranges. Volumes can
 * honestly have as many ranges as they have chunks, in a tree of a few nodes; who does
 * not want them all stops in range().
 */
#include "catalog/point.h"
#include "catalog/repo.h"
#include "catalog/tree_memo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct side {
	struct tmc_tree tree;
	struct tmc_id *ids; /* fan_out for each level */
};

struct diff {
	struct tmc_node_reader *reader;
	struct side sides[2];
	const struct tmc_tree *smaller; /* volume */
	uint64_t nr_chunks; /* of it */
	uint64_t bytes_end; /* its size */
	int (*range)(void *context, uint64_t offset, uint64_t bytes);
	void *context;
	uint64_t offset, bytes; /* the range that grows; bytes 0: none */
	uint64_t total_bytes;
	uint64_t nr_different;      /* chunks */
	struct tmc_tree_memo pairs; /* how many chunks differ below them, as uint64_t */
};

static int flush_range(struct diff *diff)
{
	uint64_t bytes = diff->bytes;

	diff->bytes = 0;
	diff->total_bytes += bytes;
	return bytes && diff->range ? diff->range(diff->context, diff->offset, bytes) : 0;
}

static int add_range(struct diff *diff, uint64_t offset, uint64_t end)
{
	int ret = 0;

	if (!diff->bytes || diff->offset + diff->bytes != offset) {
		ret = flush_range(diff);
		diff->offset = offset;
	}
	diff->bytes += end - offset;
	return ret;
}

/* Chunks from first on, as far as both volumes go. */
static int add_chunks(struct diff *diff, uint64_t first, uint64_t nr)
{
	uint64_t chunk_bytes = diff->sides[0].tree.chunk_bytes;
	uint64_t left = diff->nr_chunks - first;
	uint64_t end = nr < left ? (first + nr) * chunk_bytes : diff->bytes_end;

	diff->nr_different += nr < left ? nr : left;
	return add_range(diff, first * chunk_bytes, end);
}

static struct tmc_id *ids_of(const struct side *side, uint32_t level)
{
	return side->ids + (size_t)level * side->tree.fan_out;
}

static int read_node(struct diff *diff, const struct side *side, uint32_t level, uint64_t node,
		     const struct tmc_id *id)
{
	return tmc_node_read(diff->reader, &side->tree, level, node, id, ids_of(side, level));
}

static int diff_nodes(struct diff *diff, uint32_t level, uint64_t node, const struct tmc_id *a,
		      const struct tmc_id *b);

/* Ids number nth of a level: of chunks at level 0, else of nodes of the level below. */
static int diff_ids(struct diff *diff, uint32_t level, uint64_t nth, const struct tmc_id *a,
		    const struct tmc_id *b)
{
	uint64_t span = tmc_tree_span_chunks(&diff->sides[0].tree, level);

	if (tmc_id_equal(a, b))
		return 0;
	if (!level || (tmc_id_is_special(a) && tmc_id_is_special(b)))
		return add_chunks(diff, nth * span, span);
	return diff_nodes(diff, level - 1, nth, a, b);
}

static int diff_below(struct diff *diff, uint32_t level, uint64_t node, const struct tmc_id *a,
		      const struct tmc_id *b)
{
	const struct tmc_tree *tree = &diff->sides[0].tree;
	uint64_t span = tmc_tree_span_chunks(tree, level);
	int ret = read_node(diff, &diff->sides[0], level, node, a);

	if (!ret)
		ret = read_node(diff, &diff->sides[1], level, node, b);
	for (uint32_t i = 0; !ret && i < tree->fan_out; i++) {
		uint64_t nth = node * tree->fan_out + i;

		if (nth * span >= diff->nr_chunks)
			break;
		ret = diff_ids(diff, level, nth, &ids_of(&diff->sides[0], level)[i],
			       &ids_of(&diff->sides[1], level)[i]);
	}
	return ret;
}

/* False if it has to be gone down into again. */
static bool add_known(struct diff *diff, uint64_t first, uint64_t span, uint64_t nr_different,
		      int *ret)
{
	if (nr_different == span) {
		*ret = add_chunks(diff, first, span);
	} else if (nr_different && diff->range) {
		return false;
	} else {
		diff->nr_different += nr_different;
		diff->total_bytes += nr_different * diff->sides[0].tree.chunk_bytes;
	}
	return true;
}

static int diff_nodes(struct diff *diff, uint32_t level, uint64_t node, const struct tmc_id *a,
		      const struct tmc_id *b)
{
	uint64_t span = tmc_tree_span_chunks(&diff->sides[0].tree, level + 1);
	bool suits = tmc_tree_memo_suits(diff->smaller, level, node);
	const uint64_t *known = suits ? tmc_tree_memo_find(&diff->pairs, level, a, b) : NULL;
	uint64_t nr_different = diff->nr_different;
	int ret = 0;

	if (known && add_known(diff, node * span, span, *known, &ret))
		return ret;
	ret = diff_below(diff, level, node, a, b);
	if (ret || known || !suits)
		return ret;
	nr_different = diff->nr_different - nr_different;
	return tmc_tree_memo_add(&diff->pairs, level, a, b, &nr_different);
}

/* The id in a tree of the first node of a level. */
static int first_node(struct diff *diff, const struct side *side, uint32_t level,
		      struct tmc_id *ret_id)
{
	*ret_id = side->tree.root;
	for (uint32_t above = side->tree.levels - 1; above > level; above--) {
		int ret = read_node(diff, side, above, 0, ret_id);

		if (ret < 0)
			return ret;
		*ret_id = ids_of(side, above)[0];
	}
	return 0;
}

static int diff_trees(struct diff *diff)
{
	const struct tmc_tree *a = &diff->sides[0].tree, *b = &diff->sides[1].tree;
	uint32_t level = (a->levels < b->levels ? a->levels : b->levels) - 1;
	struct tmc_id roots[2];
	int ret = 0;

	for (int i = 0; i < 2 && !ret; i++)
		ret = first_node(diff, &diff->sides[i], level, &roots[i]);
	if (!ret && diff->nr_chunks)
		ret = diff_ids(diff, level + 1, 0, &roots[0], &roots[1]);
	if (!ret && a->volume_bytes != b->volume_bytes)
		ret = add_range(diff, diff->bytes_end, a->volume_bytes > b->volume_bytes ?
						       a->volume_bytes : b->volume_bytes);
	return ret ? ret : flush_range(diff);
}

static int load_side(struct tmc_repo *repo, const struct tmc_point *point, struct side *side)
{
	struct tmc_point loaded;
	int ret = tmc_point_load(repo, &point->id, &loaded, &side->tree);

	if (ret < 0)
		return ret;
	side->ids = malloc((size_t)side->tree.levels * side->tree.fan_out * sizeof(*side->ids));
	return side->ids ? 0 : failure_set(-ENOMEM, "out of memory");
}

static void find_common(struct diff *diff)
{
	const struct tmc_tree *a = &diff->sides[0].tree, *b = &diff->sides[1].tree;

	diff->smaller = a->volume_bytes < b->volume_bytes ? a : b;
	diff->nr_chunks = diff->smaller->nr_chunks;
	diff->bytes_end = diff->smaller->volume_bytes;
}

int tmc_point_diff(struct tmc_repo *repo, const struct tmc_point *a, const struct tmc_point *b,
		   int (*range)(void *context, uint64_t offset, uint64_t bytes), void *context,
		   uint64_t *ret_bytes)
{
	__attribute__((cleanup(tmc_node_reader_cleanup))) struct tmc_node_reader *reader =
		tmc_node_reader_create(repo);
	struct diff diff = {
		.reader = reader,
		.range = range,
		.context = context,
		.pairs = { .value_bytes = sizeof(uint64_t) },
	};
	int ret = reader ? 0 : failure_set(-ENOMEM, "out of memory");

	tmc_repo_enter(repo, "diff");
	if (!ret)
		ret = load_side(repo, a, &diff.sides[0]);
	if (!ret)
		ret = load_side(repo, b, &diff.sides[1]);
	if (!ret) {
		find_common(&diff);
		ret = diff_trees(&diff);
	}
	tmc_tree_memo_clear(&diff.pairs);
	for (int i = 0; i < 2; i++)
		free(diff.sides[i].ids);
	if (!ret)
		*ret_bytes = diff.total_bytes;
	return ret;
}
