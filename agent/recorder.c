// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/recorder.h"
#include "agent/channel.h"
#include "agent/record_batch.h"
#include "common/bell.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/lock_scope.h"
#include "common/queue.h"
#include "common/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCHES_MIN 4

void recorder_announce(struct recorder *recorder)
{
	bell_ring(recorder->event_fd);
}

void recorder_fail(struct recorder *recorder, int error)
{
	first_failure_note(&recorder->failure, error);
	{
		LOCK_SCOPE(&recorder->lock);
		recorder->status.state = RECORDER_FAILED;
	}
	bell_ring(recorder->wake_fd);
	recorder_announce(recorder);
}

int recorder_failure(struct recorder *recorder)
{
	return first_failure_get(&recorder->failure);
}

int recorder_event_fd(struct recorder *recorder)
{
	return recorder->event_fd;
}

void recorder_get_status(struct recorder *recorder, struct recorder_status *ret_status)
{
	uint64_t count;

	if (read(recorder->event_fd, &count, sizeof(count)) < 0)
		count = 0; /* nothing has changed since it was asked for last */
	LOCK_SCOPE(&recorder->lock);
	*ret_status = recorder->status;
}

uint64_t recorder_oldest_ns(struct recorder *recorder)
{
	LOCK_SCOPE(&recorder->lock);
	return backlog_oldest_ns(&recorder->backlog);
}

void recorder_hurry(struct recorder *recorder)
{
	atomic_store(&recorder->hurry, true);
	bell_ring(recorder->wake_fd);
}

/* ---------------------------------------------------------------------- handover */

void recorder_hand_over_locked(struct recorder *recorder)
{
	struct handover *taken = &recorder->taken;

	if (!recorder->hands_over || taken->seq != recorder->status.durable_seq)
		return;
	taken->stretch = recorder->status.stretch;
	taken->first_seq = recorder->status.first_seq;
	taken->segment = recorder->status.durable_segment;
	handover_write(channel_handover(recorder->request.channel), taken);
}

void recorder_hand_over(struct recorder *recorder)
{
	LOCK_SCOPE(&recorder->lock);
	if (recorder->status.state != RECORDER_RECORDING)
		return;
	recorder->hands_over = true;
	recorder_hand_over_locked(recorder);
}

/* What is the same in each one. */
static void prepare_handover(struct recorder *recorder)
{
	const struct recorder_request *request = &recorder->request;
	struct tmc_repo_info info;

	tmc_repo_get_info(request->repo, &info);
	recorder->taken.ring_bytes = channel_info(request->channel)->ring_bytes;
	recorder->taken.repository = info.id;
	memcpy(recorder->taken.volume_id, request->volume->volume_id,
	       sizeof(recorder->taken.volume_id));
}

/* -------------------------------------------------------------------------- life */

static int make_pool(struct recorder *recorder)
{
	size_t nr = recorder->request.memory_bytes / sizeof(struct record_batch);

	nr = nr > BATCHES_MIN ? nr : BATCHES_MIN;
	recorder->batches = calloc(nr, sizeof(*recorder->batches));
	recorder->empty = queue_create(nr);
	recorder->full = queue_create(nr);
	if (!recorder->batches || !recorder->empty || !recorder->full)
		return failure_set(-ENOMEM, "out of memory");
	for (; recorder->nr_batches < nr; recorder->nr_batches++) {
		struct record_batch *batch = malloc(sizeof(*batch));

		if (!batch)
			return failure_set(-ENOMEM, "out of memory");
		record_batch_clear(batch);
		recorder->batches[recorder->nr_batches] = batch;
		queue_push(recorder->empty, batch);
	}
	return 0;
}

static void destroy(struct recorder *recorder)
{
	for (size_t i = 0; i < recorder->nr_batches; i++)
		free(recorder->batches[i]);
	free(recorder->batches);
	queue_destroy(recorder->empty);
	queue_destroy(recorder->full);
	tmc_journal_abort(recorder->continued);
	if (recorder->wake_fd >= 0)
		close(recorder->wake_fd);
	if (recorder->event_fd >= 0)
		close(recorder->event_fd);
	free(recorder);
}

/* The drainer goes first, and with it whoever fills the queue of the keeper. */
static void join(struct recorder *recorder)
{
	atomic_store(&recorder->stopping, true);
	bell_ring(recorder->wake_fd);
	if (recorder->drainer_runs)
		pthread_join(recorder->drainer, NULL);
	queue_close(recorder->full);
	if (recorder->keeper_runs)
		pthread_join(recorder->keeper, NULL);
}

static int start(struct recorder *recorder)
{
	int r = make_pool(recorder);

	if (r == 0 && (recorder->wake_fd < 0 || recorder->event_fd < 0))
		r = failure_set(-EMFILE, "eventfd: no descriptor");
	if (r == 0 && recorder->request.handover)
		r = recorder_continue(recorder);
	if (r < 0)
		return r;
	r = threads_start_small(&recorder->keeper, recorder_keep, recorder);
	recorder->keeper_runs = r == 0;
	if (r == 0)
		r = threads_start_small(&recorder->drainer, recorder_drain, recorder);
	recorder->drainer_runs = r == 0;
	if (r < 0)
		join(recorder);
	return r;
}

int recorder_start(const struct recorder_request *request, struct recorder **ret_recorder)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	int r;

	if (!recorder)
		return failure_set(-ENOMEM, "out of memory");
	recorder->request = *request;
	recorder->status.seq = request->first_seq - 1;
	recorder->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	recorder->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	first_failure_init(&recorder->failure);
	pthread_mutex_init(&recorder->lock, NULL);
	prepare_handover(recorder);
	r = start(recorder);
	if (r < 0) {
		destroy(recorder);
		return r;
	}
	*ret_recorder = recorder;
	return 0;
}

int recorder_stop(struct recorder *recorder)
{
	int r;

	join(recorder);
	r = recorder_failure(recorder);
	destroy(recorder);
	return r;
}
