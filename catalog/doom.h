/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What will be removed, and from which nobody takes anything any more: invariants
 * 3 and 5 of docs/repository.md.
 */
#ifndef CATALOG_DOOM_H
#define CATALOG_DOOM_H

#include "catalog/store.h"

struct tmc_keys;

struct tmc_id_list { /* ascending */
	struct tmc_id *ids;
	size_t nr;
};

bool tmc_id_list_has(const struct tmc_id_list *list, const struct tmc_id *id);

/** Add at the end; when all are there, sort, which leaves each but once. */
int tmc_id_list_add(struct tmc_id_list *list, const struct tmc_id *id);
void tmc_id_list_sort(struct tmc_id_list *list);
void tmc_id_list_clear(struct tmc_id_list *list);

struct tmc_doom {
	struct tmc_id id;
	uint64_t generation;
	struct tmc_id_list points, indexes, packs, segments;
};

/** Seal it; sets its id. The lists must be sorted. */
int tmc_doom_store(struct tmc_store *store, struct tmc_keys *keys, struct tmc_doom *doom);
/** Read and prove one. Errors: -ENOENT, -EBADMSG. */
int tmc_doom_load(struct tmc_store *store, struct tmc_keys *keys, const struct tmc_id *id,
		  struct tmc_doom *doom);
void tmc_doom_clear(struct tmc_doom *doom);

/** All dooms of a repository at one time. */
struct tmc_dooms {
	struct tmc_doom *dooms;
	size_t nr;
};

/**
 * List and read them. One that is swept meanwhile is left out. Errors: -EBADMSG
 * (one is damaged; ret_dooms has the others).
 */
int tmc_dooms_load(struct tmc_store *store, struct tmc_keys *keys, struct tmc_dooms *ret_dooms);
void tmc_dooms_clear(struct tmc_dooms *dooms);

/** kind: a point, an index, a pack or a segment of the journal. */
bool tmc_dooms_list(const struct tmc_dooms *dooms, enum tmc_store_kind kind,
		    const struct tmc_id *id);

#endif
