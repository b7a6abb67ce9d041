// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A worker takes a whole buffer, so that neighbouring chunks stay neighbours in a
 * pack, and does for each chunk what is cheapest first: zeros, hash, same as the
 * parent's, known to the repository, compress. The buffer's new blobs are
 * appended together.
 */
#include "catalog/pipeline.h"

#include "catalog/blob_set.h"
#include "catalog/change_log.h"
#include "catalog/pack_writer.h"
#include "catalog/repo.h"
#include "common/failure.h"
#include "common/queue.h"
#include "common/threads.h"
#include "common/zero.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WORKERS_MAX 16
#define CHUNKS_MAX  (TMC_BUFFER_BYTES / TMC_CHUNK_BYTES_MIN)
#define PAGE_BYTES  4096

struct job { /* one for each buffer */
	void *buffer;
	uint64_t first_chunk;
	uint32_t nr_chunks;
	uint32_t bytes;
	uint64_t chosen[CHUNKS_MAX / 64];
};

struct stats {
	_Atomic uint64_t hashed_bytes, zero_bytes, unchanged_bytes, known_bytes;
};

struct tmc_pipeline {
	struct tmc_pipeline_parts parts;
	struct threads *threads;
	struct queue *jobs;  /* to the workers */
	struct queue *empty; /* buffers that nobody has; closed by a failure */
	struct stats stats;
	size_t nr_jobs;
	struct job job[];
};

struct worker {
	struct tmc_pipeline *pipeline;
	struct tmc_blob_coder *coder;
	struct tmc_tree_cursor *cursor; /* in the parent; NULL without one */
	uint8_t *batch;                 /* encoded blobs of one buffer */
	size_t batch_bytes;
	uint32_t nr_entries, nr_changes;
	struct tmc_entry entries[CHUNKS_MAX];
	struct tmc_change changes[CHUNKS_MAX];
};

int tmc_pipeline_fail(struct tmc_pipeline *pipeline, int error)
{
	first_failure_note(pipeline->parts.failure, error);
	queue_close(pipeline->empty);
	return error;
}

/* ---------------------------------------------------------------------- worker */

static void add_change(struct worker *worker, uint64_t chunk, const struct tmc_id *id)
{
	struct tmc_change *last = worker->nr_changes ? &worker->changes[worker->nr_changes - 1] : NULL;

	if (last && last->first + last->nr == chunk && tmc_id_equal(&last->id, id) &&
	    tmc_id_is_special(id))
		last->nr++;
	else
		worker->changes[worker->nr_changes++] = (struct tmc_change){
			.first = chunk, .nr = 1, .id = *id,
		};
}

static int store_chunk(struct worker *worker, const struct tmc_id *id, const void *data,
		       uint32_t bytes)
{
	struct tmc_pipeline *pipeline = worker->pipeline;
	struct tmc_entry *entry = &worker->entries[worker->nr_entries];
	int ret = tmc_blob_set_claim(pipeline->parts.blobs, TMC_BLOB_CHUNK, id);

	if (!ret)
		pipeline->stats.known_bytes += bytes;
	if (ret <= 0)
		return ret;
	*entry = (struct tmc_entry){
		.blob = { .id = *id, .type = TMC_BLOB_CHUNK, .raw_bytes = bytes },
	};
	ret = tmc_blob_encode(worker->coder, &entry->blob, data,
			      worker->batch + worker->batch_bytes);
	if (ret < 0)
		return ret;
	worker->batch_bytes += tmc_blob_disk_bytes(&entry->blob);
	worker->nr_entries++;
	return 0;
}

static int do_chunk(struct worker *worker, uint64_t chunk, const void *data, uint32_t bytes)
{
	struct tmc_pipeline *pipeline = worker->pipeline;
	bool zero = is_zero(data, bytes);
	struct tmc_id id = tmc_id_zero, old = tmc_id_zero;
	bool unchanged;
	int ret = 0;

	if (zero)
		pipeline->stats.zero_bytes += bytes;
	else
		ret = tmc_hash_once(tmc_blob_coder_hash(worker->coder), data, bytes, &id);
	if (!ret && worker->cursor)
		ret = tmc_tree_cursor_get(worker->cursor, chunk, &old);
	if (ret < 0)
		return ret;
	unchanged = tmc_id_equal(&id, &old);
	if (unchanged && worker->cursor)
		pipeline->stats.unchanged_bytes += bytes;
	if (!tmc_id_equal(&id, pipeline->parts.builds_on_known ? &old : &tmc_id_zero))
		add_change(worker, chunk, &id);
	return zero || unchanged ? 0 : store_chunk(worker, &id, data, bytes);
}

static int do_job(struct worker *worker, const struct job *job)
{
	struct tmc_pipeline_parts *parts = &worker->pipeline->parts;
	uint32_t chunk_bytes = parts->repo->limits.chunk_bytes;
	int ret = 0;

	worker->batch_bytes = 0;
	worker->nr_entries = 0;
	worker->nr_changes = 0;
	for (uint32_t n = 0; n < job->nr_chunks && !ret; n++) {
		uint32_t offset = n * chunk_bytes;
		uint32_t left = job->bytes - offset;
		uint32_t bytes = left < chunk_bytes ? left : chunk_bytes;

		if (!(job->chosen[n / 64] >> n % 64 & 1))
			continue;
		ret = do_chunk(worker, job->first_chunk + n, (uint8_t *)job->buffer + offset, bytes);
		/* Last, so that the other figures are never behind this one. */
		worker->pipeline->stats.hashed_bytes += bytes;
	}
	if (!ret && worker->nr_entries) {
		ret = tmc_pack_writer_append(parts->packs, worker->batch, worker->batch_bytes,
					     worker->entries, worker->nr_entries);
		if (!ret)
			tmc_blob_set_locate(parts->blobs, worker->entries, worker->nr_entries);
	}
	return ret ? ret : tmc_change_log_add(parts->changes, worker->changes, worker->nr_changes);
}

static void destroy_worker(struct worker *worker)
{
	if (!worker)
		return;
	tmc_blob_coder_destroy(worker->coder);
	tmc_tree_cursor_destroy(worker->cursor);
	free(worker->batch);
	free(worker);
}

static struct worker *create_worker(struct tmc_pipeline *pipeline)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	const struct tmc_pipeline_parts *parts = &pipeline->parts;

	if (!worker)
		return NULL;
	worker->pipeline = pipeline;
	worker->coder = tmc_blob_coder_create(&parts->repo->limits, parts->repo->keys);
	if (parts->known)
		worker->cursor = tmc_tree_cursor_create(parts->repo, parts->known);
	worker->batch = malloc(TMC_BUFFER_BYTES + CHUNKS_MAX *
			       (sizeof(struct tmc_blob_header_disk) + TMC_BLOB_SEAL_BYTES));
	if (!worker->coder || (parts->known && !worker->cursor) || !worker->batch) {
		destroy_worker(worker);
		return NULL;
	}
	tmc_blob_coder_set_compression(worker->coder, &parts->repo->compression);
	return worker;
}

/* After a failure jobs are only taken off the queue. */
static void *worker_thread(void *context)
{
	struct tmc_pipeline *pipeline = context;
	struct worker *worker = create_worker(pipeline);
	struct job *job;

	if (!worker)
		tmc_pipeline_fail(pipeline, failure_set(-ENOMEM, "out of memory"));
	while ((job = queue_pop(pipeline->jobs))) {
		int ret = first_failure_get(pipeline->parts.failure);

		if (!ret)
			ret = do_job(worker, job);
		if (ret < 0)
			tmc_pipeline_fail(pipeline, ret);
		queue_push(pipeline->empty, job);
	}
	destroy_worker(worker);
	return NULL;
}

/* ------------------------------------------------------------------- life cycle */

int tmc_pipeline_start(const struct tmc_pipeline_parts *parts, unsigned int nr_workers,
		       struct tmc_pipeline **ret_pipeline)
{
	size_t nr_jobs = 2 * threads_nr(nr_workers, WORKERS_MAX) + 8;
	struct tmc_pipeline *pipeline = calloc(1, sizeof(*pipeline) +
					       nr_jobs * sizeof(struct job));
	int ret;

	if (!pipeline)
		return failure_set(-ENOMEM, "out of memory");
	pipeline->parts = *parts;
	pipeline->nr_jobs = nr_jobs;
	pipeline->jobs = queue_create(nr_jobs);
	pipeline->empty = queue_create(nr_jobs);
	ret = pipeline->jobs && pipeline->empty ? 0 : -ENOMEM;
	for (size_t i = 0; i < nr_jobs && !ret; i++) {
		pipeline->job[i].buffer = aligned_alloc(PAGE_BYTES, TMC_BUFFER_BYTES);
		if (pipeline->job[i].buffer)
			queue_push(pipeline->empty, &pipeline->job[i]);
		else
			ret = -ENOMEM;
	}
	if (!ret)
		ret = threads_start(nr_workers, WORKERS_MAX, worker_thread, pipeline,
				    &pipeline->threads);
	if (ret < 0) {
		tmc_pipeline_destroy(pipeline);
		return failure_set(ret, "cannot start to hash: %s", strerror(-ret));
	}
	*ret_pipeline = pipeline;
	return 0;
}

void tmc_pipeline_stop(struct tmc_pipeline *pipeline)
{
	if (pipeline->jobs)
		queue_close(pipeline->jobs);
	threads_join(pipeline->threads);
	pipeline->threads = NULL;
}

void tmc_pipeline_destroy(struct tmc_pipeline *pipeline)
{
	if (!pipeline)
		return;
	tmc_pipeline_stop(pipeline);
	for (size_t i = 0; i < pipeline->nr_jobs; i++)
		free(pipeline->job[i].buffer);
	queue_destroy(pipeline->jobs);
	queue_destroy(pipeline->empty);
	free(pipeline);
}

/* --------------------------------------------------------------------- buffers */

void *tmc_pipeline_buffer(struct tmc_pipeline *pipeline)
{
	struct job *job;

	if (first_failure_get(pipeline->parts.failure))
		return NULL;
	job = queue_pop(pipeline->empty);
	if (!job)
		first_failure_get(pipeline->parts.failure);
	return job ? job->buffer : NULL;
}

static struct job *job_of_buffer(struct tmc_pipeline *pipeline, const void *buffer)
{
	for (size_t i = 0; i < pipeline->nr_jobs; i++)
		if (pipeline->job[i].buffer == buffer)
			return &pipeline->job[i];
	return NULL;
}

void tmc_pipeline_buffer_return(struct tmc_pipeline *pipeline, void *buffer)
{
	struct job *job = job_of_buffer(pipeline, buffer);

	if (job)
		queue_push(pipeline->empty, job);
}

void tmc_pipeline_put(struct tmc_pipeline *pipeline, uint64_t first_chunk, uint32_t nr_chunks,
		      uint32_t bytes, void *buffer, const uint64_t *chosen)
{
	struct job *job = job_of_buffer(pipeline, buffer);

	if (!job) {
		tmc_pipeline_fail(pipeline, failure_set(-EINVAL, "a buffer was put that the backup "
							"did not lend"));
		return;
	}
	job->first_chunk = first_chunk;
	job->nr_chunks = nr_chunks;
	job->bytes = bytes;
	if (chosen)
		memcpy(job->chosen, chosen, (nr_chunks + 63) / 64 * sizeof(*chosen));
	else
		memset(job->chosen, 0xff, sizeof(job->chosen));
	queue_push(pipeline->jobs, job);
}

void tmc_pipeline_count_zero(struct tmc_pipeline *pipeline, uint64_t bytes,
			     uint64_t unchanged_bytes)
{
	pipeline->stats.unchanged_bytes += unchanged_bytes;
	pipeline->stats.zero_bytes += bytes;
	pipeline->stats.hashed_bytes += bytes;
}

void tmc_pipeline_get_stats(struct tmc_pipeline *pipeline, struct tmc_backup_stats *ret_stats)
{
	ret_stats->hashed_bytes = pipeline->stats.hashed_bytes;
	ret_stats->zero_bytes = pipeline->stats.zero_bytes;
	ret_stats->unchanged_bytes = pipeline->stats.unchanged_bytes;
	ret_stats->known_bytes = pipeline->stats.known_bytes;
}
