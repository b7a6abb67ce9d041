/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Proves an index object: every byte, and that it makes sense.
 */
#ifndef CATALOG_INDEX_CHECK_H
#define CATALOG_INDEX_CHECK_H

#include "catalog/store.h"

struct tmc_keys;

/**
 * Whether it is what its name says, in order, with filters that tell the truth.
 * ret_bytes: of the object, set once it could be opened. Errors: -ENOENT, -EBADMSG.
 */
int tmc_index_check(struct tmc_store *store, struct tmc_keys *keys, const struct tmc_id *id,
		    uint64_t *ret_bytes);

#endif
