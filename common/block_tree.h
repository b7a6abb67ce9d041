/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which block devices lie on which: disks, their partitions, what is stacked
 * on them (dm, md, bcache, by sysfs's "slaves"), loop devices on the file
 * systems that hold their files, and mounted file systems on their devices.
 *
 * Not seen: what is behind a network file system or ZFS, mounts and loop files
 * of other mount namespaces, overlayfs's upper layers.
 */
#ifndef COMMON_BLOCK_TREE_H
#define COMMON_BLOCK_TREE_H

#include "common/mount_table.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_NAME_BYTES 64

struct block_tree {
	char *sysfs;
	struct mount_table mounts;
};

/** Sectors of 512 bytes, counted on a whole disk. */
struct block_range {
	dev_t disk;
	uint64_t start_sector;
	uint64_t nr_sectors;
};

/** sysfs: "/sys"; mountinfo: "/proc/self/mountinfo". Tests name their own. */
int block_tree_open(const char *sysfs, const char *mountinfo, struct block_tree *ret_tree);
/** The same for this system, with a sentence. */
int block_tree_open_system(struct block_tree *ret_tree);
void block_tree_close(struct block_tree *tree);

/** The directory of a device in sysfs. Errors: -ENODEV. */
int block_tree_dir(const struct block_tree *tree, dev_t device, char *ret_path, size_t size);

/** The kernel's name ("vda1"), which is also the node's below /dev. Errors: -ENODEV. */
int block_tree_name(const struct block_tree *tree, dev_t device, char ret_name[BLOCK_NAME_BYTES]);

/** Where a device lies on its disk; a whole disk is its own. Errors: -ENODEV. */
int block_tree_range(const struct block_tree *tree, dev_t device, struct block_range *ret_range);

bool block_range_overlap(const struct block_range *a, const struct block_range *b);

/**
 * How far a device is stacked above a range: 0 when it overlaps the range on the
 * same disk, 1 when it lies on such a device, and so on by the longest way; -1
 * when nothing of it is there.
 */
int block_tree_height(const struct block_tree *tree, dev_t device, const struct block_range *range);

/** The same for the file system of a mount. */
int block_tree_mount_height(const struct block_tree *tree, const struct mount *mount,
			    const struct block_range *range);

/** The same for the file system that an existing path lies on. Errors: of realpath. */
int block_tree_path_height(const struct block_tree *tree, const char *path,
			   const struct block_range *range, int *ret_height);

/** All block devices, in no order; free() it. */
int block_tree_list(const struct block_tree *tree, dev_t **ret_devices, size_t *ret_nr);

#endif
