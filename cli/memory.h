/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What this host remembers of a repository, so that a store cannot take it back:
 * docs/repository.md, "What a client remembers".
 */
#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include <tidemark.h>

/** Before it is unlocked. path: the repository's. Errors: -EBADMSG (not encrypted any more). */
int memory_check(const struct tmc_repo_info *info, const char *path);

/** After. Errors: -ETXTBSY (an older state of the repository is shown). */
int memory_check_generation(const struct tmc_repo_info *info, const char *path,
			    uint64_t generation);

/** Remember. Cannot fail: a memory that cannot be kept costs its checks, nothing else. */
void memory_keep(const struct tmc_repo_info *info, uint64_t generation);

#endif
