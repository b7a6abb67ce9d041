// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/device_node.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int device_node_gone(dev_t device)
{
	return failure_set(-ENXIO, "device %u:%u: is gone", major(device), minor(device));
}

static int open_node(const char *node, dev_t device, int flags)
{
	CLEANUP_CLOSE int fd = open(node, O_RDONLY | O_CLOEXEC | flags);
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

int device_node_open(const struct block_tree *tree, dev_t device, int flags)
{
	char name[BLOCK_NAME_BYTES];
	char node[BLOCK_NAME_BYTES + 8];

	if (block_tree_name(tree, device, name) < 0)
		return device_node_gone(device);
	snprintf(node, sizeof(node), "/dev/%s", name);
	return open_node(node, device, flags);
}
