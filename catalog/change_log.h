/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a backup changes in the tree: chunk -> id, gathered in any order from any
 * thread, read back in ascending order.
 */
#ifndef CATALOG_CHANGE_LOG_H
#define CATALOG_CHANGE_LOG_H

#include "catalog/store.h"

struct tmc_change {
	uint64_t first; /* chunk */
	uint64_t nr;    /* more than 1 only with a special id */
	struct tmc_id id;
};

struct tmc_change_log;

#define TMC_CHANGE_LOG_BUFFER 65536u /* 3 MiB */

/** nr_buffer: changes kept in memory; more go to a scratch file. */
struct tmc_change_log *tmc_change_log_create(struct tmc_store *store, uint32_t nr_buffer);
void tmc_change_log_destroy(struct tmc_change_log *log);

/** Changes never overlap. */
int tmc_change_log_add(struct tmc_change_log *log, const struct tmc_change *changes, size_t nr);

/** After the last add; then next returns 1, 0 at the end, or a negative errno. */
int tmc_change_log_rewind(struct tmc_change_log *log);
int tmc_change_log_next(struct tmc_change_log *log, struct tmc_change *ret_change);

#endif
