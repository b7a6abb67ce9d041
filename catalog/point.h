/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Point objects.
 */
#ifndef CATALOG_POINT_H
#define CATALOG_POINT_H

#include "catalog/tree.h"

struct tmc_repo;

/** Store point as an object, with the tree's root; sets point->id and ->generation. */
int tmc_point_store(struct tmc_repo *repo, const struct tmc_tree *tree, struct tmc_point *point);

/** -ENOENT and its sentence. */
int tmc_point_is_doomed(const struct tmc_id *id);
int tmc_point_is_missing(const struct tmc_id *id);

/** Read and verify, doomed or not. ret_tree may be NULL. Errors: -ENOENT. */
int tmc_point_load(struct tmc_repo *repo, const struct tmc_id *id, struct tmc_point *ret_point,
		   struct tmc_tree *ret_tree);

/** The same for one that repair has put aside. */
int tmc_point_load_aside(struct tmc_repo *repo, const struct tmc_id *id,
			 struct tmc_point *ret_point, struct tmc_tree *ret_tree);

#endif
