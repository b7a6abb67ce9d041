// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A heap of cursors, the least entry on top.
 */
#include "catalog/index_stream.h"

#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>

struct source {
	struct tmc_index_cursor cursor;
	struct tmc_entry entry; /* the next one */
	size_t number;
};

struct tmc_index_stream {
	struct source *sources;
	struct source **heap;
	size_t nr; /* in the heap: not at their end */
};

static bool is_before(const struct source *a, const struct source *b)
{
	int order = tmc_entry_compare(&a->entry, &b->entry);

	return order ? order < 0 : a->number < b->number;
}

static void sift_down(struct tmc_index_stream *stream, size_t parent)
{
	struct source **heap = stream->heap, *source;

	for (;;) {
		size_t least = parent;

		for (size_t child = 2 * parent + 1; child <= 2 * parent + 2; child++)
			if (child < stream->nr && is_before(heap[child], heap[least]))
				least = child;
		if (least == parent)
			return;
		source = heap[parent];
		heap[parent] = heap[least];
		heap[least] = source;
		parent = least;
	}
}

static int fill(struct tmc_index_stream *stream, struct tmc_index *const *indexes, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct source *source = &stream->sources[i];
		int ret;

		source->cursor.index = indexes[i];
		source->number = i;
		ret = tmc_index_next(&source->cursor, &source->entry);
		if (ret < 0)
			return ret;
		if (ret)
			stream->heap[stream->nr++] = source;
	}
	for (size_t i = stream->nr; i-- > 0;)
		sift_down(stream, i);
	return 0;
}

int tmc_index_stream_create(struct tmc_index *const *indexes, size_t nr,
			    struct tmc_index_stream **ret_stream)
{
	CLEANUP_INDEX_STREAM struct tmc_index_stream *stream = calloc(1, sizeof(*stream));
	int ret;

	if (!stream)
		return failure_set(-ENOMEM, "out of memory");
	stream->sources = calloc(nr + 1, sizeof(*stream->sources));
	stream->heap = calloc(nr + 1, sizeof(struct source *));
	if (!stream->sources || !stream->heap)
		return failure_set(-ENOMEM, "out of memory");
	ret = fill(stream, indexes, nr);
	if (ret < 0)
		return ret;
	*ret_stream = stream;
	stream = NULL;
	return 0;
}

void tmc_index_stream_destroy(struct tmc_index_stream *stream)
{
	if (!stream)
		return;
	free(stream->sources);
	free(stream->heap);
	free(stream);
}

void tmc_index_stream_cleanup(struct tmc_index_stream **stream)
{
	tmc_index_stream_destroy(*stream);
}

int tmc_index_stream_next(struct tmc_index_stream *stream, struct tmc_entry *ret_entry,
			  size_t *ret_number, uint64_t *ret_position)
{
	struct source *source = stream->heap[0];
	int ret;

	if (!stream->nr)
		return 0;
	*ret_entry = source->entry;
	*ret_number = source->number;
	if (ret_position)
		*ret_position = source->cursor.position - 1; /* the cursor is behind it */
	ret = tmc_index_next(&source->cursor, &source->entry);
	if (ret < 0)
		return ret;
	if (!ret)
		stream->heap[0] = stream->heap[--stream->nr];
	sift_down(stream, 0);
	return 1;
}
