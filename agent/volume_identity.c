// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/volume_identity.h"
#include "agent/device_node.h"
#include "common/cleanup.h"

#include <string.h>

static int describe(const struct block_tree *tree, const struct volume_extent *extent,
		    char ret_id[TMC_TEXT_BYTES])
{
	CLEANUP_CLOSE int fd = device_node_open(tree, extent->device, 0);
	struct tmc_volume volume;
	int r = fd < 0 ? fd : volume_describe(tree, extent, fd, "", &volume);

	if (r == 0)
		memcpy(ret_id, volume.volume_id, TMC_TEXT_BYTES);
	return r;
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
		return device_node_gone(extent->device);
	if (!found.nr_sectors)
		found.nr_sectors = range.nr_sectors - found.start_sector;
	return describe(&tree, &found, ret_id);
}
