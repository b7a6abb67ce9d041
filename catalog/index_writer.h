/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Writes an index: entries in ascending order, then the names of the packs.
 */
#ifndef CATALOG_INDEX_WRITER_H
#define CATALOG_INDEX_WRITER_H

#include "catalog/blob.h"
#include "catalog/store.h"

struct tmc_index_writer;

/**
 * nr_entries: exactly so many will be added. incompat: of all of them together, see
 * tmc_blob_incompat(). scratch_fd: write there, a run for
 * later; or -1: write an object.
 */
int tmc_index_writer_begin(struct tmc_store *store, struct tmc_keys *keys, int scratch_fd,
			   uint64_t nr_entries, uint32_t nr_packs, uint64_t incompat,
			   struct tmc_index_writer **ret_writer);
int tmc_index_writer_add(struct tmc_index_writer *writer, const struct tmc_entry *entry);

/** After the last entry; packs NULL in a scratch run. An object is named then. */
int tmc_index_writer_finish(struct tmc_index_writer *writer, const struct tmc_id *packs);
void tmc_index_writer_destroy(struct tmc_index_writer *writer);
void tmc_index_writer_cleanup(struct tmc_index_writer **writer);
#define CLEANUP_INDEX_WRITER __attribute__((cleanup(tmc_index_writer_cleanup)))

#endif
