// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Walks remember what a subtree came to: of trees in which subtrees are met again, whole,
 * lost and mixed, that is compared chunk by chunk with what they unfold to.
 */
#include "forge.h"

#include "catalog/repo.h"
#include "catalog/tree_repair.h"

#define CHUNK FORGE_CHUNK

#define POOL 6u /* nodes of a level */

struct pool {
	struct tmc_id chunks[POOL]; /* zero, unreadable, lost, and three real ones */
	struct tmc_id nodes[2][POOL];
};

static uint64_t pick(struct forge *forge, uint64_t of)
{
	forge->seed = forge->seed * 6364136223846793005u + 1442695040888963407u;
	return (forge->seed >> 33) % of;
}

/* Mostly the same id, so that nodes are of one content, nearly so, and mixed. */
static struct tmc_id put_random(struct forge *forge, uint32_t level, const struct tmc_id *from,
				uint32_t count)
{
	uint64_t usual = pick(forge, POOL), dice = pick(forge, 3);
	struct tmc_id ids[TMC_FAN_OUT];

	for (uint32_t i = 0; i < count; i++)
		ids[i] = from[dice && pick(forge, dice == 1 ? 2 : 20) ? usual : pick(forge, POOL)];
	return forge_node(forge, level, ids, count);
}

static void put_pool(struct forge *forge, struct pool *pool)
{
	pool->chunks[0] = tmc_id_zero;
	pool->chunks[1] = tmc_id_unreadable;
	pool->chunks[2] = forge_nowhere(2);
	for (uint8_t i = 3; i < POOL; i++)
		pool->chunks[i] = forge_chunk(forge, i);
	for (uint32_t level = 0; level < 2; level++) {
		for (uint32_t i = 0; i < POOL - 1; i++)
			pool->nodes[level][i] = put_random(forge, level, level ? pool->nodes[0] :
								      pool->chunks, TMC_FAN_OUT);
		pool->nodes[level][POOL - 1] = pick(forge, 2) ? forge_nowhere(3) : tmc_id_zero;
		if (!level) /* a level that is not its own */
			pool->nodes[level][0] = put_random(forge, 1, pool->chunks, TMC_FAN_OUT);
	}
}

/* A root of nodes from the pool, the last of them random as well where the volume ends. */
static struct tmc_tree put_tree(struct forge *forge, const struct pool *pool, uint64_t nr_chunks)
{
	struct tmc_tree tree;
	struct tmc_id ids[TMC_FAN_OUT], edge = pool->chunks[3];
	uint32_t count;

	tmc_tree_init(&tree, &tmc_id_zero, nr_chunks * CHUNK, &forge->repo->limits);
	assert_int_equal(tree.levels, 3);
	for (uint32_t level = 0; level < 2; level++) {
		const struct tmc_id *from = level ? pool->nodes[0] : pool->chunks;
		uint64_t span = tmc_tree_span_chunks(&tree, level + 1);

		count = tmc_tree_node_count(&tree, level, (nr_chunks - 1) / span);
		for (uint32_t i = 0; i < count; i++)
			ids[i] = from[pick(forge, POOL)];
		if (level && nr_chunks % tmc_tree_span_chunks(&tree, level))
			ids[count - 1] = edge;
		edge = forge_node(forge, level, ids, count);
	}
	count = tmc_tree_node_count(&tree, 2, 0);
	for (uint32_t i = 0; i < count; i++)
		ids[i] = pool->nodes[1][pick(forge, POOL)];
	if (nr_chunks % tmc_tree_span_chunks(&tree, 2))
		ids[count - 1] = edge;
	tree.root = forge_node(forge, 2, ids, count);
	return tree;
}

enum { LOST = 0xee }; /* first byte of what an id below a lost node unfolds to */

/* Every chunk's id, by a walk that remembers nothing. */
static void unfold(struct forge *forge, const struct tmc_tree *tree, uint32_t level, uint64_t nth,
		   const struct tmc_id *id, struct tmc_id *ret_ids)
{
	uint64_t span = tmc_tree_span_chunks(tree, level), first = nth * span;
	struct tmc_node_reader *reader;
	struct tmc_id ids[TMC_FAN_OUT];
	int ret = 0;

	if (first >= tree->nr_chunks)
		return;
	if (level && !tmc_id_is_special(id)) {
		reader = tmc_node_reader_create(forge->repo);
		ret = tmc_node_read(reader, tree, level - 1, nth, id, ids);
		tmc_node_reader_destroy(reader);
	}
	for (uint64_t i = 0; i < span && first + i < tree->nr_chunks; i++)
		ret_ids[first + i] = ret ? (struct tmc_id){ { LOST, 0xaa } } : *id;
	for (uint32_t i = 0; level && !ret && !tmc_id_is_special(id) &&
			     i < tmc_tree_node_count(tree, level - 1, nth); i++)
		unfold(forge, tree, level - 1, nth * TMC_FAN_OUT + i, &ids[i], ret_ids);
}

static bool is_lost(const struct tmc_id *id)
{
	const struct tmc_id lost = forge_nowhere(2);

	return id->bytes[0] == LOST || tmc_id_equal(id, &lost);
}

struct marks {
	uint8_t *chunks;
	uint64_t nr, end;
	bool misused;
};

static void mark_lost(void *context, uint64_t first, uint64_t nr)
{
	struct marks *marks = context;

	marks->misused |= !nr || (marks->nr && first <= marks->end);
	memset(marks->chunks + first, 1, nr);
	marks->nr += nr;
	marks->end = first + nr;
}

static int mark_range(void *context, uint64_t offset, uint64_t bytes)
{
	mark_lost(context, offset / CHUNK, bytes / CHUNK);
	return 0;
}

static void judge_repair(struct forge *forge, const struct tmc_tree *tree, const struct tmc_id *ids)
{
	struct marks marks = { .chunks = calloc(tree->nr_chunks, 1) };
	struct tmc_tree_repair told_all = {
		.repo = forge->repo, .lost = mark_lost, .ranges_max = UINT64_MAX, .context = &marks,
	};
	struct tmc_tree_repair quiet = { .repo = forge->repo };
	uint64_t nr_lost = 0, nr_unreadable = 0;
	struct tmc_proof proof;

	forge_proof(forge, tree, &proof);
	told_all.proof = quiet.proof = &proof;
	assert_success(tmc_tree_repair(&told_all, tree));
	assert_success(tmc_tree_repair(&quiet, tree));
	for (uint64_t i = 0; i < tree->nr_chunks; i++) {
		assert_int_equal(marks.chunks[i], is_lost(&ids[i]));
		nr_lost += is_lost(&ids[i]);
		nr_unreadable += is_lost(&ids[i]) || tmc_id_equal(&ids[i], &tmc_id_unreadable);
	}
	assert_false(marks.misused);
	assert_int_equal(told_all.lost_chunks, nr_lost);
	assert_int_equal(quiet.lost_chunks, nr_lost);
	assert_int_equal(quiet.lost_bytes, nr_lost * CHUNK);
	assert_int_equal(told_all.unreadable_chunks, nr_unreadable);
	assert_int_equal(quiet.unreadable_chunks, nr_unreadable);
	tmc_proof_exit(&proof);
	free(marks.chunks);
}

/* What cannot be read of either ends a diff, so they are of what can be. */
static void judge_diff(struct forge *forge, const struct tmc_tree trees[2],
		       struct tmc_id *const ids[2])
{
	const struct tmc_point points[2] = {
		forge_point(forge, &trees[0]), forge_point(forge, &trees[1]),
	};
	const uint64_t sizes[2] = { trees[0].nr_chunks, trees[1].nr_chunks };
	uint64_t nr = sizes[0] < sizes[1] ? sizes[0] : sizes[1];
	uint64_t all = sizes[0] + sizes[1] - nr, sum = 0, bytes, quiet_bytes;
	struct marks marks = { .chunks = calloc(all, 1) };

	assert_success(tmc_point_diff(forge->repo, &points[0], &points[1], mark_range, &marks,
				      &bytes));
	assert_success(tmc_point_diff(forge->repo, &points[0], &points[1], NULL, NULL,
				      &quiet_bytes));
	for (uint64_t i = 0; i < all; i++) {
		bool differs = i >= nr || !tmc_id_equal(&ids[0][i], &ids[1][i]);

		assert_int_equal(marks.chunks[i], differs);
		sum += differs;
	}
	assert_false(marks.misused);
	assert_int_equal(bytes, sum * CHUNK);
	assert_int_equal(quiet_bytes, bytes);
	free(marks.chunks);
}

static char told[1024];

static void take_text(void *context, const char *text)
{
	snprintf(told, sizeof(told), "%s", text);
}

static void judge_verify(struct forge *forge, const struct tmc_tree *tree, const struct tmc_id *ids)
{
	struct tmc_point point = forge_point(forge, tree);
	uint64_t nr_lost = 0, first = 0;
	struct tmc_verify_result result;
	char wanted[200];
	int ret;

	for (uint64_t i = tree->nr_chunks; i--;) {
		nr_lost += is_lost(&ids[i]);
		first = is_lost(&ids[i]) ? i : first;
	}
	told[0] = '\0';
	ret = tmc_verify(forge->repo, &point, 1, take_text, NULL, NULL, &result);
	assert_int_equal(ret, nr_lost ? -EBADMSG : 0);
	snprintf(wanted, sizeof(wanted), "%llu of its %llu chunks are lost, the first at byte %llu",
		 (unsigned long long)nr_lost, (unsigned long long)tree->nr_chunks,
		 (unsigned long long)first * CHUNK);
	if (nr_lost && !strstr(told, wanted))
		fail_msg("\"%s\" instead of \"%s\"", told, wanted);
}

static void what_is_remembered_is_what_a_walk_would_find(void **state)
{
	static const uint64_t sizes[] = { 32 * 1024, 32 * 1024 - 1, 9 * 1024 + 33, 5 * 1024 + 32,
					  3 * 1024 };
	struct forge *forge = *state;

	for (unsigned int round = 0; round < 20; round++) {
		struct tmc_tree trees[2];
		struct tmc_id *ids[2];
		struct pool pool;
		bool whole = true;

		if (!forge->blobs)
			forge_begin(forge);
		put_pool(forge, &pool);
		if (round % 2) { /* nothing is lost */
			pool.chunks[2] = pool.chunks[3];
			for (uint32_t i = 0; i < POOL; i++)
				pool.nodes[0][i] = put_random(forge, 0, pool.chunks, TMC_FAN_OUT);
			for (uint32_t i = 0; i < POOL; i++)
				pool.nodes[1][i] = put_random(forge, 1, pool.nodes[0], TMC_FAN_OUT);
		}
		for (int i = 0; i < 2; i++)
			trees[i] = put_tree(forge, &pool,
					    sizes[(round + (unsigned int)i * round / 7) % 5]);
		forge_commit(forge);
		for (int i = 0; i < 2; i++) {
			ids[i] = calloc(trees[i].nr_chunks, sizeof(**ids));
			unfold(forge, &trees[i], 3, 0, &trees[i].root, ids[i]);
			for (uint64_t n = 0; n < trees[i].nr_chunks; n++)
				whole &= !is_lost(&ids[i][n]);
			judge_repair(forge, &trees[i], ids[i]);
			judge_verify(forge, &trees[i], ids[i]);
		}
		assert_int_equal(whole, round % 2);
		if (whole)
			judge_diff(forge, trees, ids);
		free(ids[0]);
		free(ids[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_remembered_is_what_a_walk_would_find,
						forge_setup, forge_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
