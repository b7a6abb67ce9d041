/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Reads one blob from wherever it is intact.
 */
#ifndef CATALOG_BLOB_READ_H
#define CATALOG_BLOB_READ_H

#include "catalog/blob.h"
#include "catalog/store.h"

struct tmc_repo;

/**
 * Find, read, decode, verify; when that fails, from the other places of the blob.
 * disk: room for the largest blob of this type with its header; ret_raw: for its
 * plain content. ret_text: the pack that it came from. Errors: the first one.
 */
int tmc_blob_read(struct tmc_repo *repo, enum tmc_blob_type type, const struct tmc_id *id,
		  struct tmc_blob_coder *coder, void *disk, void *ret_raw, struct tmc_blob *ret_blob,
		  char ret_text[TMC_STORE_TEXT]);

#endif
