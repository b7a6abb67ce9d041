/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The entries of several indexes as one sorted stream.
 */
#ifndef CATALOG_INDEX_STREAM_H
#define CATALOG_INDEX_STREAM_H

#include "catalog/index.h"

struct tmc_index_stream; /**< one thread's; 4 KiB for each index */

/** The indexes outlive the stream; the array need not. */
int tmc_index_stream_create(struct tmc_index *const *indexes, size_t nr,
			    struct tmc_index_stream **ret_stream);
void tmc_index_stream_destroy(struct tmc_index_stream *stream);
void tmc_index_stream_cleanup(struct tmc_index_stream **stream);
#define CLEANUP_INDEX_STREAM __attribute__((cleanup(tmc_index_stream_cleanup)))

/**
 * Returns 1 with the next entry, the number of its index and its position there (which may
 * be NULL), 0 at the end, or a negative errno. Entries of one key come in the order of their
 * indexes.
 */
int tmc_index_stream_next(struct tmc_index_stream *stream, struct tmc_entry *ret_entry,
			  size_t *ret_number, uint64_t *ret_position);

#endif
