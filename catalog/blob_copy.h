/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Blobs on their way out of packs that go into new ones of the same repository, as
 * they are stored.
 */
#ifndef CATALOG_BLOB_COPY_H
#define CATALOG_BLOB_COPY_H

#include "catalog/blob.h"

struct tmc_repo;
struct tmc_index_set;
struct tmc_blob_copy; /**< one thread's */

/**
 * repo: whose pack cache is read through. known: what it has need not be copied; nothing
 * where it is never refreshed.
 */
int tmc_blob_copy_create(struct tmc_repo *repo, struct tmc_index_set *known,
			 struct tmc_blob_copy **ret_copy);
void tmc_blob_copy_destroy(struct tmc_blob_copy *copy);

/**
 * Copy the blob at this place, once its id has proved it. Returns 1, 0 (known, or copied
 * before) or a negative errno: -EBADMSG (damaged).
 */
int tmc_blob_copy_take(struct tmc_blob_copy *copy, const struct tmc_id *pack,
		       const struct tmc_entry *entry);

/** All that was taken: durable, and in an index. */
int tmc_blob_copy_publish(struct tmc_blob_copy *copy);

#endif
