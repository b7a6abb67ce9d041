// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Files and devices are read by a few threads, each of which takes the next run of
 * chunks; holes of a file are put without being read. A stream is read by one thread,
 * and its size is told when it ends. The latest point of the same volume saves work
 * where content is the same; what is read does not depend on it.
 */
#include "agent/source_backup.h"
#include "agent/chunk_read.h"
#include "agent/interrupt.h"
#include "agent/io_class.h"
#include "agent/pace.h"
#include "common/block_tree.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/first_failure.h"
#include "common/lock_scope.h"
#include "common/progress.h"
#include "common/threads.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <string.h>

#define READERS 2

struct source_backup {
	const struct source_backup_request *request;
	struct tmc_repo *repo;
	struct source source;
	struct tmc_volume volume;
	uint32_t chunk_bytes;
	struct interrupt interrupt;
	struct progress progress;
	struct tmc_backup *draft; /* NULL: none, or ended */
	struct first_failure failure;
	struct pace pace;
	atomic_uint_least64_t read_bytes;
	atomic_uint_least64_t unreadable_chunks;
	atomic_uint_least64_t readable_offset; /* that was read at some time, UINT64_MAX: none */
	pthread_mutex_t lock; /* all below, and the file's offset */
	uint64_t next;        /* to hand out: a multiple of chunk_bytes */
	uint64_t data_end;    /* up to here there is no hole */
};

static __attribute__((format(printf, 2, 3))) void
notice(const struct source_backup *backup, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!backup->request->notice)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	backup->request->notice(text);
}

/* An errno of the repository must not pass for one of the source. */
static int catalog_failure(int error)
{
	if (error == -EINVAL)
		return failure_set(-EPROTO, "%s; this is a bug, please report it",
				   tmc_error_text());
	return failure_set(error == -ESTALE ? -EIO : error, "%s", tmc_error_text());
}

/* ------------------------------------------------------------------------ runs */

struct run {
	uint64_t offset;
	uint64_t bytes; /* 0: the end has been reached */
	bool hole;
};

static uint64_t round_down(const struct source_backup *backup, uint64_t offset)
{
	return offset - offset % backup->chunk_bytes;
}

static uint64_t nr_chunks(const struct source_backup *backup, uint64_t bytes)
{
	return bytes / backup->chunk_bytes + (bytes % backup->chunk_bytes != 0);
}

/* Chunks that a hole covers in part count as data. */
static struct run next_run(struct source_backup *backup)
{
	const struct source *source = &backup->source;
	struct run run;
	uint64_t data, left;

	LOCK_SCOPE(&backup->lock);
	run = (struct run){.offset = backup->next};
	if (run.offset >= source->bytes)
		return run;
	if (run.offset >= backup->data_end) {
		data = source_next_data(source, run.offset);
		run.hole = data == source->bytes || round_down(backup, data) > run.offset;
		if (!run.hole)
			backup->data_end = source_next_hole(source, data);
	}
	if (run.hole) {
		run.bytes = (data == source->bytes ? data : round_down(backup, data)) - run.offset;
	} else {
		left = nr_chunks(backup, backup->data_end) * backup->chunk_bytes - run.offset;
		if (left > source->bytes - run.offset)
			left = source->bytes - run.offset;
		run.bytes = left < TMC_BUFFER_BYTES ? left : TMC_BUFFER_BYTES;
	}
	backup->next += run.bytes;
	return run;
}

static int read_failure(const struct source_backup *backup, uint64_t offset, int error)
{
	if (error == -ENODEV || error == -ENXIO)
		return failure_set(-ENXIO, "%s: is gone, noticed at byte %" PRIu64,
				   backup->source.path, offset);
	return failure_set(error, "%s: cannot be read at byte %" PRIu64 ": %s", backup->source.path,
			   offset, strerror(-error));
}

/* After a failed read of the whole run: find out which chunks it was. */
static int read_one_by_one(struct source_backup *backup, const struct run *run, uint8_t *buffer,
			   uint64_t *chosen)
{
	for (uint64_t n = 0; n < nr_chunks(backup, run->bytes); n++) {
		uint64_t at = n * backup->chunk_bytes;
		uint64_t left = run->bytes - at;
		uint64_t bytes = left < backup->chunk_bytes ? left : backup->chunk_bytes;
		int r = source_read(&backup->source, buffer + at, bytes, run->offset + at);

		if (r < 0 && !chunk_read_is_medium_error(r))
			return read_failure(backup, run->offset + at, r);
		if (r == 0) {
			chosen[n / 64] |= 1ull << n % 64;
			atomic_store(&backup->readable_offset, run->offset + at);
			continue;
		}
		r = tmc_backup_put_unreadable(backup->draft,
					      (run->offset + at) / backup->chunk_bytes, 1);
		if (r < 0)
			return catalog_failure(r);
		atomic_fetch_add(&backup->unreadable_chunks, 1);
	}
	return 0;
}

/* Takes the buffer in every case. */
static int read_run(struct source_backup *backup, const struct run *run, uint8_t *buffer)
{
	uint64_t chosen[TMC_BUFFER_BYTES / TMC_CHUNK_BYTES_MIN / 64] = {0};
	int r = source_read(&backup->source, buffer, run->bytes, run->offset);

	/* A file that has become shorter is no medium error: there is nothing to go on with. */
	if (r == -ENODATA && backup->source.kind == SOURCE_FILE) {
		bool written;

		r = source_check_still(&backup->source, &written);
		if (r == 0)
			r = read_failure(backup, run->offset, -EIO);
	} else if (r == 0) {
		atomic_store(&backup->readable_offset, run->offset);
		memset(chosen, 0xff, sizeof(chosen));
	} else if (chunk_read_is_medium_error(r)) {
		r = read_one_by_one(backup, run, buffer, chosen);
	} else {
		r = read_failure(backup, run->offset, r);
	}
	if (r < 0) {
		tmc_backup_buffer_return(backup->draft, buffer);
		return r;
	}
	atomic_fetch_add(&backup->read_bytes, run->bytes);
	r = tmc_backup_put(backup->draft, run->offset / backup->chunk_bytes,
			   (uint32_t)nr_chunks(backup, run->bytes), buffer, chosen);
	return r < 0 ? catalog_failure(r) : 0;
}

static int check_interrupt(const struct source_backup *backup)
{
	if (interrupt_is_pending(&backup->interrupt))
		return failure_set(-ECANCELED, "interrupted; no restore point was made");
	return 0;
}

static int keep_on(void *context)
{
	struct source_backup *backup = context;
	int r = first_failure_get(&backup->failure);

	return r < 0 ? r : check_interrupt(backup);
}

/* 1: go on, 0: all has been handed out. */
static int do_run(struct source_backup *backup)
{
	struct run run = next_run(backup);
	uint8_t *buffer;
	int r = pace_wait(&backup->pace, run.hole ? 0 : run.bytes, keep_on, backup);

	if (r < 0 || !run.bytes)
		return r;
	if (run.hole) {
		r = tmc_backup_put_zero(backup->draft, run.offset / backup->chunk_bytes,
					nr_chunks(backup, run.bytes));
		if (r < 0)
			return catalog_failure(r);
	} else {
		buffer = tmc_backup_buffer(backup->draft);
		if (!buffer)
			return catalog_failure(-EPIPE);
		r = read_run(backup, &run, buffer);
	}
	progress_add(&backup->progress, run.bytes);
	return r < 0 ? r : 1;
}

static void *reader_thread(void *context)
{
	struct source_backup *backup = context;
	int r = io_class_enter(backup->request->limits.io_class);

	if (r == 0)
		r = 1;
	while (r > 0 && !first_failure_get(&backup->failure))
		r = do_run(backup);
	if (r < 0)
		first_failure_note(&backup->failure, r);
	return NULL;
}

static int check_reads(struct source_backup *backup)
{
	uint64_t offset = atomic_load(&backup->readable_offset);
	CLEANUP_FREE uint8_t *buffer = aligned_alloc(4096, backup->chunk_bytes);
	uint64_t left = backup->source.bytes - offset;
	uint64_t bytes = left < backup->chunk_bytes ? left : backup->chunk_bytes;

	if (!buffer)
		return failure_set(-ENOMEM, "backup: out of memory");
	if (offset != UINT64_MAX && source_read(&backup->source, buffer, bytes, offset) == 0)
		return 0;
	return failure_set(-ENXIO, "%s: is gone, or cannot be read anywhere any more",
			   backup->source.path);
}

static int read_runs(struct source_backup *backup)
{
	struct threads *threads;
	bool written = false;
	int r;

	backup->progress.total_bytes = backup->source.bytes;
	r = threads_start(READERS, READERS, reader_thread, backup, &threads);
	if (r < 0)
		return failure_set(r, "threads: %s", strerror(-r));
	threads_join(threads);
	r = first_failure_get(&backup->failure);
	if (r == 0 && atomic_load(&backup->unreadable_chunks))
		r = check_reads(backup);
	if (r == 0)
		r = source_check_still(&backup->source, &written);
	if (r == 0 && written)
		notice(backup, "%s: was written to while it was read, so the image mixes states of "
		       "different times", backup->source.path);
	return r;
}

/* ---------------------------------------------------------------------- stream */

/* As much as fits, less only at the end. */
static int fill(struct source_backup *backup, uint8_t *buffer, size_t *ret_bytes)
{
	struct pollfd fds[] = {
		{.fd = backup->source.fd, .events = POLLIN},
		{.fd = backup->interrupt.fd, .events = POLLIN},
	};

	*ret_bytes = 0;
	while (*ret_bytes < TMC_BUFFER_BYTES) {
		ssize_t got;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return failure_set(-errno, "poll: %s", strerror(errno));
		if (check_interrupt(backup) < 0)
			return -ECANCELED;
		got = read(backup->source.fd, buffer + *ret_bytes, TMC_BUFFER_BYTES - *ret_bytes);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			return failure_set(-errno, "%s: %s", backup->source.path, strerror(errno));
		if (got == 0)
			return 0;
		*ret_bytes += (size_t)got;
	}
	return 0;
}

static int put_part(struct source_backup *backup, void *buffer, size_t bytes)
{
	uint64_t first = backup->next / backup->chunk_bytes;
	int r = 0;

	backup->next += bytes;
	atomic_store(&backup->read_bytes, backup->next);
	if (bytes < TMC_BUFFER_BYTES)
		r = tmc_backup_set_bytes(backup->draft, backup->next);
	if (r < 0 || !bytes) {
		tmc_backup_buffer_return(backup->draft, buffer);
		return r < 0 ? catalog_failure(r) : 0;
	}
	r = tmc_backup_put(backup->draft, first, (uint32_t)nr_chunks(backup, bytes), buffer, NULL);
	return r < 0 ? catalog_failure(r) : 0;
}

static int read_stream(struct source_backup *backup)
{
	size_t bytes = TMC_BUFFER_BYTES;

	while (bytes == TMC_BUFFER_BYTES) {
		int r = pace_wait(&backup->pace, TMC_BUFFER_BYTES, keep_on, backup);
		void *buffer;

		if (r < 0)
			return r;
		buffer = tmc_backup_buffer(backup->draft);
		if (!buffer)
			return catalog_failure(-EPIPE);
		r = fill(backup, buffer, &bytes);
		if (r < 0) {
			tmc_backup_buffer_return(backup->draft, buffer);
			return r;
		}
		r = put_part(backup, buffer, bytes);
		if (r < 0)
			return r;
	}
	if (!backup->next)
		return failure_set(-ENODATA, "standard input: is empty, so no restore point was made; "
				   "has the command before the pipe failed?");
	return 0;
}

/* ---------------------------------------------------------------------- backup */

static int begin(struct source_backup *backup)
{
	struct tmc_point parent;
	bool has_parent = !backup->request->full &&
			  tmc_point_find(backup->repo, "latest", backup->volume.volume_id,
					 &parent) == 0;
	int r = tmc_backup_begin(backup->repo, &backup->volume, has_parent ? &parent : NULL, 0,
				 &backup->draft);

	if ((r == -EBADMSG || r == -ENOENT) && has_parent) {
		notice(backup, "%s: the latest point of it is damaged (%s); going on without it, run "
		       "\"tidemark verify\"", backup->source.path, tmc_error_text());
		r = tmc_backup_begin(backup->repo, &backup->volume, NULL, 0, &backup->draft);
	}
	return r < 0 ? catalog_failure(r) : 0;
}

static int commit(struct source_backup *backup, uint64_t time_ns, struct backup_result *result)
{
	struct tmc_backup *draft = backup->draft;
	int r;

	backup->draft = NULL; /* commit takes it in every case */
	result->read_bytes = atomic_load(&backup->read_bytes);
	r = tmc_backup_commit(draft, time_ns, result->read_bytes, &result->point);
	if (r < 0)
		return catalog_failure(r);
	result->made = true;
	result->full = true;
	result->attempts = 1;
	return 0;
}

static int run(struct source_backup *backup, struct backup_result *result)
{
	uint64_t time_ns = clock_ns(CLOCK_REALTIME);
	int r = begin(backup);

	if (r < 0)
		return r;
	progress_start(&backup->progress, "backing up", backup->request->progress);
	pace_init(&backup->pace, backup->request->limits.bytes_per_second,
		  backup->request->limits.cpu_percent);
	r = backup->source.kind == SOURCE_STREAM ? read_stream(backup) : read_runs(backup);
	progress_stop(&backup->progress);
	/* The catalog says why only when it is asked to commit, which makes no point then. */
	return r == 0 || r == -EPIPE ? commit(backup, time_ns, result) : r;
}

static int open_all(struct source_backup *backup)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	struct tmc_repo_info info;
	int r = tmc_repo_open(backup->request->source.repository, &backup->repo);

	if (r == 0 && backup->request->compression)
		r = tmc_repo_set_compression(backup->repo, backup->request->compression);
	if (r < 0)
		return failure_set(r, "%s", tmc_error_text());
	tmc_repo_get_info(backup->repo, &info);
	backup->chunk_bytes = info.chunk_bytes;
	r = block_tree_open_system(&tree);
	if (r < 0)
		return r;
	return source_open(&backup->request->source, &tree, &backup->source, &backup->volume);
}

static void close_backup(struct source_backup *backup)
{
	char reason[1024];

	/* Why it is given up is what counts, not what giving up says. */
	snprintf(reason, sizeof(reason), "%s", failure_text());
	tmc_backup_abort(backup->draft);
	source_close(&backup->source);
	if (backup->repo)
		tmc_repo_close(backup->repo);
	interrupt_stop(&backup->interrupt);
	failure_set(-ECANCELED, "%s", reason);
}

int source_backup_run(const struct source_backup_request *request, struct backup_result *ret_result)
{
	CLEANUP(close_backup) struct source_backup backup = {
		.request = request,
		.source = {.fd = -1},
		.interrupt = {.fd = -1},
		.progress = {.lock = PTHREAD_MUTEX_INITIALIZER},
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.readable_offset = UINT64_MAX,
	};
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	int r = interrupt_start(&backup.interrupt);

	*ret_result = (struct backup_result){0};
	if (r < 0)
		return r;
	first_failure_init(&backup.failure);
	r = open_all(&backup);
	if (r == 0)
		r = run(&backup, ret_result);
	ret_result->elapsed_ms = (clock_ns(CLOCK_MONOTONIC) - start_ns) / 1000000u;
	return r;
}
