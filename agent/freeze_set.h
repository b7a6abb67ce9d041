/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What has to stand still for a cut: every block device that one of the ranges of
 * disks is part of or carries. Whether one holds a mounted file system is decided by
 * the kernel, which also knows the mounts of other namespaces; a device without
 * one is synced there.
 */
#ifndef AGENT_FREEZE_SET_H
#define AGENT_FREEZE_SET_H

#include "common/block_tree.h"

struct freeze_set {
	dev_t *devices; /* the uppermost of a stack first */
	size_t nr;
};

/** Errors: -ENOMEM and those of reading /sys, with a sentence. */
int freeze_set_find(const struct block_tree *tree, const struct block_range *ranges,
		    size_t nr_ranges, struct freeze_set *ret_set);
void freeze_set_clear(struct freeze_set *set);

/** How many file systems of this namespace are on a range. */
size_t freeze_set_count_mounts(const struct block_tree *tree, const struct block_range *range);

/**
 * Write the dirty pages of these file systems, so that the freeze, during which
 * everyone waits, has little left to write. Failures are left to the freeze.
 */
void freeze_set_sync(const struct block_tree *tree, const struct block_range *range);

#endif
