/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Keeps the number of index objects low, which each lookup of a new blob asks in turn.
 */
#ifndef CATALOG_INDEX_TIDY_H
#define CATALOG_INDEX_TIDY_H

#include "tidemark.h"

#define TMC_INDEX_CROWD 8u     /* so many indexes of a size become one of the next */
#define TMC_NR_INDEX_SIZES 22u /* each size eight times the one before */

/** From 0 up; of 64 bits of entries. */
unsigned int tmc_index_size(uint64_t nr_entries);

/**
 * Merge crowds of indexes, crowd at least of a size, as far as that is quickly done, and
 * doom the old ones; the next prune removes them. Within a session of a writer. Cut short,
 * it has done nothing, or left an index that says once more what others say.
 */
int tmc_index_tidy(struct tmc_repo *repo, unsigned int crowd);

#endif
