/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Proves a pack: its structure, or every byte.
 */
#ifndef CATALOG_PACK_CHECK_H
#define CATALOG_PACK_CHECK_H

#include "catalog/blob.h"

struct tmc_repo;

enum tmc_pack_depth {
	TMC_PACK_EVERY_BYTE,
	TMC_PACK_STRUCTURE, /* header, footer, nodes: chunks are taken at the footer's word */
};

struct tmc_pack_check_ops {
	/** A blob that is what its id says, as far as looked; its pack number means nothing. */
	void (*good)(void *context, const struct tmc_id *pack, const struct tmc_entry *entry);
	/** Something is damaged, or cannot be read; tmc_error_text() tells what. */
	void (*damage)(void *context, int error);
	/** A pack has been checked. */
	void (*progress)(void *context, uint64_t pack_bytes, uint64_t read_bytes);
	void *context;
};

struct tmc_pack_checker; /**< one thread's */

struct tmc_pack_checker *tmc_pack_checker_create(struct tmc_repo *repo,
						 const struct tmc_pack_check_ops *ops);
void tmc_pack_checker_destroy(struct tmc_pack_checker *checker);

void tmc_pack_check(struct tmc_pack_checker *checker, const struct tmc_id *id,
		    enum tmc_pack_depth depth);

#endif
