/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * An attached volume that this process is the agent of: its channel is bound, its device
 * open for direct reads, and it is known which volume it is.
 */
#ifndef AGENT_LIVE_VOLUME_H
#define AGENT_LIVE_VOLUME_H

#include "agent/attachment.h"
#include "agent/channel.h"
#include "common/block_tree.h"

#include <tidemark.h>

struct live_volume {
	struct attachment attachment;
	struct channel *channel;
	const struct channel_info *info;
	int fd; /* -1: not open */
	char node[BLOCK_NAME_BYTES + 8];
	struct block_range range; /* of the protected sectors, on their disk */
	struct tmc_volume volume;
};

/**
 * name: as the user named it, see device_find(). fd has to be -1 before. Whatever it
 * returns, close it. Errors: -ENOENT, -ENOTUNIQ, -ETXTBSY (the repository lies on it),
 * -EBUSY (another agent), -EINVAL (chunks of another size), -ENODEV, -ENXIO.
 */
int live_volume_open(struct live_volume *v, const char *name, const char *repository,
		     struct tmc_repo *repo, const struct block_tree *tree);
/**
 * The same with a channel that another process had bound: see channel_take_over(), and its
 * errors. The descriptor is taken in every case.
 */
int live_volume_take_over(struct live_volume *v, int channel_fd, const char *name,
			  const char *repository, struct tmc_repo *repo,
			  const struct block_tree *tree);
void live_volume_close(struct live_volume *v);

#endif
