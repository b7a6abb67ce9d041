// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Upper devices come first: freezing a file system in a loop file writes to the
 * file system that holds the file, which must not be frozen yet.
 */
#include "agent/freeze_set.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct candidate {
	dev_t device;
	int height;
};

static int higher_first(const void *a, const void *b)
{
	const struct candidate *left = a;
	const struct candidate *right = b;

	if (left->height != right->height)
		return left->height < right->height ? 1 : -1;
	return (left->device > right->device) - (left->device < right->device);
}

size_t freeze_set_count_mounts(const struct block_tree *tree, const struct block_range *range)
{
	size_t nr = 0;

	for (size_t i = 0; i < tree->mounts.nr; i++)
		nr += block_tree_mount_height(tree, &tree->mounts.mounts[i], range) >= 0;
	return nr;
}

/* Above several ranges the longest way counts: what lies there still goes first. */
static int height_above(const struct block_tree *tree, dev_t device,
			const struct block_range *ranges, size_t nr_ranges)
{
	int highest = -1;

	for (size_t i = 0; i < nr_ranges; i++) {
		int height = block_tree_height(tree, device, &ranges[i]);

		if (height > highest)
			highest = height;
	}
	return highest;
}

int freeze_set_find(const struct block_tree *tree, const struct block_range *ranges,
		    size_t nr_ranges, struct freeze_set *ret_set)
{
	CLEANUP_FREE struct candidate *candidates = NULL;
	CLEANUP_FREE dev_t *devices = NULL;
	size_t nr_all = 0;
	size_t nr = 0;
	int r = block_tree_list(tree, &devices, &nr_all);

	if (r < 0)
		return failure_set(r, "%s/dev/block: %s", tree->sysfs, strerror(-r));
	candidates = calloc(nr_all + 1, sizeof(*candidates));
	if (!candidates)
		return failure_set(-ENOMEM, "freezing: out of memory");
	for (size_t i = 0; i < nr_all; i++) {
		int height = height_above(tree, devices[i], ranges, nr_ranges);

		if (height >= 0)
			candidates[nr++] = (struct candidate){devices[i], height};
	}
	if (nr)
		qsort(candidates, nr, sizeof(*candidates), higher_first);
	for (size_t i = 0; i < nr; i++)
		devices[i] = candidates[i].device;
	*ret_set = (struct freeze_set){
		.devices = devices,
		.nr = nr,
	};
	devices = NULL;
	return 0;
}

void freeze_set_clear(struct freeze_set *set)
{
	free(set->devices);
	*set = (struct freeze_set){0};
}

void freeze_set_sync(const struct block_tree *tree, const struct block_range *range)
{
	for (size_t i = 0; i < tree->mounts.nr; i++) {
		const struct mount *mount = &tree->mounts.mounts[i];

		if (block_tree_mount_height(tree, mount, range) < 0)
			continue;
		CLEANUP_CLOSE int fd = open(mount->mount_point, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			syncfs(fd);
	}
}
