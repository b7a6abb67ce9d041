// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The catalog delivers in the order that is cheapest to read. So a window of the volume at a
 * time is put together in memory, and written when it is whole.
 */
#include "restore/stream.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/progress.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_BYTES (32u << 20) /* a multiple of every chunk size */

struct window {
	struct tally *tally;
	uint64_t offset; /* on the volume, of data[0] */
	uint64_t bytes;
	uint8_t *data;
};

int stream_check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return failure_set(-errno, "standard output: %s", strerror(errno));
	if (isatty(fd))
		return failure_set(-ETXTBSY, "standard output: is a terminal; redirect it");
	if (S_ISBLK(st.st_mode))
		return failure_set(-ETXTBSY, "standard output: is a block device; give its path as "
				   "the target, so that it can be checked");
	return 0;
}

static int on_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	struct window *window = context;

	memcpy(window->data + (offset - window->offset), data, bytes);
	tally_note(window->tally, TALLY_WRITTEN, offset, bytes);
	return 0;
}

static int on_zero(void *context, uint64_t offset, uint64_t bytes)
{
	struct window *window = context;

	memset(window->data + (offset - window->offset), 0, (size_t)bytes);
	tally_note(window->tally, TALLY_ZEROED, offset, bytes);
	return 0;
}

static int on_unreadable(void *context, uint64_t offset, uint64_t bytes)
{
	struct window *window = context;

	tally_note(window->tally, TALLY_UNREADABLE, offset, bytes);
	return on_zero(context, offset, bytes);
}

static int write_all(int fd, const uint8_t *data, uint64_t bytes)
{
	while (bytes) {
		ssize_t done = write(fd, data, (size_t)bytes);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return failure_set(-errno, "standard output: %s", strerror(errno));
		data += done;
		bytes -= (uint64_t)done;
	}
	return 0;
}

/* What of the window lies within the range. */
static int write_window(const struct window *window, int fd, uint64_t *ret_bytes)
{
	const struct tally *tally = window->tally;
	uint64_t end = window->offset + window->bytes;
	uint64_t begin = window->offset > tally->begin ? window->offset : tally->begin;

	if (end > tally->end)
		end = tally->end;
	*ret_bytes = end - begin;
	return write_all(fd, window->data + (begin - window->offset), end - begin);
}

static uint64_t nr_chunks(const struct window *window)
{
	uint64_t chunk_bytes = window->tally->chunk_bytes;

	return (window->bytes + chunk_bytes - 1) / chunk_bytes;
}

static int fill(struct tmc_repo *repo, const struct tmc_point *point, struct window *window,
		uint64_t first, uint64_t end)
{
	const struct tmc_sink sink = {
		.data = on_data, .zero = on_zero, .unreadable = on_unreadable, .context = window,
	};
	struct tmc_part part = {
		.first_chunk = first, .nr_chunks = WINDOW_BYTES / point->chunk_bytes,
	};
	uint64_t left;
	int r;

	if (part.nr_chunks > end - first)
		part.nr_chunks = end - first;
	window->offset = first * point->chunk_bytes;
	window->bytes = part.nr_chunks * point->chunk_bytes;
	left = point->volume.volume_bytes - window->offset;
	if (window->bytes > left)
		window->bytes = left;
	r = tmc_point_extract_part(repo, point, &part, 0, &sink);
	return r < 0 ? failure_set(r, "%s; standard output ends early", tmc_error_text()) : 0;
}

int stream_run(struct tmc_repo *repo, const struct tmc_point *point, struct tally *tally, int fd,
	       bool progress)
{
	CLEANUP_FREE uint8_t *data = malloc(WINDOW_BYTES);
	struct window window = {.tally = tally, .data = data};
	uint64_t end = tally_end_chunk(tally);
	struct progress shown;
	int r = 0;

	if (!data)
		return failure_set(-ENOMEM, "restore: out of memory");
	progress_start(&shown, "restoring", progress);
	progress_set_total(&shown, tally->end - tally->begin);
	for (uint64_t first = tally_first_chunk(tally); r == 0 && first < end;
	     first += WINDOW_BYTES / point->chunk_bytes) {
		uint64_t bytes;

		r = fill(repo, point, &window, first, end);
		if (r == 0)
			r = write_window(&window, fd, &bytes);
		if (r == 0)
			progress_add(&shown, bytes);
		else
			tally_forget_chunks(tally, first, nr_chunks(&window));
	}
	progress_stop(&shown);
	return r;
}
