/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Open packs to read from. Packs are counted references; a few dozen stay open.
 */
#ifndef CATALOG_PACK_H
#define CATALOG_PACK_H

#include "catalog/store.h"

struct tmc_keys;
struct tmc_pack_cache; /**< may be shared by threads */

struct tmc_pack {
	struct tmc_id id;
	int fd;
	int direct_fd; /* -1: the file system cannot */
	uint64_t bytes;
	unsigned int nr_refs; /* the cache's lock */
	uint64_t used;        /* the cache's lock */
};

struct tmc_pack_cache *tmc_pack_cache_create(struct tmc_store *store,
					     struct tmc_keys *keys);
void tmc_pack_cache_destroy(struct tmc_pack_cache *cache);

/** Open and check the header. Errors: -ENOENT becomes -EBADMSG: a pack is missing. */
int tmc_pack_get(struct tmc_pack_cache *cache, const struct tmc_id *id,
		 struct tmc_pack **ret_pack);
void tmc_pack_put(struct tmc_pack_cache *cache, struct tmc_pack *pack);

/** Errors: -EBADMSG (shorter than that). */
int tmc_pack_read(struct tmc_pack_cache *cache, struct tmc_pack *pack, void *data, size_t bytes,
		  uint64_t offset);

/** What tmc_pack_read_large() needs besides the bytes that are asked for. */
#define TMC_PACK_SLACK_BYTES 8192u

/**
 * The same past the page cache, where the file system can: for large reads of what is
 * needed once. room: page-aligned, bytes + TMC_PACK_SLACK_BYTES; ret_data: where in it
 * they are.
 */
int tmc_pack_read_large(struct tmc_pack_cache *cache, struct tmc_pack *pack, void *room,
			size_t bytes, uint64_t offset, const uint8_t **ret_data);

const char *tmc_pack_describe(struct tmc_pack_cache *cache, const struct tmc_id *id,
			      char ret_text[TMC_STORE_TEXT]);

#endif
