// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A window of 64 Ki chunks is 8 KiB of bits, and 4 GiB of volume at the usual
 * chunk size: an almost clean volume of many TiB costs a few thousand calls.
 */
#include "agent/frozen_cursor.h"
#include "common/lock_scope.h"

void frozen_cursor_init(struct frozen_cursor *cursor, uint64_t nr_chunks, uint32_t run_chunks_max,
			frozen_read_fn *read, void *context)
{
	*cursor = (struct frozen_cursor){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.read = read,
		.context = context,
		.nr_chunks = nr_chunks,
		.run_chunks_max = run_chunks_max,
	};
}

static uint64_t window_end(const struct frozen_cursor *cursor)
{
	return cursor->window_start + cursor->window_chunks;
}

static int load_window_locked(struct frozen_cursor *cursor)
{
	uint64_t left = cursor->nr_chunks - cursor->next_chunk;
	uint64_t chunks = left < FROZEN_WINDOW_CHUNKS ? left : FROZEN_WINDOW_CHUNKS;
	int r = cursor->read(cursor->context, cursor->next_chunk, chunks, cursor->words);

	if (r < 0)
		return r;
	cursor->window_start = cursor->next_chunk;
	cursor->window_chunks = chunks;
	return 0;
}

/* First chunk from next_chunk on whose bit is set, or the window's end. */
static uint64_t find_set_locked(const struct frozen_cursor *cursor)
{
	uint64_t at = cursor->next_chunk - cursor->window_start;

	while (at < cursor->window_chunks) {
		uint64_t word = cursor->words[at / 64] >> at % 64;

		if (word) {
			at += (uint64_t)__builtin_ctzll(word);
			break;
		}
		at = (at / 64 + 1) * 64;
	}
	return at < cursor->window_chunks ? cursor->window_start + at : window_end(cursor);
}

static uint32_t run_length_locked(const struct frozen_cursor *cursor)
{
	uint64_t at = cursor->next_chunk - cursor->window_start;
	uint32_t nr = 0;

	while (nr < cursor->run_chunks_max && at + nr < cursor->window_chunks &&
	       cursor->words[(at + nr) / 64] >> (at + nr) % 64 & 1)
		nr++;
	return nr;
}

int frozen_cursor_next(struct frozen_cursor *cursor, struct frozen_run *ret_run)
{
	LOCK_SCOPE(&cursor->lock);

	for (;;) {
		if (cursor->next_chunk == cursor->nr_chunks)
			return 0;
		if (cursor->next_chunk == window_end(cursor)) {
			int r = load_window_locked(cursor);

			if (r < 0)
				return r;
		}
		cursor->next_chunk = find_set_locked(cursor);
		if (cursor->next_chunk < window_end(cursor))
			break;
	}
	ret_run->first_chunk = cursor->next_chunk;
	ret_run->nr_chunks = run_length_locked(cursor);
	cursor->next_chunk += ret_run->nr_chunks;
	cursor->seen_chunks += ret_run->nr_chunks;
	return 1;
}
