/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The header that every object begins with.
 */
#ifndef CATALOG_OBJECT_H
#define CATALOG_OBJECT_H

#include "catalog/format.h"

struct tmc_keys;

/** Errors: -EIO (no randomness), -ENOKEY (the repository is locked). */
int tmc_object_header_init(struct tmc_object_header_disk *header, enum tmc_object_type type,
			   const struct tmc_keys *keys);

/** Add ro_compat bits to a header that was made before. */
void tmc_object_header_require(struct tmc_object_header_disk *header, uint64_t ro_compat);

/**
 * Check a header read from disk, in the order of docs/format.md. what: how an
 * error names the object. keys: those of the repository that it has to belong to, and
 * of which it has to be encrypted or not; NULL: any. ret_ro_compat: unknown bits, NULL
 * to ignore them. Errors: -EBADMSG, -EPROTONOSUPPORT, -ENOKEY.
 */
int tmc_object_header_check(const struct tmc_object_header_disk *header, enum tmc_object_type type,
			    const struct tmc_keys *keys, const char *what,
			    uint64_t *ret_ro_compat);

#endif
