// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Looks through partitions, dm, md, loop files and btrfs; the limits are those
 * of common/block_tree.h.
 */
#include "agent/repository_guard.h"
#include "common/failure.h"

#include <errno.h>
#include <string.h>

int repository_guard_check(const struct block_tree *tree, const char *repository,
			   const struct block_range *range, const char *name)
{
	int height;
	int r = block_tree_path_height(tree, repository, range, &height);

	if (r < 0)
		return failure_set(r, "%s: %s", repository, strerror(-r));
	if (height < 0)
		return 0;
	return failure_set(-ETXTBSY,
			   "%s: this repository lies on %s itself; put it on another disk",
			   repository, name);
}
