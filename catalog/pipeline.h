/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * From buffers of plain chunks to blobs in packs and changes of the tree.
 */
#ifndef CATALOG_PIPELINE_H
#define CATALOG_PIPELINE_H

#include "catalog/tree.h"
#include "common/first_failure.h"

struct tmc_blob_set;
struct tmc_change_log;
struct tmc_pack_writer;

struct tmc_pipeline;

/** What a pipeline works with; constant while it lives, owned by the caller. */
struct tmc_pipeline_parts {
	struct tmc_repo *repo;
	const struct tmc_tree *known; /* the parent's; NULL: none */
	bool builds_on_known;         /* what is the same there is no change */
	struct tmc_blob_set *blobs;
	struct tmc_change_log *changes;
	struct tmc_pack_writer *packs;
	struct first_failure *failure; /* ends the pipeline, whoever notes it */
};

int tmc_pipeline_start(const struct tmc_pipeline_parts *parts, unsigned int nr_workers,
		       struct tmc_pipeline **ret_pipeline);

/** As tmc_backup_buffer and tmc_backup_buffer_return. */
void *tmc_pipeline_buffer(struct tmc_pipeline *pipeline);
void tmc_pipeline_buffer_return(struct tmc_pipeline *pipeline, void *buffer);

/**
 * A range of chunks that were not put before; bytes: all of them, which tells how long
 * the last one is.
 */
void tmc_pipeline_put(struct tmc_pipeline *pipeline, uint64_t first_chunk, uint32_t nr_chunks,
		      uint32_t bytes, void *buffer, const uint64_t *chosen);

/** Count zeros that need no worker. unchanged_bytes: as many of them are the parent's. */
void tmc_pipeline_count_zero(struct tmc_pipeline *pipeline, uint64_t bytes,
			     uint64_t unchanged_bytes);

/** Note a failure and wake whoever waits for a buffer. Returns error. */
int tmc_pipeline_fail(struct tmc_pipeline *pipeline, int error);

/** Wait until everything that was put has been appended; no put after this. */
void tmc_pipeline_stop(struct tmc_pipeline *pipeline);
void tmc_pipeline_destroy(struct tmc_pipeline *pipeline);

/** stored_bytes is left alone. */
void tmc_pipeline_get_stats(struct tmc_pipeline *pipeline, struct tmc_backup_stats *ret_stats);

#endif
