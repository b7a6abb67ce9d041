// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Whether GRUB will write it nobody can say: its chunks cost one read of the next backup.
 * GRUB itself takes only what it can write in place, plain blocks of a plain file; what is
 * anything else is refused here, because its blocks would have to be guessed.
 */
#include "agent/grub_environment.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define EXTENTS_MAX 32u /* the file has 1024 bytes */
#define PLAIN_FLAGS (FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED | FIEMAP_EXTENT_SHARED)

static int not_found(const char *path, int error)
{
	return failure_set(error, "%s: cannot tell where it lies, and GRUB may write there: %s",
			   path, strerror(-error));
}

/* Byte offsets from the volume's beginning; to: behind the last one. */
static int mark_bytes(struct channel *channel, uint64_t from, uint64_t to)
{
	const struct channel_info *info = channel_info(channel);
	uint64_t end = (to - 1) / info->chunk_bytes + 1;
	int r = 0;

	for (uint64_t chunk = from / info->chunk_bytes; r == 0 && chunk < end; chunk++) {
		uint64_t first = chunk / 64 * 64;
		uint64_t left = info->nr_chunks - first;
		uint64_t word = 1ull << chunk % 64;

		r = channel_add_dirty(channel, first, left < 64 ? left : 64, &word);
	}
	return r;
}

static int mark_extent(struct channel *channel, const struct resume_volume *volume,
		       const struct fiemap_extent *extent)
{
	uint64_t start = volume->source.start_bytes;
	uint64_t end = start + volume->source.volume_bytes;
	uint64_t from = extent->fe_physical, to = from + extent->fe_length;

	from = from > start ? from : start;
	to = to < end ? to : end;
	return from < to ? mark_bytes(channel, from - start, to - start) : 0;
}

static int read_map(int fd, struct fiemap *map)
{
	map->fm_length = FIEMAP_MAX_OFFSET;
	map->fm_flags = FIEMAP_FLAG_SYNC;
	map->fm_extent_count = EXTENTS_MAX;
	if (ioctl(fd, FS_IOC_FIEMAP, map) < 0)
		return -errno;
	for (uint32_t i = 0; i < map->fm_mapped_extents; i++)
		if (map->fm_extents[i].fe_flags & ~PLAIN_FLAGS)
			return -EOPNOTSUPP;
	if (map->fm_mapped_extents &&
	    !(map->fm_extents[map->fm_mapped_extents - 1].fe_flags & FIEMAP_EXTENT_LAST))
		return -E2BIG;
	return 0;
}

static int mark_open_file(struct channel *channel, const struct resume_volume *volume,
			  const char *path, int fd)
{
	CLEANUP_FREE struct fiemap *map =
		calloc(1, sizeof(*map) + EXTENTS_MAX * sizeof(map->fm_extents[0]));
	int r = map ? read_map(fd, map) : -ENOMEM;

	if (r < 0)
		return not_found(path, r);
	for (uint32_t i = 0; r == 0 && i < map->fm_mapped_extents; i++)
		r = mark_extent(channel, volume, &map->fm_extents[i]);
	return r;
}

int grub_environment_mark_file(struct channel *channel, const struct resume_volume *volume,
			       const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : not_found(path, -errno);
	if (fstat(fd, &st) < 0)
		return not_found(path, -errno);
	return st.st_dev == volume->extent.device ? mark_open_file(channel, volume, path, fd) : 0;
}

int grub_environment_mark_dirty(struct channel *channel, const struct resume_volume *volume)
{
	int r = grub_environment_mark_file(channel, volume, "/boot/grub/grubenv");

	return r == 0 ? grub_environment_mark_file(channel, volume, "/boot/grub2/grubenv") : r;
}
