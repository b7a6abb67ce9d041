/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One sorted, immutable table of blobs and their places, searched on disk.
 */
#ifndef CATALOG_INDEX_H
#define CATALOG_INDEX_H

#include "catalog/blob.h"
#include "catalog/store.h"

struct tmc_index; /**< constant once open: may be shared by threads */

/** Open and check the head. Costs the same whatever the size. */
int tmc_index_open(struct tmc_store *store, struct tmc_keys *keys,
		   const struct tmc_id *id, struct tmc_index **ret_index);
/** The same for a run in a scratch file, which the index closes with itself. */
int tmc_index_open_scratch(int fd, struct tmc_keys *keys, struct tmc_index **ret_index);
void tmc_index_close(struct tmc_index *index);

/** Read the table into memory, to search it there, and close the file. Worth it for small ones. */
int tmc_index_load(struct tmc_index *index);

/** How an error calls it: its path. */
const char *tmc_index_text(const struct tmc_index *index);
const struct tmc_id *tmc_index_id(const struct tmc_index *index);
uint64_t tmc_index_bytes(const struct tmc_index *index);
uint64_t tmc_index_nr_entries(const struct tmc_index *index);
uint32_t tmc_index_nr_packs(const struct tmc_index *index);
uint32_t tmc_index_nr_filter_blocks(const struct tmc_index *index);

/** Read filter block nth, which there is. */
int tmc_index_read_filter(struct tmc_index *index, uint32_t nth,
			  struct tmc_index_filter_disk *ret_filter);

/**
 * Find a blob. Returns 1 with its entry and position (ret_position may be NULL), 0
 * if it is not here, or a negative errno: -EBADMSG when a block on the way is damaged.
 */
int tmc_index_find(struct tmc_index *index, enum tmc_blob_type type, const struct tmc_id *id,
		   struct tmc_entry *ret_entry, uint64_t *ret_position);

/** Name of pack number pack of this table. */
int tmc_index_pack(struct tmc_index *index, uint32_t pack, struct tmc_id *ret_id);

/** Reads a table from its begin to its end. */
struct tmc_index_cursor {
	struct tmc_index *index;
	uint64_t position;
	struct tmc_index_entries_disk block;
};

/** Returns 1 with the next entry, 0 at the end, or a negative errno. */
int tmc_index_next(struct tmc_index_cursor *cursor, struct tmc_entry *ret_entry);

/** Order of entries: by id, then by type. */
int tmc_entry_compare(const struct tmc_entry *a, const struct tmc_entry *b);

#endif
