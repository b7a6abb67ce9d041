// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Trees in which a few nodes are referred to many times. A volume of one content has
 * such a tree, so they are no damage; a walk that followed each reference would take
 * for ever.
 */
#include "forge.h"

#include "catalog/repo.h"
#include "catalog/tree_repair.h"

#define CHUNK       FORGE_CHUNK
#define HIGH_LEVELS 10u
#define HIGH_CHUNKS (1ull << 5 * HIGH_LEVELS) /* 2^62 bytes */

struct tower {
	struct tmc_id full[HIGH_LEVELS]; /* by level */
	struct tmc_tree tree;
};

/* Each full node has 32 times the one below it; last_chunk: that of each full leaf. */
static struct tower put_tower(struct forge *forge, uint64_t nr_chunks, const struct tmc_id *chunk,
			      const struct tmc_id *last_chunk)
{
	struct tower tower;
	struct tmc_id edge = *chunk; /* the last of each level */

	tower.full[0] = forge_row(forge, 0, chunk, TMC_FAN_OUT, last_chunk);
	for (uint32_t level = 1; level < HIGH_LEVELS; level++)
		tower.full[level] = forge_row(forge, level, &tower.full[level - 1], TMC_FAN_OUT,
					      &tower.full[level - 1]);
	tmc_tree_init(&tower.tree, &tmc_id_zero, nr_chunks * CHUNK, &forge->repo->limits);
	for (uint32_t level = 0; level < tower.tree.levels; level++) {
		uint64_t span = tmc_tree_span_chunks(&tower.tree, level + 1);
		uint32_t count = tmc_tree_node_count(&tower.tree, level, (nr_chunks - 1) / span);

		if (nr_chunks % span == 0)
			edge = tower.full[level];
		else
			edge = forge_row(forge, level, level ? &tower.full[level - 1] : chunk,
					 count, &edge);
	}
	tower.tree.root = edge;
	return tower;
}

/* ----------------------------------------------------------------------- verify */

static char told[1024];

static void take_text(void *context, const char *text)
{
	snprintf(told, sizeof(told), "%s", text);
}

static void assert_lost(struct forge *forge, uint64_t nr, uint64_t of, uint64_t first)
{
	struct tmc_verify_result result;
	char wanted[200];

	assert_int_equal(tmc_verify(forge->repo, NULL, 1, take_text, NULL, NULL, &result),
			 -EBADMSG);
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
	struct tmc_id chunk = forge_chunk(forge, 1);
	struct tmc_stats stats;

	for (int i = 0; i < 2; i++) {
		struct tower tower = put_tower(forge, sizes[i], &chunk, &chunk);

		forge_point(forge, &tower.tree);
	}
	forge_commit(forge);
	assert_verified(forge->repo, 2);
	assert_success(tmc_repo_stats(forge->repo, TMC_STATS_WALK, &stats));
	assert_int_equal(stats.chunks, 1);
}

/* One chunk of each leaf, in a volume that ends in the midst of nodes of every level. */
static void what_is_lost_many_times_is_counted_exactly(void **state)
{
	static const uint64_t nr_chunks = HIGH_CHUNKS - 77777777777;
	struct forge *forge = *state;
	struct tmc_id chunk = forge_chunk(forge, 1), lost = forge_nowhere(1);
	struct tower tower = put_tower(forge, nr_chunks, &chunk, &lost);

	forge_point(forge, &tower.tree);
	forge_commit(forge);
	assert_true(nr_chunks % TMC_FAN_OUT); /* the last leaf has none */
	assert_lost(forge, nr_chunks / TMC_FAN_OUT, nr_chunks, TMC_FAN_OUT - 1);
}

static void a_lost_node_is_lost_each_time(void **state)
{
	struct forge *forge = *state;
	struct tmc_id chunk = forge_chunk(forge, 1), lost = forge_nowhere(1);
	struct tower tower = put_tower(forge, HIGH_CHUNKS, &chunk, &chunk);

	tower.full[3] = forge_row(forge, 3, &tower.full[2], TMC_FAN_OUT, &lost);
	for (uint32_t level = 4; level < HIGH_LEVELS; level++)
		tower.full[level] = forge_row(forge, level, &tower.full[level - 1], TMC_FAN_OUT,
					    &tower.full[level - 1]);
	tower.tree.root = tower.full[HIGH_LEVELS - 1];
	forge_point(forge, &tower.tree);
	forge_commit(forge);
	assert_lost(forge, HIGH_CHUNKS / TMC_FAN_OUT, HIGH_CHUNKS, 31ull << 15);
}

/* A subtree that was found good where it belongs is damage one level up. */
static void expect_refused(struct forge *forge, uint32_t level)
{
	uint64_t span = 1ull << 5 * (level + 1); /* of a node of this level */
	struct tmc_id chunk = forge_chunk(forge, 1);
	struct tower tower = put_tower(forge, 4 * span, &chunk, &chunk);
	struct tmc_id ids[4] = {
		tower.full[level], tower.full[level - 1], tower.full[level], tower.full[level],
	};
	char path[100];
	struct tmc_copy_result result;
	struct tmc_point point;
	struct tmc_repo *to;
	struct tmc_copy *copy;

	tower.tree.root = forge_node(forge, level + 1, ids, 4);
	point = forge_point(forge, &tower.tree);
	forge_commit(forge);
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
	struct tmc_id chunk = forge_chunk(forge, 1);
	struct tower tower = put_tower(forge, HIGH_CHUNKS - 77777777777, &chunk, &chunk);
	struct tmc_point point = forge_point(forge, &tower.tree);

	forge_commit(forge);
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
	struct tmc_id chunks[2] = { forge_chunk(forge, 1), forge_chunk(forge, 2) };
	static const uint64_t sizes[2] = { HIGH_CHUNKS, HIGH_CHUNKS - 77777777777 };
	struct ranges ranges = { 0 };
	struct tmc_point points[2];
	uint64_t bytes;

	for (int i = 0; i < 2; i++) {
		struct tower tower = put_tower(forge, sizes[i], &chunks[i], &chunks[i]);

		points[i] = forge_point(forge, &tower.tree);
	}
	forge_commit(forge);
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
	struct tmc_id chunks[2] = { forge_chunk(forge, 1), forge_chunk(forge, 2) };
	struct ranges ranges = { .stop_at = 1000 };
	struct tmc_point points[2];
	uint64_t bytes;

	for (int i = 0; i < 2; i++) {
		struct tower tower = put_tower(forge, HIGH_CHUNKS, &chunks[0], &chunks[i]);

		points[i] = forge_point(forge, &tower.tree);
	}
	forge_commit(forge);
	assert_success(tmc_point_diff(forge->repo, &points[0], &points[1], NULL, NULL, &bytes));
	assert_int_equal(bytes, HIGH_CHUNKS / TMC_FAN_OUT * CHUNK);
	assert_int_equal(tmc_point_diff(forge->repo, &points[0], &points[1], count_range, &ranges,
					&bytes), -ECANCELED);
	assert_int_equal(ranges.nr, 1000);
	assert_int_equal(ranges.offset, (999 * TMC_FAN_OUT + 31) * CHUNK);
	assert_int_equal(ranges.bytes, CHUNK);
}

/* ----------------------------------------------------------------------- repair */

static void a_tree_that_is_lost_many_times_is_repaired(void **state)
{
	struct forge *forge = *state;
	struct tmc_id chunk = forge_chunk(forge, 1), lost = forge_nowhere(1);
	struct tower tower = put_tower(forge, HIGH_CHUNKS, &chunk, &lost);
	struct tmc_tree_repair repair = { .repo = forge->repo };
	struct tmc_tree repaired = tower.tree;
	struct tmc_proof proof;
	struct tmc_point point;

	forge_commit(forge);
	forge_begin(forge);
	forge_proof(forge, &tower.tree, &proof);
	repair.proof = &proof;
	repair.blobs = forge->blobs;
	repair.packs = forge->packs;
	assert_success(tmc_tree_repair(&repair, &tower.tree));
	forge_commit(forge);
	tmc_proof_exit(&proof);
	assert_int_equal(repair.lost_chunks, HIGH_CHUNKS / TMC_FAN_OUT);
	assert_int_equal(repair.lost_bytes, HIGH_CHUNKS / TMC_FAN_OUT * CHUNK);
	assert_int_equal(repair.unreadable_chunks, HIGH_CHUNKS / TMC_FAN_OUT);
	repaired.root = repair.root;
	point = forge_point(forge, &repaired);
	assert_verified(forge->repo, 1);
	assert_success(tmc_point_diff(forge->repo, &point, &point, NULL, NULL, &(uint64_t){ 0 }));
}

static void count_lost(void *context, uint64_t first, uint64_t nr)
{
	struct ranges *ranges = context;

	ranges->nr++;
	ranges->offset = first;
	ranges->bytes = nr;
}

static void lost_ranges_are_told_up_to_a_bound_and_counted_beyond(void **state)
{
	struct forge *forge = *state;
	struct tmc_id chunk = forge_chunk(forge, 1), lost = forge_nowhere(1);
	struct tower tower = put_tower(forge, HIGH_CHUNKS, &chunk, &lost);
	struct ranges ranges = { 0 };
	struct tmc_tree_repair repair = {
		.repo = forge->repo, .lost = count_lost, .ranges_max = 5000, .context = &ranges,
	};
	struct tmc_proof proof;

	forge_commit(forge);
	forge_proof(forge, &tower.tree, &proof);
	repair.proof = &proof;
	assert_success(tmc_tree_repair(&repair, &tower.tree));
	tmc_proof_exit(&proof);
	assert_int_equal(ranges.nr, 5000);
	assert_int_equal(ranges.offset, 4999 * TMC_FAN_OUT + 31);
	assert_int_equal(ranges.bytes, 1);
	assert_int_equal(repair.lost_chunks, HIGH_CHUNKS / TMC_FAN_OUT);
	assert_int_equal(repair.unreadable_chunks, HIGH_CHUNKS / TMC_FAN_OUT);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, forge_setup, forge_teardown)
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
		T(lost_ranges_are_told_up_to_a_bound_and_counted_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
