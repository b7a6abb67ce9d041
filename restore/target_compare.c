// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Each thread takes the next run of up to a mebibyte that has something chosen. Reads are
 * ascending, so that a disk that turns sees a scan.
 */
#include "restore/target_compare.h"
#include "agent/chunk_read.h"
#include "common/bit_run.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/first_failure.h"
#include "common/io.h"
#include "common/lock_scope.h"
#include "common/progress.h"
#include "common/threads.h"

#include <errno.h>
#include <string.h>

#define THREADS_MAX 16
#define RUN_WORDS   (TMC_BUFFER_BYTES / TMC_CHUNK_BYTES_MIN / 64)

struct comparing {
	const struct target_compare *request;
	pthread_mutex_t lock; /* next */
	uint64_t next;        /* chunk that nobody has taken */
	struct first_failure failure;
	struct progress progress;
};

struct run {
	uint64_t first;
	uint32_t nr;
};

static void end_compare(struct tmc_compare **compare)
{
	tmc_compare_end(*compare);
}

/* False: there is no more. */
static bool take_run(struct comparing *comparing, struct run *ret_run)
{
	const struct target_compare *request = comparing->request;
	uint64_t end = request->end_chunk;
	uint64_t behind, most = TMC_BUFFER_BYTES / request->point->chunk_bytes;

	LOCK_SCOPE(&comparing->lock);
	if (request->chosen)
		comparing->next = bit_find(request->chosen, comparing->next, end, true);
	if (comparing->next >= end)
		return false;
	behind = end - comparing->next > most ? comparing->next + most : end;
	if (request->chosen)
		behind = bit_find(request->chosen, comparing->next, behind, false);
	*ret_run = (struct run){comparing->next, (uint32_t)(behind - comparing->next)};
	comparing->next = behind;
	return true;
}

static size_t bytes_of(const struct comparing *comparing, const struct run *run)
{
	const struct tmc_point *point = comparing->request->point;
	uint64_t left = point->volume.volume_bytes - run->first * point->chunk_bytes;
	uint64_t bytes = (uint64_t)run->nr * point->chunk_bytes;

	return (size_t)(bytes < left ? bytes : left);
}

static int read_failure(const struct comparing *comparing, int error)
{
	return failure_set(error == -ENODEV ? -ENXIO : error, "%s: cannot be read: %s",
			   comparing->request->target->path, strerror(-error));
}

static void tell_same(struct comparing *comparing, const struct run *run, const uint64_t *same)
{
	const struct target_compare *request = comparing->request;
	uint64_t n = bit_find(same, 0, run->nr, true);

	while (n < run->nr) {
		uint64_t behind = bit_find(same, n, run->nr, false);

		request->same(request->context, run->first + n, behind - n);
		n = bit_find(same, behind, run->nr, true);
	}
}

/* Errors of the medium have no sentence. */
static int do_run(struct comparing *comparing, struct tmc_compare *compare, const struct run *run,
		  void *buffer)
{
	const struct target_compare *request = comparing->request;
	size_t bytes = bytes_of(comparing, run);
	uint64_t same[RUN_WORDS];
	int r = target_read(request->target, run->first * request->point->chunk_bytes, buffer,
			    bytes);

	if (r < 0)
		return chunk_read_is_medium_error(r) ? r : read_failure(comparing, r);
	r = tmc_compare_chunks(compare, run->first, run->nr, buffer, same);
	if (r < 0) /* the repository's medium is not the target's */
		return failure_set(chunk_read_is_medium_error(r) ? -EBADMSG : r, "%s",
				   tmc_error_text());
	tell_same(comparing, run, same);
	progress_add(&comparing->progress, bytes);
	return 0;
}

/* One that cannot be read is not the same, and its neighbours are looked at by themselves. */
static int do_singly(struct comparing *comparing, struct tmc_compare *compare,
		     const struct run *run, void *buffer)
{
	int r = 0;

	for (uint32_t n = 0; n < run->nr && r == 0; n++) {
		struct run single = {run->first + n, 1};

		r = do_run(comparing, compare, &single, buffer);
		if (chunk_read_is_medium_error(r)) {
			progress_add(&comparing->progress, bytes_of(comparing, &single));
			r = 0;
		}
	}
	return r;
}

static int work(struct comparing *comparing)
{
	const struct target_compare *request = comparing->request;
	CLEANUP_FREE void *buffer = aligned_alloc(IO_DIRECT_BYTES, TMC_BUFFER_BYTES);
	CLEANUP(end_compare) struct tmc_compare *compare = NULL;
	struct run run;
	int r;

	if (!buffer)
		return failure_set(-ENOMEM, "restore: out of memory");
	r = tmc_compare_begin(request->repo, request->point, &compare);
	if (r < 0)
		return failure_set(r, "%s", tmc_error_text());
	while (r == 0 && first_failure_get(&comparing->failure) == 0 && take_run(comparing, &run)) {
		r = do_run(comparing, compare, &run, buffer);
		if (chunk_read_is_medium_error(r))
			r = do_singly(comparing, compare, &run, buffer);
	}
	return r;
}

static void *thread(void *context)
{
	struct comparing *comparing = context;
	int r = work(comparing);

	if (r < 0)
		first_failure_note(&comparing->failure, r);
	return NULL;
}

int target_compare_run(const struct target_compare *request)
{
	struct comparing comparing = {
		.request = request,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.next = request->first_chunk,
	};
	struct threads *threads;
	int r;

	first_failure_init(&comparing.failure);
	progress_start(&comparing.progress, request->verb, request->progress);
	progress_set_total(&comparing.progress, request->total_bytes);
	r = threads_start(0, THREADS_MAX, thread, &comparing, &threads);
	if (r < 0)
		first_failure_note(&comparing.failure,
				   failure_set(r, "cannot start to compare: %s", strerror(-r)));
	else
		threads_join(threads);
	progress_stop(&comparing.progress);
	return first_failure_get(&comparing.failure);
}
