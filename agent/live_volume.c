// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/live_volume.h"
#include "agent/device.h"
#include "agent/repository_guard.h"
#include "agent/volume_identity.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/size_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int locate(struct live_volume *v, const struct block_tree *tree)
{
	char name[BLOCK_NAME_BYTES];
	int r = block_tree_range(tree, v->attachment.live, &v->range);

	if (r == 0)
		r = block_tree_name(tree, v->attachment.live, name);
	if (r < 0)
		return failure_set(-ENXIO, "%s: its device is gone; detach it", v->attachment.name);
	snprintf(v->node, sizeof(v->node), "/dev/%s", name);
	v->range.start_sector += v->attachment.start_sector;
	v->range.nr_sectors = v->attachment.nr_sectors;
	return 0;
}

/*
 * Buffered reads would go through the node's page cache, which a mounted file
 * system keeps metadata in that it has not written yet.
 */
static int open_live(struct live_volume *v)
{
	struct stat st;

	v->fd = open(v->node, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (v->fd < 0)
		return failure_set(-errno, "%s: cannot be opened for direct reads: %s",
				   v->node, strerror(errno));
	if (fstat(v->fd, &st) < 0 || !S_ISBLK(st.st_mode) ||
	    st.st_rdev != v->attachment.live)
		return failure_set(-ENODEV, "%s: is not the device that %s is attached to",
				   v->node, v->attachment.name);
	return 0;
}

/* A name that nobody chose says less than the node does. */
static const char *name_for_people(const struct live_volume *v)
{
	return strncmp(v->attachment.name, "tidemark-", 9) == 0 ? v->node :
								       v->attachment.name;
}

static int describe(struct live_volume *v, const struct block_tree *tree)
{
	struct volume_extent extent = {
		.device = v->attachment.live,
		.start_sector = v->attachment.start_sector,
		.nr_sectors = v->attachment.nr_sectors,
	};
	/* libblkid's reads are small and unaligned. */
	CLEANUP_CLOSE int fd = open(v->node, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return failure_set(-errno, "%s: %s", v->node, strerror(errno));
	r = volume_describe(tree, &extent, fd, name_for_people(v), &v->volume);
	/* What ended with its device is the whole of it, and no range, also where that goes on now. */
	if (r == 0 && strcmp(v->attachment.device_state, "grown") == 0 && !extent.start_sector) {
		extent.nr_sectors = 0;
		r = volume_identity_read(&extent, v->volume.volume_id);
	}
	return r;
}

static int check_chunk_size(const struct live_volume *v, const char *repository,
			    struct tmc_repo *repo)
{
	char attached[SIZE_TEXT_BYTES];
	char wanted[SIZE_TEXT_BYTES];
	struct tmc_repo_info info;

	tmc_repo_get_info(repo, &info);
	if (v->info->chunk_bytes == info.chunk_bytes)
		return 0;
	size_text_exact(v->info->chunk_bytes, attached);
	size_text_exact(info.chunk_bytes, wanted);
	return failure_set(-EINVAL,
			   "%s: is attached with chunks of %s, the repository %s has chunks "
			   "of %s; detach it and attach it with --chunk-size %s",
			   v->attachment.name, attached, repository, wanted,
			   wanted);
}

static int find(struct live_volume *v, const char *name, const char *repository,
		const struct block_tree *tree)
{
	int r = device_find(name, &v->attachment);

	if (r == 0)
		r = locate(v, tree);
	return r == 0 ? repository_guard_check(tree, repository, &v->range, v->node) : r;
}

static int open_behind_channel(struct live_volume *v, const char *repository,
			       struct tmc_repo *repo, const struct block_tree *tree)
{
	int r;

	v->info = channel_info(v->channel);
	r = channel_check_device(v->channel);
	if (r == 0)
		r = check_chunk_size(v, repository, repo);
	if (r == 0)
		r = open_live(v);
	return r == 0 ? describe(v, tree) : r;
}

int live_volume_open(struct live_volume *v, const char *name, const char *repository,
		     struct tmc_repo *repo, const struct block_tree *tree)
{
	int r = find(v, name, repository, tree);

	if (r == 0)
		r = channel_open(&v->attachment, &v->channel);
	return r == 0 ? open_behind_channel(v, repository, repo, tree) : r;
}

int live_volume_take_over(struct live_volume *v, int channel_fd, const char *name,
			  const char *repository, struct tmc_repo *repo,
			  const struct block_tree *tree)
{
	int r = find(v, name, repository, tree);

	if (r < 0) {
		close(channel_fd);
		return r;
	}
	r = channel_take_over(&v->attachment, channel_fd, &v->channel);
	return r == 0 ? open_behind_channel(v, repository, repo, tree) : r;
}

void live_volume_close(struct live_volume *v)
{
	channel_close(v->channel);
	v->channel = NULL;
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}
