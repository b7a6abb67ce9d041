// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Trees in which a few nodes are referred to many times. A volume of one content has
 * such a tree, so they are no damage; a walk that followed each reference would take
 * for ever, which the alarm turns into a failure. Smaller ones are compared, chunk by
 * chunk, with what they unfold to.
 */
#include "repo_fixture.h"

#include "catalog/blob_set.h"
#include "catalog/pack_writer.h"
#include "catalog/point.h"
#include "catalog/proof.h"
#include "catalog/reach.h"
#include "catalog/repo.h"
#include "catalog/tree_repair.h"

#define CHUNK       4096u
#define HIGH_LEVELS 10u
#define HIGH_CHUNKS (1ull << 5 * HIGH_LEVELS) /* 2^62 bytes */
#define PATIENCE    60u /* seconds */

struct forge {
	struct fixture *fixture;
	struct tmc_repo *repo;
	struct tmc_blob_set *blobs;
	struct tmc_pack_writer *packs;
	struct tmc_blob_coder *coder;
	uint64_t seed;
};

static void begin(struct forge *forge)
{
	struct tmc_repo *repo = forge->repo;

	forge->blobs = tmc_blob_set_create(repo->store, repo->keys, repo->indexes,
					   TMC_BLOB_SET_SLOTS);
	forge->coder = tmc_blob_coder_create(&repo->limits, repo->keys);
	assert_success(tmc_pack_writer_create(repo->store, repo->keys, &forge->packs));
}

/* What has been forged can be found from now on. */
static void commit(struct forge *forge)
{
	const struct tmc_id *packs;
	uint32_t nr;

	assert_success(tmc_pack_writer_finish(forge->packs));
	packs = tmc_pack_writer_packs(forge->packs, &nr);
	assert_success(tmc_blob_set_commit(forge->blobs, packs, nr));
	assert_success(tmc_store_sync_index(forge->repo->store));
	assert_success(tmc_index_set_refresh(forge->repo->indexes));
	tmc_blob_set_destroy(forge->blobs);
	tmc_pack_writer_destroy(forge->packs);
	tmc_blob_coder_destroy(forge->coder);
	forge->blobs = NULL;
}

static int setup(void **state)
{
	struct forge *forge = calloc(1, sizeof(*forge));

	if (fixture_setup((void **)&forge->fixture))
		return -1;
	forge->repo = make_repo(forge->fixture->path, CHUNK);
	forge->seed = 1;
	begin(forge);
	*state = forge;
	alarm(PATIENCE);
	return 0;
}

static int teardown(void **state)
{
	struct forge *forge = *state;

	alarm(0);
	tmc_repo_close(forge->repo);
	fixture_teardown((void **)&forge->fixture);
	free(forge);
	return 0;
}

/* ------------------------------------------------------------------------ forge */

static struct tmc_id put_blob(struct forge *forge, enum tmc_blob_type type, const void *raw,
			      uint32_t bytes)
{
	struct tmc_entry entry = { .blob = { .type = type, .raw_bytes = bytes } };
	uint8_t disk[sizeof(struct tmc_blob_header_disk) + CHUNK + TMC_BLOB_SEAL_BYTES];

	assert_success(tmc_hash_once(tmc_blob_coder_hash(forge->coder), raw, bytes,
				     &entry.blob.id));
	if (tmc_blob_set_claim(forge->blobs, type, &entry.blob.id) <= 0)
		return entry.blob.id;
	assert_success(tmc_blob_encode(forge->coder, &entry.blob, raw, disk));
	assert_success(tmc_pack_writer_append(forge->packs, disk, tmc_blob_disk_bytes(&entry.blob),
					      &entry, 1));
	tmc_blob_set_locate(forge->blobs, &entry, 1);
	return entry.blob.id;
}

static struct tmc_id put_chunk(struct forge *forge, uint8_t content)
{
	uint8_t raw[CHUNK];

	memset(raw, content, sizeof(raw));
	return put_blob(forge, TMC_BLOB_CHUNK, raw, sizeof(raw));
}

static struct tmc_id put_node(struct forge *forge, uint32_t level, const struct tmc_id *ids,
			      uint32_t count)
{
	uint8_t raw[TMC_NODE_BYTES(TMC_FAN_OUT)];

	tmc_node_put(level, ids, count, raw);
	return put_blob(forge, TMC_BLOB_NODE, raw, TMC_NODE_BYTES(count));
}

/* A node of so many times one id, but for the last one. */
static struct tmc_id put_row(struct forge *forge, uint32_t level, const struct tmc_id *id,
			     uint32_t count, const struct tmc_id *last)
{
	struct tmc_id ids[TMC_FAN_OUT];

	for (uint32_t i = 0; i < count; i++)
		ids[i] = i + 1 < count ? *id : *last;
	return put_node(forge, level, ids, count);
}

static struct tmc_id nowhere(uint8_t nth)
{
	return (struct tmc_id){ { nth, 1, 2, 3 } };
}

struct tower {
	struct tmc_id full[HIGH_LEVELS]; /* by level */
	struct tmc_tree tree;
};

/* Each full node has 32 times the one below it; leaf: the one of level 0. */
static struct tower put_tower(struct forge *forge, uint64_t nr_chunks, const struct tmc_id *chunk,
			      const struct tmc_id *last_chunk)
{
	struct tower tower;
	struct tmc_id edge = *chunk; /* the last of each level */

	tower.full[0] = put_row(forge, 0, chunk, TMC_FAN_OUT, last_chunk);
	for (uint32_t level = 1; level < HIGH_LEVELS; level++)
		tower.full[level] = put_row(forge, level, &tower.full[level - 1], TMC_FAN_OUT,
					    &tower.full[level - 1]);
	tmc_tree_init(&tower.tree, &tmc_id_zero, nr_chunks * CHUNK, &forge->repo->limits);
	for (uint32_t level = 0; level < tower.tree.levels; level++) {
		uint64_t span = tmc_tree_span_chunks(&tower.tree, level + 1);
		uint32_t count = tmc_tree_node_count(&tower.tree, level, (nr_chunks - 1) / span);

		if (nr_chunks % span == 0)
			edge = tower.full[level];
		else
			edge = put_row(forge, level, level ? &tower.full[level - 1] : chunk, count,
				       &edge);
	}
	tower.tree.root = edge;
	return tower;
}

static struct tmc_point put_point(struct forge *forge, const struct tmc_tree *tree)
{
	struct tmc_point point = {
		.volume = { .volume_id = "hostile", .volume_bytes = tree->volume_bytes },
		.chunk_bytes = CHUNK,
		.cut_time_ns = 1,
	};

	assert_success(tmc_point_store(forge->repo, tree, &point));
	return point;
}

/* --------------------------------------------------------------- many chunks */

static char told[1024];

static void take_text(void *context, const char *text)
{
	snprintf(told, sizeof(told), "%s", text);
}

static void assert_lost(struct forge *forge, uint64_t nr, uint64_t of, uint64_t first)
{
	struct tmc_verify_result result;
	char wanted[200];

	assert_int_equal(tmc_verify(forge->repo, NULL, 1, take_text, NULL, NULL, &result), -EBADMSG);
	assert_int_equal(result.damaged_points, 1);
	assert_int_equal(result.damaged_objects, 0);
	snprintf(wanted, sizeof(wanted), "%llu of its %llu chunks are lost, the first at byte %llu",
		 (unsigned long long)nr, (unsigned long long)of, (unsigned long long)first * CHUNK);
	if (!strstr(told, wanted))
		fail_msg("\"%s\" instead of \"%s\"", told, wanted);
}

static void a_volume_of_one_content_is_verified_and_its_blobs_counted(void **state)
{
	static const uint64_t sizes[] = { HIGH_CHUNKS, HIGH_CHUNKS - 77777777777 };
	struct forge *forge = *state;
	struct tmc_id chunk = put_chunk(forge, 1);
	struct tmc_stats stats;

	for (int i = 0; i < 2; i++) {
		struct tower tower = put_tower(forge, sizes[i], &chunk, &chunk);

		put_point(forge, &tower.tree);
	}
	commit(forge);
	assert_verified(forge->repo, 2);
	assert_success(tmc_repo_stats(forge->repo, TMC_STATS_WALK, &stats));
	assert_int_equal(stats.chunks, 1);
}

/* One chunk of each leaf, in a volume that ends in the midst of nodes of every level. */
static void what_is_lost_many_times_is_counted_exactly(void **state)
{
	static const uint64_t nr_chunks = HIGH_CHUNKS - 77777777777;
	struct forge *forge = *state;
	struct tmc_id chunk = put_chunk(forge, 1), lost = nowhere(1);
	struct tower tower = put_tower(forge, nr_chunks, &chunk, &lost);

	put_point(forge, &tower.tree);
	commit(forge);
	assert_true(nr_chunks % TMC_FAN_OUT); /* the last leaf has none */
	assert_lost(forge, nr_chunks / TMC_FAN_OUT, nr_chunks, TMC_FAN_OUT - 1);
}

static void a_lost_node_is_lost_each_time(void **state)
{
	struct forge *forge = *state;
	struct tmc_id chunk = put_chunk(forge, 1), lost = nowhere(1);
	struct tower tower = put_tower(forge, HIGH_CHUNKS, &chunk, &chunk);

	tower.full[3] = put_row(forge, 3, &tower.full[2], TMC_FAN_OUT, &lost);
	for (uint32_t level = 4; level < HIGH_LEVELS; level++)
		tower.full[level] = put_row(forge, level, &tower.full[level - 1], TMC_FAN_OUT,
					    &tower.full[level - 1]);
	tower.tree.root = tower.full[HIGH_LEVELS - 1];
	put_point(forge, &tower.tree);
	commit(forge);
	assert_lost(forge, HIGH_CHUNKS / TMC_FAN_OUT, HIGH_CHUNKS, 31ull << 15);
}

/* A subtree that was found good where it belongs is damage one level up. */
static void expect_refused(struct forge *forge, uint32_t level)
{
	uint64_t span = 1ull << 5 * (level + 1); /* of a node of this level */
	struct tmc_id chunk = put_chunk(forge, 1);
	struct tower tower = put_tower(forge, 4 * span, &chunk, &chunk);
	struct tmc_id ids[4] = {
		tower.full[level], tower.full[level - 1], tower.full[level], tower.full[level],
	};
	char path[100];
	struct tmc_copy_result result;
	struct tmc_point point;
	struct tmc_repo *to;
	struct tmc_copy *copy;

	tower.tree.root = put_node(forge, level + 1, ids, 4);
	point = put_point(forge, &tower.tree);
	commit(forge);
	assert_lost(forge, span, 4 * span, span);
	snprintf(path, sizeof(path), "%s/target", forge->fixture->directory);
	to = make_repo(path, CHUNK);
	assert_success(tmc_copy_begin(forge->repo, to, &copy));
	assert_int_equal(tmc_copy_point(copy, &point, NULL, NULL, &result), -EBADMSG);
	tmc_copy_end(copy);
	tmc_repo_close(to);
}

static void a_leaf_one_level_up_is_no_subtree(void **state)
{
	expect_refused(*state, 1);
}

static void a_node_one_level_up_is_no_subtree(void **state)
{
	expect_refused(*state, 2);
}

static void a_volume_of_one_content_is_copied(void **state)
{
	struct forge *forge = *state;
	struct tmc_id chunk = put_chunk(forge, 1);
	struct tower tower = put_tower(forge, HIGH_CHUNKS - 77777777777, &chunk, &chunk);
	struct tmc_point point = put_point(forge, &tower.tree);

	commit(forge);
	tmc_scrypt_cost = (struct tmc_scrypt_cost){ .log2_n = 10, .r = 1, .p = 1 };
	for (int encrypted = 0; encrypted < 2; encrypted++) {
		const struct tmc_repo_options options = {
			.chunk_bytes = CHUNK, .passphrase = encrypted ? "of the target" : NULL,
		};
		struct tmc_copy_result result;
		struct tmc_copy *copy;
		struct tmc_repo *to;
		char path[100];

		snprintf(path, sizeof(path), "%s/%d", forge->fixture->directory, encrypted);
		assert_success(tmc_repo_create_with(path, &options));
		assert_success((tmc_repo_open)(path, &to));
		assert_true(!encrypted || !tmc_repo_unlock(to, "of the target"));
		assert_success(tmc_copy_begin(forge->repo, to, &copy));
		assert_success(tmc_copy_point(copy, &point, NULL, NULL, &result));
		tmc_copy_end(copy);
		assert_in_range(result.copied_blobs, HIGH_LEVELS, 2 * HIGH_LEVELS + 1);
		assert_verified(to, 1);
		tmc_repo_close(to);
	}
}

/* ----------------------------------------------------------------- differences */

struct ranges {
	uint64_t nr, stop_at;
	uint64_t offset, bytes; /* of the latest */
};

static int count_range(void *context, uint64_t offset, uint64_t bytes)
{
	struct ranges *ranges = context;

	ranges->offset = offset;
	ranges->bytes = bytes;
	return ++ranges->nr == ranges->stop_at ? -ECANCELED : 0;
}

static void volumes_of_one_content_each_differ_in_one_range(void **state)
{
	struct forge *forge = *state;
	struct tmc_id chunks[2] = { put_chunk(forge, 1), put_chunk(forge, 2) };
	static const uint64_t sizes[2] = { HIGH_CHUNKS, HIGH_CHUNKS - 77777777777 };
	struct ranges ranges = { 0 };
	struct tmc_point points[2];
	uint64_t bytes;

	for (int i = 0; i < 2; i++) {
		struct tower tower = put_tower(forge, sizes[i], &chunks[i], &chunks[i]);

		points[i] = put_point(forge, &tower.tree);
	}
	commit(forge);
	assert_success(tmc_point_diff(forge->repo, &points[0], &points[1], count_range, &ranges,
				      &bytes));
	assert_int_equal(ranges.nr, 1);
	assert_int_equal(ranges.offset, 0);
	assert_int_equal(ranges.bytes, HIGH_CHUNKS * CHUNK);
	assert_int_equal(bytes, ranges.bytes);
}

/* One chunk of each leaf: the sum is had at once; the ranges as long as one wants. */
static void many_ranges_cost_only_who_wants_them(void **state)
{
	struct forge *forge = *state;
	struct tmc_id chunks[2] = { put_chunk(forge, 1), put_chunk(forge, 2) };
	struct ranges ranges = { .stop_at = 1000 };
	struct tmc_point points[2];
	uint64_t bytes;

	for (int i = 0; i < 2; i++) {
		struct tower tower = put_tower(forge, HIGH_CHUNKS, &chunks[0], &chunks[i]);

		points[i] = put_point(forge, &tower.tree);
	}
	commit(forge);
	assert_success(tmc_point_diff(forge->repo, &points[0], &points[1], NULL, NULL, &bytes));
	assert_int_equal(bytes, HIGH_CHUNKS / TMC_FAN_OUT * CHUNK);
	assert_int_equal(tmc_point_diff(forge->repo, &points[0], &points[1], count_range, &ranges,
					&bytes), -ECANCELED);
	assert_int_equal(ranges.nr, 1000);
	assert_int_equal(ranges.offset, (999 * TMC_FAN_OUT + 31) * CHUNK);
	assert_int_equal(ranges.bytes, CHUNK);
}

/* ---------------------------------------------------------------------- repair */

static void ignore(void *context)
{
}

/* Chunks of the forge are good: all that is lost is nowhere. */
static void prove_all(void *context, const struct tmc_location *location)
{
	tmc_proof_set(context, location->number, location->position, TMC_PROOF_GOOD);
}

static void prove(struct forge *forge, const struct tmc_tree *tree, struct tmc_proof *proof)
{
	const struct tmc_reach reach = {
		.repo = forge->repo, .proof = proof, .blob = prove_all, .context = proof,
	};

	assert_success(tmc_proof_init(proof, forge->repo->indexes, ignore, NULL));
	tmc_reach_tree(&reach, tree);
}

static void a_tree_that_is_lost_many_times_is_repaired(void **state)
{
	struct forge *forge = *state;
	struct tmc_id chunk = put_chunk(forge, 1), lost = nowhere(1);
	struct tower tower = put_tower(forge, HIGH_CHUNKS, &chunk, &lost);
	struct tmc_tree_repair repair = { .repo = forge->repo };
	struct tmc_tree repaired = tower.tree;
	struct tmc_proof proof;
	struct tmc_point point;

	commit(forge);
	begin(forge);
	prove(forge, &tower.tree, &proof);
	repair.proof = &proof;
	repair.blobs = forge->blobs;
	repair.packs = forge->packs;
	assert_success(tmc_tree_repair(&repair, &tower.tree));
	commit(forge);
	tmc_proof_exit(&proof);
	assert_int_equal(repair.lost_chunks, HIGH_CHUNKS / TMC_FAN_OUT);
	assert_int_equal(repair.lost_bytes, HIGH_CHUNKS / TMC_FAN_OUT * CHUNK);
	assert_int_equal(repair.unreadable_chunks, HIGH_CHUNKS / TMC_FAN_OUT);
	repaired.root = repair.root;
	point = put_point(forge, &repaired);
	assert_verified(forge->repo, 1);
	assert_success(tmc_point_diff(forge->repo, &point, &point, NULL, NULL, &(uint64_t){ 0 }));
}

/* ------------------------------------------------------------------- few chunks */

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
	return put_node(forge, level, ids, count);
}

static void put_pool(struct forge *forge, struct pool *pool)
{
	pool->chunks[0] = tmc_id_zero;
	pool->chunks[1] = tmc_id_unreadable;
	pool->chunks[2] = nowhere(2);
	for (uint8_t i = 3; i < POOL; i++)
		pool->chunks[i] = put_chunk(forge, i);
	for (uint32_t level = 0; level < 2; level++) {
		for (uint32_t i = 0; i < POOL - 1; i++)
			pool->nodes[level][i] = put_random(forge, level, level ? pool->nodes[0] :
								      pool->chunks, TMC_FAN_OUT);
		pool->nodes[level][POOL - 1] = pick(forge, 2) ? nowhere(3) : tmc_id_zero;
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
		edge = put_node(forge, level, ids, count);
	}
	count = tmc_tree_node_count(&tree, 2, 0);
	for (uint32_t i = 0; i < count; i++)
		ids[i] = pool->nodes[1][pick(forge, POOL)];
	if (nr_chunks % tmc_tree_span_chunks(&tree, 2))
		ids[count - 1] = edge;
	tree.root = put_node(forge, 2, ids, count);
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
	const struct tmc_id lost = nowhere(2);

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
	struct tmc_tree_repair told_all = { .repo = forge->repo, .lost = mark_lost, .context = &marks };
	struct tmc_tree_repair quiet = { .repo = forge->repo };
	uint64_t nr_lost = 0, nr_unreadable = 0;
	struct tmc_proof proof;

	prove(forge, tree, &proof);
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
		put_point(forge, &trees[0]), put_point(forge, &trees[1]),
	};
	uint64_t nr = trees[0].nr_chunks < trees[1].nr_chunks ? trees[0].nr_chunks : trees[1].nr_chunks;
	uint64_t all = trees[0].nr_chunks + trees[1].nr_chunks - nr, sum = 0, bytes, quiet_bytes;
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

static void judge_verify(struct forge *forge, const struct tmc_tree *tree, const struct tmc_id *ids)
{
	struct tmc_point point = put_point(forge, tree);
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
			begin(forge);
		put_pool(forge, &pool);
		if (round % 2) { /* nothing is lost */
			pool.chunks[2] = pool.chunks[3];
			for (uint32_t i = 0; i < POOL; i++)
				pool.nodes[0][i] = put_random(forge, 0, pool.chunks, TMC_FAN_OUT);
			for (uint32_t i = 0; i < POOL; i++)
				pool.nodes[1][i] = put_random(forge, 1, pool.nodes[0], TMC_FAN_OUT);
		}
		for (int i = 0; i < 2; i++)
			trees[i] = put_tree(forge, &pool, sizes[(round + (unsigned int)i * round / 7) % 5]);
		commit(forge);
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
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_volume_of_one_content_is_verified_and_its_blobs_counted),
		T(what_is_lost_many_times_is_counted_exactly),
		T(a_lost_node_is_lost_each_time),
		T(a_leaf_one_level_up_is_no_subtree),
		T(a_node_one_level_up_is_no_subtree),
		T(a_volume_of_one_content_is_copied),
		T(volumes_of_one_content_each_differ_in_one_range),
		T(many_ranges_cost_only_who_wants_them),
		T(a_tree_that_is_lost_many_times_is_repaired),
		T(what_is_remembered_is_what_a_walk_would_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
