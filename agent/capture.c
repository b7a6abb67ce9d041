// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * States of a capture, and what moves it on:
 *
 *   reading    until the last reader has released its last run
 *   awaiting   until each chunk that did not stand has come in the ring
 *   feeding    the queue is closed; until the feeder has handed over the rest
 *   done
 *
 * The caller's thread polls in all of them. It fails the capture, it never waits
 * for a lock that is held over I/O, and when it stops draining because of a
 * failure, held writes go on after stall_ms or when the cut is ended.
 */
#include "agent/capture.h"
#include "agent/preserved.h"
#include "common/bell.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/progress.h"
#include "common/threads.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <uapi/tidemark.h>

#define MEMORY_BYTES    (64u << 20)
#define PROGRESS_MS     200
#define DRAIN_PER_ROUND 1024

void capture_wake(struct capture *capture)
{
	bell_ring(capture->wake_fd);
}

void capture_fail(struct capture *capture, int error)
{
	first_failure_note(&capture->failure, error);
	atomic_store(&capture->stopping, true);
	preserved_cancel(capture->preserved);
	capture_wake(capture);
}

int capture_catalog_failure(int error)
{
	if (error == -ESTALE) /* of a network file system, not of a cut */
		error = -EIO;
	if (error == -EINVAL)
		return failure_set(-EPROTO, "%s; this is a bug, please report it",
				   tmc_error_text());
	return failure_set(error, "%s", tmc_error_text());
}

static int take_record(struct capture *capture, const struct ring_record *record)
{
	const struct channel_cut *cut = &capture->request->cut;
	bool preserved = record->type == TIDEMARK_RECORD_PRESERVED;
	uint32_t bytes;
	int r;

	if (!preserved && record->type != TIDEMARK_RECORD_UNREADABLE)
		return failure_set(-EPROTO, "ring of the module: a record of type %" PRIu32 " without "
				   "a stream makes no sense; this is a bug, please report it",
				   record->type);
	if (record->epoch != cut->epoch)
		return 0; /* of a cut that has ended */
	if (record->chunk >= capture->info->nr_chunks)
		return failure_set(-EPROTO, "ring of the module: chunk %" PRIu64 " of %" PRIu64
				   " makes no sense; this is a bug, please report it",
				   record->chunk, capture->info->nr_chunks);
	bytes = (uint32_t)chunk_read_bytes(&capture->source, record->chunk, 1);
	if (record->payload_bytes != (preserved ? bytes : 0))
		return failure_set(-EPROTO,
				   "ring of the module: %" PRIu32 " bytes for chunk %" PRIu64
				   " make no sense; this is a bug, please report it",
				   record->payload_bytes, record->chunk);
	r = preserved_push(capture->preserved, preserved ? PRESERVED_CONTENT : PRESERVED_UNREADABLE,
			   record->chunk, record->payload, record->payload_bytes);
	if (r < 0)
		return r;
	capture->preserved_bytes += record->payload_bytes;
	atomic_fetch_add(&capture->done_chunks, 1);
	return 0;
}

/* 1: there may be more. */
static int drain(struct capture *capture)
{
	struct ring *ring = channel_ring(capture->request->channel);

	for (unsigned int i = 0; i < DRAIN_PER_ROUND; i++) {
		struct ring_record record;
		int r = ring_peek(ring, &record);

		if (r <= 0)
			return r;
		r = take_record(capture, &record);
		if (r < 0)
			return r;
		ring_consume(ring);
	}
	return 1;
}

static int check_complete(struct capture *capture, bool *ret_complete)
{
	uint64_t frozen = capture->request->cut.frozen_chunks;
	uint64_t done = atomic_load(&capture->done_chunks);

	*ret_complete = false;
	if (done > frozen)
		return failure_set(-EPROTO,
				   "module: %" PRIu64 " chunks came of %" PRIu64 " that were "
				   "frozen; this is a bug, please report it",
				   done, frozen);
	if (atomic_load(&capture->readers_left))
		return 0;
	if (capture->cursor.seen_chunks != frozen)
		return failure_set(-EPROTO, "module: %" PRIu64 " bits stand for %" PRIu64 " frozen "
				   "chunks; this is a bug, please report it",
				   capture->cursor.seen_chunks, frozen);
	*ret_complete = done == frozen;
	return 0;
}

static int wait_for_events(struct capture *capture, int timeout_ms)
{
	enum { CHANNEL, WAKE, SIGNAL, STOP };
	struct pollfd fds[] = {
		[CHANNEL] = {.fd = channel_fd(capture->request->channel),
			     .events = POLLIN | POLLPRI},
		[WAKE] = {.fd = capture->wake_fd, .events = POLLIN},
		[SIGNAL] = {.fd = capture->request->interrupt->fd, .events = POLLIN},
		[STOP] = {.fd = capture->request->stop_fd, .events = POLLIN},
	};
	uint64_t count;

	if (poll(fds, sizeof(fds) / sizeof(fds[0]), timeout_ms) < 0 && errno != EINTR)
		return failure_set(-errno, "poll: %s", strerror(errno));
	if (fds[WAKE].revents & POLLIN && read(capture->wake_fd, &count, sizeof(count)) < 0)
		return failure_set(-errno, "eventfd: %s", strerror(errno));
	if (fds[SIGNAL].revents)
		return failure_set(-ECANCELED, "interrupted; no restore point was made");
	if (fds[STOP].revents)
		return failure_set(-ECANCELED, "another volume of the backup has failed");
	if (fds[CHANNEL].revents & POLLPRI)
		return failure_set(-ESTALE, "the module has given the cut up");
	if (fds[CHANNEL].revents & (POLLHUP | POLLERR | POLLNVAL))
		return failure_set(-ENODEV, "the volume was detached while it was backed up");
	return 0;
}

static int serve(struct capture *capture)
{
	uint64_t shown = 0;
	bool closed = false;

	while (atomic_load(&capture->feeder_left) && !atomic_load(&capture->stopping)) {
		uint64_t done = atomic_load(&capture->done_chunks);
		int more = drain(capture);
		bool complete;
		int r;

		if (more < 0)
			return more;
		r = check_complete(capture, &complete);
		if (r < 0)
			return r;
		if (complete && !closed) {
			preserved_close(capture->preserved);
			closed = true;
		}
		progress_add(capture->request->progress, (done - shown) * capture->info->chunk_bytes);
		shown = done;
		r = wait_for_events(capture, more                                  ? 0
					     : capture->request->progress->enabled ? PROGRESS_MS
										   : -1);
		if (r < 0)
			return r;
	}
	return 0;
}

static void run_threads(struct capture *capture)
{
	pthread_t threads[CAPTURE_READERS + 1];
	size_t nr = 0;
	int r = 0;

	while (r == 0 && nr < CAPTURE_READERS + 1) {
		r = threads_start_small(&threads[nr], nr ? capture_reader : capture_feeder, capture);
		if (r == 0)
			nr++;
	}
	if (r == 0)
		r = serve(capture);
	if (r < 0)
		capture_fail(capture, r);
	for (size_t i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
}

static int read_frozen(void *context, uint64_t first_chunk, uint64_t nr_chunks,
		       uint64_t *ret_words)
{
	return channel_read_frozen(context, first_chunk, nr_chunks, ret_words);
}

static void cleanup_capture(struct capture **capture)
{
	if (!*capture)
		return;
	preserved_destroy((*capture)->preserved);
	if ((*capture)->wake_fd >= 0)
		close((*capture)->wake_fd);
	free(*capture);
}

int capture_run(const struct capture_request *request, struct capture_result *ret_result)
{
	CLEANUP(cleanup_capture) struct capture *capture = calloc(1, sizeof(*capture));
	const struct channel_info *info = channel_info(request->channel);
	int r;

	if (!capture)
		return failure_set(-ENOMEM, "backup: out of memory");
	capture->request = request;
	capture->info = info;
	capture->source = (struct chunk_source){.fd = request->live_fd, .info = info};
	capture->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (capture->wake_fd < 0)
		return failure_set(-errno, "eventfd: %s", strerror(errno));
	r = preserved_create(request->spill_dir, info->chunk_bytes, MEMORY_BYTES,
			     &capture->preserved);
	if (r < 0)
		return r;
	first_failure_init(&capture->failure);
	atomic_store(&capture->readers_left, CAPTURE_READERS);
	atomic_store(&capture->feeder_left, true);
	atomic_store(&capture->readable_chunk, UINT64_MAX);
	frozen_cursor_init(&capture->cursor, info->nr_chunks,
			   pace_run_chunks(request->pace->bytes_per_second, info->chunk_bytes),
			   read_frozen, request->channel);
	run_threads(capture);
	*ret_result = (struct capture_result){
		.frozen_bytes = atomic_load(&capture->frozen_bytes),
		.read_bytes = atomic_load(&capture->read_bytes),
		.preserved_bytes = capture->preserved_bytes,
		.unreadable_chunks = atomic_load(&capture->unreadable_chunks),
	};
	r = first_failure_get(&capture->failure);
	/* What could not be read may have been the last that there was. */
	if (r == 0 && ret_result->unreadable_chunks)
		r = channel_check_device(request->channel);
	if (r == 0 && ret_result->unreadable_chunks)
		r = capture_check_reads(capture);
	return r;
}
