// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/volume_identity.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int open_node(const char *node, dev_t device)
{
	CLEANUP_CLOSE int fd = open(node, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int result;

	if (fd < 0)
		return failure_set(errno == ENODEV ? -ENXIO : -errno, "%s: %s", node,
				   strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != device)
		return failure_set(-ENXIO, "%s: is another device by now", node);
	result = fd;
	fd = -1;
	return result;
}

static int gone(dev_t device)
{
	return failure_set(-ENXIO, "device %u:%u: is gone", major(device), minor(device));
}

static int describe(const struct block_tree *tree, const struct volume_extent *extent,
		    char ret_id[TMC_TEXT_BYTES])
{
	CLEANUP_CLOSE int fd = -1;
	struct tmc_volume volume;
	char name[BLOCK_NAME_BYTES];
	char node[BLOCK_NAME_BYTES + 8];
	int r = block_tree_name(tree, extent->device, name);

	if (r < 0)
		return gone(extent->device);
	snprintf(node, sizeof(node), "/dev/%s", name);
	r = fd = open_node(node, extent->device);
	if (r >= 0)
		r = volume_describe(tree, extent, fd, node, &volume);
	if (r < 0)
		return r;
	memcpy(ret_id, volume.volume_id, TMC_TEXT_BYTES);
	return 0;
}

int volume_identity_read(const struct volume_extent *extent, char ret_id[TMC_TEXT_BYTES])
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	struct volume_extent found = *extent;
	struct block_range range;
	int r = block_tree_open_system(&tree);

	if (r < 0)
		return r;
	if (block_tree_range(&tree, extent->device, &range) < 0)
		return gone(extent->device);
	if (!found.nr_sectors)
		found.nr_sectors = range.nr_sectors - found.start_sector;
	return describe(&tree, &found, ret_id);
}
