/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * An open repository, as the rest of the catalog sees it.
 */
#ifndef CATALOG_REPO_H
#define CATALOG_REPO_H

#include "catalog/blob.h"
#include "catalog/doom.h"
#include "catalog/index_set.h"
#include "catalog/keys.h"
#include "catalog/pack.h"
#include "catalog/store.h"

#include <pthread.h>

struct tmc_repo { /* constant once open and unlocked, as far as nothing else is said */
	struct tmc_store *store;
	struct tmc_keys *keys;
	struct tmc_repo_info info;
	struct tmc_limits limits;
	struct tmc_compression compression; /* of what this handle stores */
	struct tmc_id config_digest; /* SHA-256 of the config object */
	bool watched;                /* close tells so */
	struct tmc_id slot;          /* the key slot that unlocked it; zero: none */
	uint64_t ro_compat; /* unknown bits: read only */
	struct tmc_index_set *indexes;
	struct tmc_pack_cache *packs;
	bool heeds_sessions; /* whoever writes here does */
	pthread_mutex_t lock; /* all below; avoided is constant once entered */
	bool entered;
	unsigned int nr_writers; /* backups and copies under way */
	bool prunes;
	struct tmc_dooms avoided; /* by the session: invariant 3 of docs/repository.md */
};

/**
 * Invariant 2 of docs/repository.md: before anything is looked at that is relied
 * on. Begins the handle's session, once; it ends with the handle. task: one word
 * for others to read. A reader may go on without it.
 */
int tmc_repo_enter(struct tmc_repo *repo, const char *task);

/** Errors: -EPROTONOSUPPORT (only a newer version may write there). */
int tmc_repo_check_writable(const struct tmc_repo *repo);

/**
 * The same for whoever adds to the repository; ended by tmc_repo_end_write. Errors:
 * also -EPROTONOSUPPORT (only a newer version may write there), -EBUSY (this handle
 * prunes: its session, which the sweep does not wait for, is the writer's too).
 */
int tmc_repo_begin_write(struct tmc_repo *repo, const char *task);
void tmc_repo_end_write(struct tmc_repo *repo);

/** For a prune, which has no writer beside it in this handle. Errors: as above. */
int tmc_repo_begin_prune(struct tmc_repo *repo, const char *task);
void tmc_repo_end_prune(struct tmc_repo *repo);

#endif
