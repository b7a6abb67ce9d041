/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One prune: mark dooms what goes, sweep removes what is doomed.
 */
#ifndef CATALOG_PRUNE_H
#define CATALOG_PRUNE_H

#include "catalog/repo.h"
#include "catalog/session.h"

struct tmc_prune { /* one thread's */
	struct tmc_repo *repo;
	const struct tmc_prune_options *options;
	struct tmc_prune_result *result;
	uint64_t now_ns; /* by the store's clock */
	bool journal_only; /* only dooms that list segments alone are swept */
};

void tmc_prune_say(const struct tmc_prune *prune, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Bytes of an object; 0 where it is not there. */
uint64_t tmc_prune_bytes(const struct tmc_prune *prune, enum tmc_store_kind kind,
			 const struct tmc_id *id);

/** Choose what goes; unless this is a dry run, copy what of it is needed, and seal the doom. */
int tmc_prune_mark(struct tmc_prune *prune);

/**
 * Sweep each doom that is ripe and whose packs and points no session can be using any
 * more. What waits is said, and counted.
 */
int tmc_prune_sweep(struct tmc_prune *prune);

#endif
