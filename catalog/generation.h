/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The number that grows with each point and each doom: invariant 10 of
 * docs/repository.md.
 */
#ifndef CATALOG_GENERATION_H
#define CATALOG_GENERATION_H

#include "tidemark.h"

struct tmc_doom;

/**
 * The highest that the repository shows; 0 where there is none. Points that cannot
 * be read do not count.
 */
int tmc_generation_get(struct tmc_repo *repo, uint64_t *ret_generation);

/**
 * One that is not lower than any that the repository has shown, though objects are damaged
 * that said so; of ledgers that are damaged only as far as points and dooms tell.
 */
int tmc_generation_bound(struct tmc_repo *repo, uint64_t *ret_generation);

/** Read and prove a ledger. Errors: -ENOENT, -EBADMSG. */
int tmc_ledger_load(struct tmc_repo *repo, const struct tmc_id *id, uint64_t *ret_generation);

/** Write down that it has been reached, and remove older such notes. */
int tmc_generation_keep(struct tmc_repo *repo, uint64_t generation);

/** Seal a doom with a generation above all there is; its lists must be sorted. */
int tmc_generation_seal(struct tmc_repo *repo, struct tmc_doom *doom);

#endif
