/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The header that every object begins with, and small objects as a whole.
 */
#ifndef CATALOG_OBJECT_H
#define CATALOG_OBJECT_H

#include "catalog/format.h"
#include "catalog/store.h"

struct tmc_keys;

/** Errors: -EIO (no randomness), -ENOKEY (the repository is locked). */
int tmc_object_header_init(struct tmc_object_header_disk *header, enum tmc_object_type type,
			   const struct tmc_keys *keys);

/** Add a bit to a header that was made before. */
void tmc_object_header_mark(struct tmc_object_header_disk *header, enum tmc_incompat incompat);

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

/** What an object that is sealed as a whole, and read as a whole, is. */
struct tmc_object_kind {
	enum tmc_store_kind store_kind;
	enum tmc_object_type type;
	size_t bytes_min; /* of header and plain body */
	size_t bytes_max; /* of the object as it is stored */
	enum tmc_incompat incompat; /* more bits of its header, when it is stored */
};

/**
 * Store an object: image is its header, which is filled in here, and its plain
 * body. ret_id: its name. Errors: those of tmc_store_seal(), -ENOKEY.
 */
int tmc_object_store(struct tmc_store *store, struct tmc_keys *keys,
		     const struct tmc_object_kind *kind, void *image, size_t bytes,
		     struct tmc_id *ret_id);

/** The same for an image that has its header, and nothing of which is to be sealed. */
int tmc_object_store_image(struct tmc_store *store, struct tmc_keys *keys,
			   const struct tmc_object_kind *kind, const void *image, size_t bytes,
			   struct tmc_id *ret_id);

/**
 * Read an object, prove it by its name, its repository and its tag. ret_image: header
 * and plain body, freed with free(). Errors: -ENOENT, -EBADMSG, -ENOKEY.
 */
int tmc_object_load(struct tmc_store *store, struct tmc_keys *keys,
		    const struct tmc_object_kind *kind, const struct tmc_id *id,
		    uint8_t **ret_image, size_t *ret_bytes);

#endif
