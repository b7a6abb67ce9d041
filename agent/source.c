// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Devices are read past the page cache: a whole device would only push others out of
 * it. Files are read through it: somebody else may have them in it, newer than on disk.
 */
#include "agent/source.h"
#include "agent/device.h"
#include "agent/repository_guard.h"
#include "agent/volume.h"
#include "common/block_tree.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#define SECTOR_BYTES 512

static int source_failure(const struct source *source, int error)
{
	return failure_set(error, "%s: %s", source->path, strerror(-error));
}

/* Whatever file of that name lies in the working directory. */
static bool is_attachment(const char *path)
{
	struct attachment attachment;

	return !strchr(path, '/') && device_find(path, &attachment) == 0;
}

int source_is_meant(const char *path, bool *ret_meant)
{
	struct attachment attachment;
	struct stat st;
	int r;

	*ret_meant = strcmp(path, "-") == 0;
	if (*ret_meant || is_attachment(path) || stat(path, &st) < 0)
		return 0;
	*ret_meant = S_ISREG(st.st_mode);
	if (!S_ISBLK(st.st_mode))
		return 0;
	r = device_find(path, &attachment);
	*ret_meant = r == -ENOENT;
	return r == -ENOENT ? 0 : r;
}

/* ---------------------------------------------------------------------- checks */

static int check_mounts(const struct source_request *request, const struct block_tree *tree,
			const struct block_range *range)
{
	for (size_t i = 0; i < tree->mounts.nr && !request->force; i++) {
		const struct mount *mount = &tree->mounts.mounts[i];

		if (!mount->read_only && block_tree_mount_height(tree, mount, range) >= 0)
			return failure_set(-ETXTBSY,
					   "%s: is mounted at %s and would change while it is read; "
					   "run \"tidemark attach %s\" first, unmount it, or use "
					   "--force for an image that need not be consistent",
					   request->path, mount->mount_point, request->path);
	}
	return 0;
}

/* A repository that grows by its own backup. */
static int check_outside_repository(const struct source_request *request)
{
	CLEANUP_FREE char *repository = realpath(request->repository, NULL);
	CLEANUP_FREE char *place = realpath(request->path, NULL);
	size_t len;

	if (!repository || !place)
		return failure_set(-errno, "%s: %s", place ? request->repository : request->path,
				   strerror(errno));
	len = strlen(repository);
	if (strncmp(place, repository, len) == 0 && place[len] == '/')
		return failure_set(-ETXTBSY, "%s: is part of the repository itself", request->path);
	return 0;
}

/* ------------------------------------------------------------------ description */

static int name_identity(const char *kind, const char *name, const char *option,
			 struct tmc_volume *volume)
{
	struct utsname host;

	snprintf(volume->host, sizeof(volume->host), "%s", uname(&host) == 0 ? host.nodename : "");
	if ((size_t)snprintf(volume->volume_id, sizeof(volume->volume_id), "%s:%s:%s", kind,
			     volume->host, name) < sizeof(volume->volume_id))
		return 0;
	return failure_set(-EINVAL, "%s: is too long to know the volume by; give a shorter %s",
			   name, option);
}

static int describe_file(const struct source *source, struct tmc_volume *volume)
{
	CLEANUP_FREE char *real = realpath(source->path, NULL);

	if (!real)
		return source_failure(source, -errno);
	volume_describe_file(source->fd, source->bytes, volume);
	return name_identity("file", real, "name with --name", volume);
}

static int describe_device(const struct source *source, const struct block_tree *tree,
			   struct tmc_volume *volume)
{
	struct volume_extent extent = {
		.device = source->stat.st_rdev,
		.nr_sectors = source->bytes / SECTOR_BYTES,
	};
	/* libblkid's reads are small and unaligned. */
	CLEANUP_CLOSE int fd = open(source->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return source_failure(source, -errno);
	return volume_describe(tree, &extent, fd, source->path, volume);
}

static int describe(const struct source_request *request, const struct source *source,
		    const struct block_tree *tree, struct tmc_volume *volume)
{
	int r = 0;

	*volume = (struct tmc_volume){0};
	if (source->kind == SOURCE_DEVICE)
		r = describe_device(source, tree, volume);
	else if (source->kind == SOURCE_FILE && !request->name)
		r = describe_file(source, volume);
	else if (source->kind == SOURCE_FILE)
		volume_describe_file(source->fd, source->bytes, volume);
	if (r == 0 && request->name)
		r = name_identity("name", request->name, "one", volume);
	snprintf(volume->name, sizeof(volume->name), "%s",
		 request->name ? request->name : source->path);
	volume->volume_bytes = source->bytes;
	return r;
}

/* --------------------------------------------------------------------- opening */

static int open_stream(const struct source_request *request, struct source *source)
{
	if (!request->name)
		return failure_set(-EINVAL, "standard input: has no name to be known by; give one "
				   "with --name");
	if (isatty(STDIN_FILENO))
		return failure_set(-EINVAL, "standard input: is a terminal; pipe an image into it");
	source->kind = SOURCE_STREAM;
	source->path = "standard input";
	source->bytes = TMC_BYTES_UNKNOWN;
	source->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return source->fd < 0 ? source_failure(source, -errno) : 0;
}

static int open_device(const struct source_request *request, const struct block_tree *tree,
		       struct source *source)
{
	struct block_range range;
	int r = block_tree_range(tree, source->stat.st_rdev, &range);

	if (r < 0)
		return failure_set(-ENOENT, "%s: no such block device", request->path);
	r = check_mounts(request, tree, &range);
	if (r == 0)
		r = repository_guard_check(tree, request->repository, &range, request->path);
	if (r < 0)
		return r;
	source->kind = SOURCE_DEVICE;
	if (fcntl(source->fd, F_SETFL, O_DIRECT) < 0 ||
	    ioctl(source->fd, BLKGETSIZE64, &source->bytes) < 0)
		return source_failure(source, -errno);
	return 0;
}

static int open_path(const struct source_request *request, const struct block_tree *tree,
		     struct source *source)
{
	source->fd = open(request->path, O_RDONLY | O_CLOEXEC);
	if (source->fd < 0 || fstat(source->fd, &source->stat) < 0)
		return source_failure(source, -errno);
	if (S_ISBLK(source->stat.st_mode))
		return open_device(request, tree, source);
	if (!S_ISREG(source->stat.st_mode))
		return failure_set(-EINVAL, "%s: neither a block device nor a file", request->path);
	source->kind = SOURCE_FILE;
	source->bytes = (uint64_t)source->stat.st_size;
	posix_fadvise(source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return check_outside_repository(request);
}

int source_open(const struct source_request *request, const struct block_tree *tree,
		struct source *ret_source, struct tmc_volume *ret_volume)
{
	int r;

	*ret_source = (struct source){.path = request->path, .fd = -1};
	if (strcmp(request->path, "-") == 0)
		r = open_stream(request, ret_source);
	else
		r = open_path(request, tree, ret_source);
	if (r == 0)
		r = describe(request, ret_source, tree, ret_volume);
	if (r < 0)
		source_close(ret_source);
	return r;
}

void source_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
}

/* --------------------------------------------------------------------- reading */

int source_read(const struct source *source, void *buffer, uint64_t bytes, uint64_t offset)
{
	uint64_t done = 0;

	while (done < bytes) {
		ssize_t got = pread(source->fd, (uint8_t *)buffer + done, bytes - done,
				    (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -ENODATA;
		done += (uint64_t)got;
	}
	return 0;
}

static uint64_t seek(const struct source *source, uint64_t offset, int whence)
{
	off_t at = lseek(source->fd, (off_t)offset, whence);

	if (at >= 0 && (uint64_t)at <= source->bytes)
		return (uint64_t)at;
	/* ENXIO: nothing but a hole from here on; others: a file system that cannot tell. */
	return whence == SEEK_DATA && (at >= 0 || errno != ENXIO) ? offset : source->bytes;
}

uint64_t source_next_data(const struct source *source, uint64_t offset)
{
	return source->kind == SOURCE_FILE ? seek(source, offset, SEEK_DATA) : offset;
}

uint64_t source_next_hole(const struct source *source, uint64_t offset)
{
	return source->kind == SOURCE_FILE ? seek(source, offset, SEEK_HOLE) : source->bytes;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

int source_check_still(const struct source *source, bool *ret_written)
{
	uint64_t bytes = source->bytes;
	struct stat st;

	*ret_written = false;
	if (source->kind == SOURCE_STREAM)
		return 0;
	if (fstat(source->fd, &st) < 0 ||
	    (source->kind == SOURCE_DEVICE && ioctl(source->fd, BLKGETSIZE64, &bytes) < 0))
		return source_failure(source, -errno);
	if (source->kind == SOURCE_FILE) {
		bytes = (uint64_t)st.st_size;
		*ret_written = !same_time(st.st_mtim, source->stat.st_mtim);
	}
	if (bytes == source->bytes)
		return 0;
	return failure_set(-ESTALE, "%s: its size changed while it was read, so no restore point was "
			   "made; stop what writes to it and run it again", source->path);
}
