// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Mounts of other namespaces are not seen here. Their file systems are not clean while they
 * take writes, so that there is no proof, and nothing is saved.
 */
#include "agent/resume_volume.h"
#include "agent/device_node.h"
#include "agent/saved_state.h"
#include "agent/volume_identity.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SECTOR_BYTES 512

struct volume_extent resume_extent_of(const struct attachment *attachment)
{
	return (struct volume_extent){
		.device = attachment->live,
		.start_sector = attachment->start_sector,
		.nr_sectors = attachment->nr_sectors,
	};
}

void resume_volume_close(struct resume_volume *volume)
{
	if (volume->source.fd >= 0)
		close(volume->source.fd);
	volume->source.fd = -1;
}

static int open_device(struct resume_volume *volume)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	int r = block_tree_open_system(&tree);

	if (r == 0)
		r = volume->source.fd = device_node_open(&tree, volume->extent.device, O_DIRECT);
	return r < 0 ? r : 0;
}

int resume_volume_open(const struct volume_extent *extent, const char *directory,
		       struct resume_volume *ret_volume)
{
	int r;

	*ret_volume = (struct resume_volume){
		.directory = directory,
		.extent = *extent,
		.source = {
			.fd = -1,
			.start_bytes = extent->start_sector * SECTOR_BYTES,
			.volume_bytes = extent->nr_sectors * SECTOR_BYTES,
		},
	};
	r = volume_identity_read(extent, ret_volume->volume_id);
	return r == 0 ? open_device(ret_volume) : r;
}

int resume_volume_check_quiet(const struct resume_volume *volume, const char *name)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	struct block_range range;
	int r = block_tree_open_system(&tree);

	if (r == 0 && block_tree_range(&tree, volume->extent.device, &range) < 0)
		r = failure_set(-ENXIO, "%s: its device is gone", name);
	if (r < 0)
		return r;
	range.start_sector += volume->extent.start_sector;
	range.nr_sectors = volume->extent.nr_sectors;
	for (size_t i = 0; i < tree.mounts.nr; i++) {
		const struct mount *mount = &tree.mounts.mounts[i];

		if (mount->read_only || block_tree_mount_height(&tree, mount, &range) < 0)
			continue;
		return failure_set(-ETXTBSY, "%s: %s is mounted from it and takes writes; unmount it "
				   "first, or detach without --save", name, mount->mount_point);
	}
	return 0;
}

/* Who mounts a device claims it; an attachment does not. */
bool resume_volume_is_in_use(const struct resume_volume *volume)
{
	char path[64];
	CLEANUP_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", volume->source.fd);
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	return fd < 0;
}

int resume_volume_forget(const struct volume_extent *extent)
{
	CLEANUP(resume_volume_close) struct resume_volume volume = {.source.fd = -1};

	if (!saved_state_any(SAVED_STATE_DIRECTORY) ||
	    resume_volume_open(extent, SAVED_STATE_DIRECTORY, &volume) < 0)
		return 0;
	return saved_state_remove(volume.directory, volume.volume_id);
}
