// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/resume_device.h"
#include "agent/device.h"
#include "agent/resume_volume.h"
#include "agent/saved_state.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------------------- saving */

/* What stays attached goes on tracking, and is saved when it is detached indeed. */
static int save(const struct attachment *attachment, const struct resume_volume *volume,
		struct resume_report *ret_report)
{
	int r = resume_volume_check_quiet(volume, attachment->name);

	if (r == 0)
		r = resume_save(attachment, volume, ret_report);
	if (r == 0)
		r = device_detach(attachment);
	if (r < 0 && ret_report->done)
		saved_state_remove(volume->directory, volume->volume_id);
	return r;
}

int resume_device_save(const struct attachment *attachment, const char *directory,
		       struct resume_report *ret_report)
{
	CLEANUP(resume_volume_close) struct resume_volume volume = {.source.fd = -1};
	struct volume_extent extent = resume_extent_of(attachment);
	int r = resume_volume_open(&extent, directory, &volume);

	*ret_report = (struct resume_report){0};
	return r == 0 ? save(attachment, &volume, ret_report) : r;
}

/* -------------------------------------------------------------------------- resuming */

void resume_device_take_up(const struct attachment *attachment, const char *directory,
			   struct resume_report *ret_report)
{
	CLEANUP(resume_volume_close) struct resume_volume volume = {.source.fd = -1};
	struct volume_extent extent = resume_extent_of(attachment);

	*ret_report = (struct resume_report){0};
	if (resume_volume_open(&extent, directory, &volume) < 0)
		snprintf(ret_report->reason, sizeof(ret_report->reason), "%s", failure_text());
	else
		resume_take_up(attachment, &volume, ret_report);
}

static int find_device(const char *path, struct volume_extent *ret_extent)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	struct block_range range;
	struct stat st;
	int r;

	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return failure_set(-ENOENT, "%s: no such block device", path);
	r = block_tree_open_system(&tree);
	if (r == 0 && block_tree_range(&tree, st.st_rdev, &range) < 0)
		r = failure_set(-ENOENT, "%s: its device is gone", path);
	if (r == 0)
		*ret_extent = (struct volume_extent){st.st_rdev, 0, range.nr_sectors};
	return r;
}

static int read_chunk_bytes(const char *path, const char *directory, uint64_t *ret_bytes)
{
	CLEANUP(resume_volume_close) struct resume_volume volume = {.source.fd = -1};
	CLEANUP(saved_state_clear) struct saved_state state = {0};
	struct volume_extent extent;
	int r = find_device(path, &extent);

	if (r == 0)
		r = resume_volume_open(&extent, directory, &volume);
	if (r == 0)
		r = saved_state_read(directory, volume.volume_id, &state);
	*ret_bytes = state.chunk_bytes;
	return r;
}

int resume_device_attach(const char *path, const char *name, const char *directory,
			 struct resume_report *ret_report)
{
	struct device_attach request = {.path = path, .name = name, .resumes = true};
	struct attachment attachment;
	int r = read_chunk_bytes(path, directory, &request.chunk_bytes);

	if (r == 0)
		r = device_attach(&request, &attachment);
	if (r == 0)
		resume_device_take_up(&attachment, directory, ret_report);
	return r;
}
