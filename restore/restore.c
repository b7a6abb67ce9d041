// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The catalog reads in the order that is cheapest and checks each chunk against
 * its hash before it comes here, so what is left to do is to write it where it
 * belongs.
 */
#include "restore/restore.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/first_failure.h"
#include "common/lock_scope.h"
#include "common/progress.h"
#include "restore/journal_volume.h"
#include "restore/target.h"

#include <errno.h>
#include <string.h>

struct restore {
	struct target target;
	struct progress progress;
	struct first_failure failure; /* of the target, not of the catalog */
	pthread_mutex_t lock;         /* result's list */
	struct restore_result *result;
};

void restore_result_clear(struct restore_result *result)
{
	free(result->unreadable);
	result->unreadable = NULL;
	result->nr_unreadable = 0;
}

static int keep_failure(struct restore *restore, int error)
{
	return error < 0 ? first_failure_note(&restore->failure, error) : 0;
}

static int on_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	struct restore *restore = context;

	return keep_failure(restore, target_write(&restore->target, offset, data, bytes));
}

static int on_zero(void *context, uint64_t offset, uint64_t bytes)
{
	struct restore *restore = context;

	return keep_failure(restore, target_zero(&restore->target, offset, bytes));
}

static int remember_unreadable(struct restore *restore, uint64_t offset, uint64_t bytes)
{
	struct restore_result *result = restore->result;
	struct restore_range *grown;

	LOCK_SCOPE(&restore->lock);
	grown = reallocarray(result->unreadable, result->nr_unreadable + 1, sizeof(*grown));
	if (!grown)
		return failure_set(-ENOMEM, "restore: out of memory");
	result->unreadable = grown;
	grown[result->nr_unreadable++] = (struct restore_range){offset, bytes};
	return 0;
}

static int on_unreadable(void *context, uint64_t offset, uint64_t bytes)
{
	struct restore *restore = context;
	int r = remember_unreadable(restore, offset, bytes);

	return r < 0 ? keep_failure(restore, r) : on_zero(context, offset, bytes);
}

static void on_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
	struct restore *restore = context;

	progress_update(&restore->progress, done_bytes, total_bytes);
}

static int by_offset(const void *a, const void *b)
{
	const struct restore_range *left = a;
	const struct restore_range *right = b;

	return (left->offset > right->offset) - (left->offset < right->offset);
}

static void merge_unreadable(struct restore_result *result)
{
	struct restore_range *ranges = result->unreadable;
	size_t nr = 0;

	if (!result->nr_unreadable)
		return;
	qsort(ranges, result->nr_unreadable, sizeof(*ranges), by_offset);
	for (size_t i = 1; i < result->nr_unreadable; i++) {
		if (ranges[nr].offset + ranges[nr].bytes == ranges[i].offset)
			ranges[nr].bytes += ranges[i].bytes;
		else
			ranges[++nr] = ranges[i];
	}
	result->nr_unreadable = nr + 1;
}

static int extract(struct restore *restore, struct tmc_repo *repo,
		   const struct restore_request *request)
{
	struct tmc_sink sink = {
		.data = on_data,
		.zero = on_zero,
		.unreadable = on_unreadable,
		.progress = on_progress,
		.context = restore,
	};
	int failed;
	int r;

	progress_start(&restore->progress, "restoring", request->progress);
	if (request->when)
		r = tmc_instant_extract(repo, &restore->result->instant, 0, &sink);
	else
		r = tmc_point_extract(repo, &restore->result->point, 0, &sink);
	progress_stop(&restore->progress);
	failed = first_failure_get(&restore->failure);
	if (failed < 0)
		return failure_set(failed, "%s; the target is incomplete", failure_text());
	if (r < 0)
		return failure_set(r, "%s; %s is incomplete", tmc_error_text(), request->target);
	return target_finish(&restore->target);
}

static int write_point(struct tmc_repo *repo, const struct restore_request *request,
		       enum target_kind kind, struct restore_result *result)
{
	struct restore restore = {.lock = PTHREAD_MUTEX_INITIALIZER, .result = result};
	int r;

	first_failure_init(&restore.failure);
	r = target_open(kind, request->target, result->point.volume.volume_bytes, &restore.target);
	if (r < 0)
		return r;
	r = extract(&restore, repo, request);
	target_close(&restore.target);
	merge_unreadable(result);
	return r;
}

static int check(const struct restore_request *request, const struct tmc_point *point,
		 enum target_kind *ret_kind)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	struct target_check target = {
		.tree = &tree,
		.swaps = "/proc/swaps",
		.repository = request->repository,
		.path = request->target,
		.point = point,
		.force = request->force,
	};
	int r = block_tree_open_system(&tree);

	return r < 0 ? r : target_check(&target, ret_kind);
}

static int find_instant(struct tmc_repo *repo, const struct restore_request *request,
			struct restore_result *result)
{
	struct tmc_volume volume;
	int r = journal_volume_find(repo, request->volume, &volume);

	if (r < 0)
		return r;
	r = tmc_instant_find(repo, volume.volume_id, request->when, &result->instant);
	if (r < 0)
		return failure_set(r, "%s: %s", volume.name, tmc_error_text());
	result->point.volume = result->instant.volume;
	return 0;
}

/* A scan is refused here too: before the target is touched. */
static int find_point(struct tmc_repo *repo, const struct restore_request *request,
		      struct restore_result *result)
{
	int r = tmc_point_find(repo, request->point, NULL, &result->point);

	if (r < 0)
		return failure_set(r, "%s", tmc_error_text());
	if (result->point.moment.settles_seq)
		return failure_set(-ENOENT, "restore point %s is only the beginning of a stretch "
				   "of the journal, and no image by itself; use \"tidemark restore "
				   "--at\"", request->point);
	return 0;
}

static void close_repo(struct tmc_repo **repo)
{
	if (*repo)
		tmc_repo_close(*repo);
}

int restore_run(const struct restore_request *request, struct restore_result *ret_result)
{
	CLEANUP(close_repo) struct tmc_repo *repo = NULL;
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	enum target_kind kind;
	int r = tmc_repo_open(request->repository, &repo);

	*ret_result = (struct restore_result){0};
	if (r < 0)
		return failure_set(r, "%s", tmc_error_text());
	r = request->when ? find_instant(repo, request, ret_result) :
			    find_point(repo, request, ret_result);
	if (r == 0)
		r = check(request, &ret_result->point, &kind);
	if (r == 0)
		r = write_point(repo, request, kind, ret_result);
	ret_result->elapsed_ms = (clock_ns(CLOCK_MONOTONIC) - start_ns) / 1000000u;
	return r;
}
