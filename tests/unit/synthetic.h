/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Indexes and repositories of any number of chunks without so many chunks. Ids are
 * pseudo-random, hence as uniform as hashes. Any failure ends the program.
 */
#ifndef TESTS_UNIT_SYNTHETIC_H
#define TESTS_UNIT_SYNTHETIC_H

#include "catalog/repo.h"

#define SYNTHETIC_CHUNK_BYTES 4096u
#define SYNTHETIC_REAL        1024u /* chunks from the first on that can be read */

/** The id of chunk nth where it is not a real one; for any nth. */
struct tmc_id synthetic_id(uint64_t nth);

/**
 * A repository with one point of nr_chunks, more than SYNTHETIC_REAL. The tree, the
 * two index objects and the packs of nodes and of real chunks are whole. The other
 * packs are sparse files without any content.
 */
void synthetic_repo(const char *path, uint64_t nr_chunks);

/** Write one index object of chunks 0 to nr - 1, none of them real, without packs. */
void synthetic_index(struct tmc_repo *repo, uint64_t nr);

#endif
