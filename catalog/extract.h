/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What tmc_point_extract does, for those who need a part of a point.
 */
#ifndef CATALOG_EXTRACT_H
#define CATALOG_EXTRACT_H

#include "catalog/tree.h"
#include "tidemark.h"

/**
 * All but the chunks whose bit is set in left_out (chunk n: bit n % 64 of word n / 64), which
 * are neither read nor delivered; NULL: all. Progress is of a total of the whole volume.
 */
int tmc_extract(struct tmc_repo *repo, const struct tmc_tree *tree, const uint64_t *left_out,
		unsigned int nr_workers, const struct tmc_sink *sink);

#endif
