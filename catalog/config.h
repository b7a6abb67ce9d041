/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The object that makes a directory a repository.
 */
#ifndef CATALOG_CONFIG_H
#define CATALOG_CONFIG_H

#include "catalog/format.h"
#include "catalog/store.h"

struct tmc_keys;

struct tmc_config {
	struct tmc_id repo_id;
	struct tmc_id digest; /* SHA-256 of the object */
	uint64_t created_ns;
	uint64_t ro_compat; /* unknown bits */
	uint32_t chunk_bytes;
	uint32_t fan_out;
	struct tmc_compression compression;
	bool encrypted;
	bool heeds_sessions; /* whoever writes here does */
};

/** A power of two within the bounds. */
bool tmc_config_is_chunk_size(uint32_t bytes);

/**
 * Fill in a new one for the repository of keys. ret_digest: its SHA-256.
 * Errors: -EINVAL (what the options say is not possible).
 */
int tmc_config_init(struct tmc_config_disk *ret_disk, const struct tmc_keys *keys,
		    const struct tmc_repo_options *options, struct tmc_id *ret_digest);

/** Store it under its name, durably. */
int tmc_config_write(struct tmc_store *store, const struct tmc_config_disk *disk);

/** path: the repository's, for errors. Errors: -EMEDIUMTYPE (no repository), -EBADMSG. */
int tmc_config_read(struct tmc_store *store, const char *path, struct tmc_config *ret_config);

#endif
