/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A repository on the volume that it protects is lost together with it, changes
 * with every backup, and can stop a backup for good: its writes would wait for
 * the agent that makes them.
 */
#ifndef AGENT_REPOSITORY_GUARD_H
#define AGENT_REPOSITORY_GUARD_H

#include "common/block_tree.h"

/** name: the volume's, for the sentence. Errors: -ETXTBSY (it lies there). */
int repository_guard_check(const struct block_tree *tree, const char *repository,
			   const struct block_range *range, const char *name);

#endif
