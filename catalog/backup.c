// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A restore point in the making: begin, put, commit, abort. The order of a commit
 * and the invariants it keeps are in docs/format.md; each step here is one
 * transition there.
 */
#include "catalog/blob_set.h"
#include "catalog/change_log.h"
#include "catalog/chunk_set.h"
#include "catalog/index_tidy.h"
#include "catalog/pack_writer.h"
#include "catalog/pipeline.h"
#include "catalog/point.h"
#include "catalog/repo.h"
#include "catalog/session.h"
#include "catalog/tree_builder.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tmc_backup {
	struct tmc_repo *repo;
	struct tmc_volume volume;
	char group[TMC_TEXT_BYTES];
	struct tmc_moment moment;
	struct tmc_point parent; /* all zero: none */
	struct tmc_tree known;   /* the parent's */
	bool builds_on_parent;   /* it is of the same size: what is not put is the parent's */
	struct first_failure failure;
	struct tmc_pack_writer *packs;
	struct tmc_blob_set *blobs;
	struct tmc_change_log *changes;
	struct tmc_pipeline *pipeline;
	pthread_mutex_t lock;    /* all below */
	bool sized;              /* else the tree is as large as can be */
	struct tmc_tree tree;    /* shape of the new one; its root is built upon */
	struct tmc_chunk_set *chunks;
	uint64_t end_chunk;      /* behind the highest that was put */
	uint64_t unreadable_bytes;
	struct tmc_tree_cursor *cursor; /* in the parent; NULL without one */
};

#define BYTES_MAX ((uint64_t)INT64_MAX)

static bool has_parent(const struct tmc_backup *backup)
{
	return !tmc_id_equal(&backup->parent.id, &tmc_id_zero);
}

static void destroy(struct tmc_backup *backup)
{
	tmc_pipeline_destroy(backup->pipeline);
	tmc_pack_writer_destroy(backup->packs);
	tmc_blob_set_destroy(backup->blobs);
	tmc_change_log_destroy(backup->changes);
	tmc_chunk_set_destroy(backup->chunks);
	tmc_tree_cursor_destroy(backup->cursor);
	pthread_mutex_destroy(&backup->lock);
	tmc_repo_end_write(backup->repo);
	free(backup);
}

static int load_parent(struct tmc_backup *backup, const struct tmc_point *parent)
{
	uint64_t volume_bytes = backup->volume.volume_bytes;
	int ret;

	backup->sized = volume_bytes != TMC_BYTES_UNKNOWN;
	tmc_tree_init(&backup->tree, &tmc_id_zero, backup->sized ? volume_bytes : BYTES_MAX,
		      &backup->repo->limits);
	if (!parent)
		return 0;
	if (tmc_dooms_list(&backup->repo->avoided, TMC_STORE_POINT, &parent->id))
		return tmc_point_is_doomed(&parent->id);
	ret = tmc_point_load(backup->repo, &parent->id, &backup->parent, &backup->known);
	if (ret < 0)
		return ret;
	backup->cursor = tmc_tree_cursor_create(backup->repo, &backup->known);
	if (!backup->cursor)
		return failure_set(-ENOMEM, "out of memory");
	backup->builds_on_parent = backup->known.volume_bytes == volume_bytes;
	if (backup->builds_on_parent)
		backup->tree = backup->known;
	return 0;
}

static int create_parts(struct tmc_backup *backup, unsigned int nr_workers)
{
	struct tmc_repo *repo = backup->repo;
	struct tmc_pipeline_parts parts;
	int ret;

	backup->chunks = tmc_chunk_set_create();
	backup->changes = tmc_change_log_create(repo->store, TMC_CHANGE_LOG_BUFFER);
	backup->blobs = tmc_blob_set_create(repo->store, repo->keys, repo->indexes,
					    TMC_BLOB_SET_SLOTS);
	if (!backup->chunks || !backup->changes || !backup->blobs)
		return failure_set(-ENOMEM, "out of memory");
	ret = tmc_pack_writer_create(repo->store, repo->keys, &backup->packs);
	if (ret < 0)
		return ret;
	parts = (struct tmc_pipeline_parts){
		.repo = repo,
		.known = has_parent(backup) ? &backup->known : NULL,
		.builds_on_known = backup->builds_on_parent,
		.blobs = backup->blobs,
		.changes = backup->changes,
		.packs = backup->packs,
		.failure = &backup->failure,
	};
	return tmc_pipeline_start(&parts, nr_workers, &backup->pipeline);
}

static int check_volume(const struct tmc_volume *volume)
{
	if (volume->volume_bytes > BYTES_MAX && volume->volume_bytes != TMC_BYTES_UNKNOWN)
		return failure_set(-EINVAL, "the volume is too large");
	return 0;
}

int tmc_backup_begin(struct tmc_repo *repo, const struct tmc_volume *volume,
		     const struct tmc_point *parent, unsigned int nr_workers,
		     struct tmc_backup **ret_backup)
{
	struct tmc_backup *backup;
	int ret = check_volume(volume);

	if (!ret)
		ret = tmc_repo_begin_write(repo, "backup");
	if (ret < 0)
		return ret;
	backup = calloc(1, sizeof(*backup));
	if (!backup) {
		tmc_repo_end_write(repo);
		return failure_set(-ENOMEM, "out of memory");
	}
	backup->repo = repo;
	backup->volume = *volume;
	pthread_mutex_init(&backup->lock, NULL);
	first_failure_init(&backup->failure);
	tmc_session_break_dead(tmc_store_session(repo->store));
	ret = load_parent(backup, parent);
	if (!ret)
		ret = tmc_index_set_refresh(repo->indexes);
	if (!ret)
		ret = create_parts(backup, nr_workers);
	if (ret < 0) {
		destroy(backup);
		return ret;
	}
	*ret_backup = backup;
	return 0;
}

int tmc_backup_set_bytes(struct tmc_backup *backup, uint64_t volume_bytes)
{
	struct tmc_tree tree;

	LOCK_SCOPE(&backup->lock);
	if (backup->sized)
		return failure_set(-EINVAL, "the volume's size is known already");
	if (volume_bytes > BYTES_MAX)
		return failure_set(-EINVAL, "the volume is too large");
	tmc_tree_init(&tree, &tmc_id_zero, volume_bytes, &backup->repo->limits);
	if (backup->end_chunk > volume_bytes / tree.chunk_bytes)
		return failure_set(-EINVAL, "chunks were put that lie beyond the volume's end");
	backup->tree = tree;
	backup->volume.volume_bytes = volume_bytes;
	backup->sized = true;
	return 0;
}

void tmc_backup_set_group(struct tmc_backup *backup, const char *group)
{
	snprintf(backup->group, sizeof(backup->group), "%s", group);
}

void tmc_backup_set_moment(struct tmc_backup *backup, const struct tmc_moment *moment)
{
	backup->moment = *moment;
}

void *tmc_backup_buffer(struct tmc_backup *backup)
{
	return tmc_pipeline_buffer(backup->pipeline);
}

void tmc_backup_buffer_return(struct tmc_backup *backup, void *buffer)
{
	tmc_pipeline_buffer_return(backup->pipeline, buffer);
}

static int add_chunks_locked(struct tmc_backup *backup, uint64_t first, uint64_t nr,
			     const uint64_t *chosen, uint64_t *ret_bytes)
{
	const struct tmc_tree *tree = &backup->tree;
	uint64_t chunk;
	int ret;

	if (!nr || first >= tree->nr_chunks || nr > tree->nr_chunks - first)
		return failure_set(-EINVAL, "chunks %llu to %llu are not in the volume",
				   (unsigned long long)first, (unsigned long long)(first + nr));
	ret = tmc_chunk_set_add(backup->chunks, first, nr, chosen, &chunk);
	if (ret == -EINVAL)
		return failure_set(ret, "chunk %llu was put twice", (unsigned long long)chunk);
	if (ret < 0)
		return failure_set(ret, "out of memory");
	*ret_bytes = tmc_tree_bytes(tree, first, nr);
	if (first + nr > backup->end_chunk)
		backup->end_chunk = first + nr;
	return 0;
}

/* A caller that is wrong about its chunks ends the backup: which content is right? */
static int add_chunks(struct tmc_backup *backup, uint64_t first, uint64_t nr,
		      const uint64_t *chosen, uint64_t *ret_bytes)
{
	int ret = first_failure_get(&backup->failure);

	if (ret < 0)
		return ret;
	{
		LOCK_SCOPE(&backup->lock);
		ret = add_chunks_locked(backup, first, nr, chosen, ret_bytes);
	}
	return ret ? tmc_pipeline_fail(backup->pipeline, ret) : 0;
}

int tmc_backup_put(struct tmc_backup *backup, uint64_t first_chunk, uint32_t nr_chunks,
		   void *buffer, const uint64_t *chosen)
{
	uint64_t bytes;
	int ret;

	if (nr_chunks > TMC_BUFFER_BYTES / backup->tree.chunk_bytes)
		ret = tmc_pipeline_fail(backup->pipeline, failure_set(-EINVAL, "%u chunks do not fit "
								      "into a buffer", nr_chunks));
	else
		ret = add_chunks(backup, first_chunk, nr_chunks, chosen, &bytes);
	if (ret < 0)
		tmc_pipeline_buffer_return(backup->pipeline, buffer);
	else
		tmc_pipeline_put(backup->pipeline, first_chunk, nr_chunks, (uint32_t)bytes, buffer,
				 chosen);
	return ret;
}

static int count_zeros_locked(struct tmc_backup *backup, uint64_t first, uint64_t nr,
			      uint64_t *ret_unchanged_bytes)
{
	*ret_unchanged_bytes = 0;
	while (backup->cursor && nr) {
		uint64_t run = nr;
		struct tmc_id id = tmc_id_zero;
		int ret = 0;

		if (first < backup->known.nr_chunks)
			ret = tmc_tree_cursor_get_run(backup->cursor, first, &id, &run);
		if (ret < 0)
			return ret;
		run = run < nr ? run : nr;
		if (tmc_id_equal(&id, &tmc_id_zero))
			*ret_unchanged_bytes += tmc_tree_bytes(&backup->tree, first, run);
		first += run;
		nr -= run;
	}
	return 0;
}

int tmc_backup_put_zero(struct tmc_backup *backup, uint64_t first_chunk, uint64_t nr_chunks)
{
	struct tmc_change change = { .first = first_chunk, .nr = nr_chunks, .id = tmc_id_zero };
	uint64_t bytes, unchanged_bytes;
	int ret = add_chunks(backup, first_chunk, nr_chunks, NULL, &bytes);

	if (ret < 0)
		return ret;
	{
		LOCK_SCOPE(&backup->lock);
		ret = count_zeros_locked(backup, first_chunk, nr_chunks, &unchanged_bytes);
	}
	if (!ret && backup->builds_on_parent && unchanged_bytes < bytes)
		ret = tmc_change_log_add(backup->changes, &change, 1);
	if (ret < 0)
		return tmc_pipeline_fail(backup->pipeline, ret);
	tmc_pipeline_count_zero(backup->pipeline, bytes, unchanged_bytes);
	return 0;
}

int tmc_backup_put_unreadable(struct tmc_backup *backup, uint64_t first_chunk, uint64_t nr_chunks)
{
	struct tmc_change change = {
		.first = first_chunk, .nr = nr_chunks, .id = tmc_id_unreadable,
	};
	uint64_t bytes;
	int ret = add_chunks(backup, first_chunk, nr_chunks, NULL, &bytes);

	if (ret < 0)
		return ret;
	ret = tmc_change_log_add(backup->changes, &change, 1);
	if (ret < 0)
		return tmc_pipeline_fail(backup->pipeline, ret);
	LOCK_SCOPE(&backup->lock);
	backup->unreadable_bytes += bytes;
	return 0;
}

void tmc_backup_get_stats(struct tmc_backup *backup, struct tmc_backup_stats *ret_stats)
{
	tmc_pipeline_get_stats(backup->pipeline, ret_stats);
	ret_stats->stored_bytes = tmc_pack_writer_bytes(backup->packs);
}

static int check_complete(struct tmc_backup *backup)
{
	if (!backup->sized)
		return failure_set(-EINVAL, "the backup is incomplete: its size is not known");
	if (backup->builds_on_parent || tmc_chunk_set_nr(backup->chunks) == backup->tree.nr_chunks)
		return 0;
	return failure_set(-EINVAL, "the backup is incomplete: chunk %llu is missing",
			   (unsigned long long)tmc_chunk_set_first_missing(backup->chunks));
}

/* A parent of another size is not what the tree was built from. */
static uint64_t changed_bytes(struct tmc_backup *backup, const struct tmc_tree_build *build)
{
	struct tmc_backup_stats stats;

	if (backup->builds_on_parent || !has_parent(backup))
		return build->changed_bytes;
	tmc_pipeline_get_stats(backup->pipeline, &stats);
	return stats.hashed_bytes - stats.unchanged_bytes + backup->unreadable_bytes;
}

/* Invariants 3 to 5: packs, then the index, then the point. */
static int commit(struct tmc_backup *backup, struct tmc_point *point)
{
	struct tmc_tree_build build = {
		.repo = backup->repo,
		.changes = backup->changes,
		.blobs = backup->blobs,
		.packs = backup->packs,
		.parent = &backup->tree,
	};
	int ret;

	tmc_pipeline_stop(backup->pipeline);
	ret = first_failure_get(&backup->failure);
	if (!ret)
		ret = check_complete(backup);
	if (!ret)
		ret = tmc_tree_build(&build);
	if (!ret)
		ret = tmc_blob_set_publish(backup->blobs, backup->packs);
	if (ret < 0)
		return ret;
	point->volume.volume_bytes = backup->tree.volume_bytes;
	point->changed_bytes = changed_bytes(backup, &build);
	point->unreadable_chunks = build.newly_unreadable - build.no_more_unreadable;
	if (backup->builds_on_parent)
		point->unreadable_chunks += backup->parent.unreadable_chunks;
	point->stored_bytes = tmc_pack_writer_bytes(backup->packs);
	backup->tree.root = build.root;
	return tmc_point_store(backup->repo, &backup->tree, point);
}

int tmc_backup_commit(struct tmc_backup *backup, uint64_t cut_time_ns, uint64_t read_bytes,
		      struct tmc_point *ret_point)
{
	struct tmc_point point = {
		.parent = backup->parent.id,
		.volume = backup->volume,
		.chunk_bytes = backup->tree.chunk_bytes,
		.cut_time_ns = cut_time_ns,
		.read_bytes = read_bytes,
		.moment = backup->moment,
	};
	int ret;

	memcpy(point.group, backup->group, sizeof(point.group));
	ret = commit(backup, &point);
	if (!ret)
		tmc_index_tidy(backup->repo, TMC_INDEX_CROWD); /* or another one does */
	destroy(backup);
	if (!ret)
		*ret_point = point;
	return ret;
}

void tmc_backup_abort(struct tmc_backup *backup)
{
	if (!backup)
		return;
	tmc_pipeline_fail(backup->pipeline, failure_set(-ECANCELED, "the backup was given up"));
	destroy(backup);
}
