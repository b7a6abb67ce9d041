/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Everything that speaks against writing a restore point to a place, found out
 * before the first byte is touched.
 *
 * Refused for good: a device that is mounted, swapped to, part of another device,
 * attached, or smaller than the point; a target that the repository lies on or
 * that is part of it; a file that is a loop device's or swap.
 * Refused unless forced: a file that is not empty, unless it holds the volume and what is
 * not written of it stays; a device that holds something else than the volume that the
 * point was made from.
 *
 * What is attached may be restored in place (docs/restore.md): by a delta onto the very device
 * that is attached, when nobody is its agent.
 */
#ifndef RESTORE_TARGET_CHECK_H
#define RESTORE_TARGET_CHECK_H

#include "common/block_tree.h"
#include "restore/target.h"

#include <stdbool.h>
#include <tidemark.h>

enum target_force {
	TARGET_CAREFUL,
	TARGET_FORCE,
};

struct target_check {
	const struct block_tree *tree;
	const char *swaps;      /* "/proc/swaps" */
	const char *repository;
	const char *path;
	const struct tmc_point *point;
	enum target_force force;
	enum target_how how; /* that is intended */
	bool delta;
	uint64_t needed_bytes; /* the device has at least so many */
};

/**
 * Errors, with a sentence: -ETXTBSY (refused), -EBUSY (a backup or protection of it is
 * running), -ENOENT (no such device or directory), -EINVAL (neither a block device nor a
 * file), -EPERM, -ENOPKG.
 */
int target_check(const struct target_check *check, enum target_kind *ret_kind);

#endif
