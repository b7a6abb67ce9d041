/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What tmc_point_extract does, for those who have the tree of a point at hand.
 */
#ifndef CATALOG_EXTRACT_H
#define CATALOG_EXTRACT_H

#include "catalog/tree.h"
#include "tidemark.h"

/** The chunks of a part, of which no other is read. Progress is of a total of the whole volume. */
int tmc_extract(struct tmc_repo *repo, const struct tmc_tree *tree, const struct tmc_part *part,
		unsigned int nr_workers, const struct tmc_sink *sink);

/** A point's tree. Errors: -ENOENT (no such point, or a scan). */
int tmc_extract_load(struct tmc_repo *repo, const struct tmc_point *point,
		     struct tmc_tree *ret_tree);

/** The chunk behind the part's last one. */
uint64_t tmc_extract_end(const struct tmc_tree *tree, const struct tmc_part *part);

#endif
