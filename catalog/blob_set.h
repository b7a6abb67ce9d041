/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The blobs that one backup adds: who stores a blob, and where it went.
 */
#ifndef CATALOG_BLOB_SET_H
#define CATALOG_BLOB_SET_H

#include "catalog/blob.h"
#include "catalog/index_set.h"
#include "catalog/store.h"

struct tmc_blob_set;
struct tmc_pack_writer;

#define TMC_BLOB_SET_SLOTS (1u << 18) /* 15 MiB */

/** nr_slots: the table's largest size, a power of two; more goes to scratch files. */
struct tmc_blob_set *tmc_blob_set_create(struct tmc_store *store, struct tmc_keys *keys,
					 struct tmc_index_set *known, uint32_t nr_slots);
void tmc_blob_set_destroy(struct tmc_blob_set *set);

/**
 * Returns 1 when the caller has to store the blob (and nobody else does, in this
 * backup), 0 when the repository has it or somebody stores it, or a negative
 * errno. From any thread.
 */
int tmc_blob_set_claim(struct tmc_blob_set *set, enum tmc_blob_type type,
		       const struct tmc_id *id);

/** Claimed blobs have been appended. */
void tmc_blob_set_locate(struct tmc_blob_set *set, const struct tmc_entry *entries, size_t nr);

/** Write the index object; nothing if no blob was added. Its name is not synced. */
int tmc_blob_set_commit(struct tmc_blob_set *set, const struct tmc_id *packs, uint32_t nr_packs);

/**
 * Everything durable, in the order of invariant 1 of docs/repository.md: packs, their
 * names, the index, its name.
 */
int tmc_blob_set_publish(struct tmc_blob_set *set, struct tmc_pack_writer *packs);

#endif
