/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Appends blobs to packs and seals each pack when it is large enough.
 */
#ifndef CATALOG_PACK_WRITER_H
#define CATALOG_PACK_WRITER_H

#include "catalog/blob.h"
#include "catalog/store.h"

#define TMC_PACK_TARGET_BYTES (16u << 20) /* readers do not rely on it */

struct tmc_pack_writer;

int tmc_pack_writer_create(struct tmc_store *store, struct tmc_keys *keys,
			   struct tmc_pack_writer **ret_writer);

/**
 * Append encoded blobs that stand back to back at data, all to one pack, and fill
 * in pack and offset of their entries. From any thread. Errors: also those of
 * earlier writes.
 */
int tmc_pack_writer_append(struct tmc_pack_writer *writer, const void *data, size_t bytes,
			   struct tmc_entry *entries, size_t nr_entries);

/** Bytes of packs so far, headers and footers included. */
uint64_t tmc_pack_writer_bytes(const struct tmc_pack_writer *writer);

/** Seal the last pack and make all of them durable. Nothing is appended after. */
int tmc_pack_writer_finish(struct tmc_pack_writer *writer);

/** Names of the packs by number; valid after finish, until destroy. */
const struct tmc_id *tmc_pack_writer_packs(const struct tmc_pack_writer *writer,
					   uint32_t *ret_nr);

/** Drops what was not sealed. */
void tmc_pack_writer_destroy(struct tmc_pack_writer *writer);

#endif
