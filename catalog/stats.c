// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What lies in a repository. The cheap part looks at names and sizes, and at the
 * head of each index; the walk goes through the trees of all points.
 */
#include "catalog/point.h"
#include "catalog/reach.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

static int count_objects(struct tmc_repo *repo, enum tmc_store_kind kind, uint64_t *ret_nr,
			 uint64_t *ret_bytes)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(repo->store, kind, &ids, &nr);

	*ret_nr = 0;
	*ret_bytes = 0;
	for (size_t i = 0; !ret && i < nr; i++) {
		CLEANUP_CLOSE int fd = -1;
		uint64_t bytes;

		ret = tmc_store_get(repo->store, kind, &ids[i], &fd, &bytes);
		if (ret == -ENOENT) /* pruned since it was listed */
			ret = 0;
		else if (!ret) {
			++*ret_nr;
			*ret_bytes += bytes;
		}
	}
	return ret;
}

static int compare_volumes(const void *a, const void *b)
{
	return strcmp(((const struct tmc_point *)a)->volume.volume_id,
		      ((const struct tmc_point *)b)->volume.volume_id);
}

static void count_points(struct tmc_point *points, size_t nr, struct tmc_stats *stats)
{
	if (nr)
		qsort(points, nr, sizeof(*points), compare_volumes);
	for (size_t i = 0; i < nr; i++) {
		stats->volumes += !i || compare_volumes(&points[i - 1], &points[i]);
		stats->logical_bytes += points[i].volume.volume_bytes;
	}
	stats->points = nr;
}

static int count_entries(struct tmc_repo *repo, struct tmc_stats *stats)
{
	struct tmc_index *index;
	int ret = tmc_index_set_refresh(repo->indexes);

	for (size_t n = 0; !ret && (index = tmc_index_set_get(repo->indexes, n)); n++)
		stats->index_entries += tmc_index_nr_entries(index);
	return ret;
}

static int stats_cheap(struct tmc_repo *repo, struct tmc_point *points, size_t nr,
		       struct tmc_stats *stats)
{
	uint64_t ignored;
	int ret = count_objects(repo, TMC_STORE_PACK, &stats->packs, &stats->pack_bytes);

	count_points(points, nr, stats);
	if (!ret)
		ret = count_objects(repo, TMC_STORE_INDEX, &stats->indexes, &stats->index_bytes);
	if (!ret)
		ret = count_objects(repo, TMC_STORE_POINT, &ignored, &stats->point_bytes);
	if (!ret)
		ret = count_objects(repo, TMC_STORE_JOURNAL, &stats->segments,
				    &stats->segment_bytes);
	return ret ? ret : count_entries(repo, stats);
}

/* ------------------------------------------------------------------------ walk */

static void count_blob(void *context, const struct tmc_location *location)
{
	const struct tmc_blob *blob = &location->entry.blob;
	struct tmc_stats *stats = context;

	if (blob->type == TMC_BLOB_CHUNK) {
		stats->chunks++;
		stats->chunk_bytes += blob->raw_bytes;
		stats->chunk_stored_bytes += tmc_blob_disk_bytes(blob);
	} else {
		stats->nodes++;
		stats->node_stored_bytes += tmc_blob_disk_bytes(blob);
	}
}

static int walk_points(struct tmc_repo *repo, struct tmc_proof *proof,
		       const struct tmc_point *points, size_t nr, struct tmc_stats *stats)
{
	const struct tmc_reach reach = {
		.repo = repo, .proof = proof, .blob = count_blob, .context = stats,
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < nr; i++) {
		struct tmc_point loaded;
		struct tmc_tree tree;

		ret = tmc_point_load(repo, &points[i].id, &loaded, &tree);
		if (!ret)
			ret = tmc_reach_tree(&reach, &tree);
	}
	return ret;
}

static int count_unneeded(struct tmc_repo *repo, const struct tmc_proof *proof,
			  struct tmc_stats *stats)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(repo->store, TMC_STORE_PACK, &ids, &nr);

	for (size_t i = 0; !ret && i < nr; i++) {
		const struct tmc_pack_mention *end = proof->mentions + proof->nr_mentions;
		const struct tmc_pack_mention *mention = tmc_proof_mentions(proof, &ids[i]);
		CLEANUP_CLOSE int fd = -1;
		bool needed = false;
		uint64_t bytes;

		for (; mention && mention < end && tmc_id_equal(&mention->pack, &ids[i]); mention++)
			needed |= mention->needed;
		if (needed || tmc_store_get(repo->store, TMC_STORE_PACK, &ids[i], &fd, &bytes) < 0)
			continue;
		stats->unneeded_packs++;
		stats->unneeded_pack_bytes += bytes;
	}
	return ret;
}

static void damaged_index(void *context)
{
	*(int *)context = -EBADMSG;
}

static int stats_walk(struct tmc_repo *repo, const struct tmc_point *points, size_t nr,
		      struct tmc_stats *stats)
{
	struct tmc_proof proof;
	int damage = 0;
	int ret = tmc_proof_init(&proof, repo->indexes, damaged_index, &damage);
	uint64_t needed;

	if (!ret)
		ret = damage;
	if (!ret)
		ret = walk_points(repo, &proof, points, nr, stats);
	if (!ret)
		ret = count_unneeded(repo, &proof, stats);
	tmc_proof_exit(&proof);
	needed = stats->chunk_stored_bytes + stats->node_stored_bytes;
	stats->unneeded_bytes = stats->pack_bytes > needed ? stats->pack_bytes - needed : 0;
	return ret;
}

int tmc_repo_stats(struct tmc_repo *repo, enum tmc_stats_depth depth, struct tmc_stats *ret_stats)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	struct tmc_stats stats = { .depth = depth };
	size_t nr;
	int damage, ret;

	tmc_repo_enter(repo, "stats");
	damage = tmc_point_list(repo, &points, &nr);
	if (damage < 0 && (damage != -EBADMSG || depth == TMC_STATS_WALK))
		return damage;
	ret = stats_cheap(repo, points, nr, &stats);
	if (!ret && depth == TMC_STATS_WALK)
		ret = stats_walk(repo, points, nr, &stats);
	if (ret < 0)
		return ret;
	*ret_stats = stats;
	return damage < 0 ? failure_set(damage, "a restore point is damaged and was not counted: run "
					"\"tidemark verify\"") : 0;
}
