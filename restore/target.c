// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Two descriptors of the same thing: direct for what is aligned, which is all
 * but the last few bytes, and buffered for the rest. A new file has no name
 * until it is complete and synced, so that a restore that was killed leaves no
 * image that looks whole.
 */
#include "restore/target.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define ALIGN_BYTES      4096u
#define ZERO_STEP_BYTES  (1u << 30)
#define ZERO_WRITE_BYTES (1u << 20)

static int target_failure(const struct target *target, const char *what, int error)
{
	return failure_set(error, "%s: %s: %s", target->path, what, strerror(-error));
}

static int open_device(struct target *target)
{
	int block_bytes = 0;
	int read_only = 0;

	target->fd = open(target->path, O_RDWR | O_EXCL | O_CLOEXEC);
	if (target->fd < 0 && errno == EBUSY)
		return failure_set(-ETXTBSY, "%s: is in use; unmount it, or stop what has it open",
				   target->path);
	if (target->fd < 0)
		return target_failure(target, "cannot be opened for writing", -errno);
	if (ioctl(target->fd, BLKROGET, &read_only) == 0 && read_only)
		return target_failure(target, "is read-only", -EROFS);
	if (ioctl(target->fd, BLKSSZGET, &block_bytes) == 0 && block_bytes > (int)ALIGN_BYTES)
		target->align = (uint32_t)block_bytes;
	return 0;
}

static int open_nameless(const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	return open(dirname(copy), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int open_file(struct target *target)
{
	if (target->kind == TARGET_NEW_FILE) {
		target->fd = open_nameless(target->path);
		if (target->fd < 0) {
			target->fd =
				open(target->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
			target->named = target->fd >= 0;
		}
	} else {
		target->fd = open(target->path, O_RDWR | O_CLOEXEC);
	}
	if (target->fd < 0)
		return target_failure(target, "cannot be written", -errno);
	if (ftruncate(target->fd, 0) < 0 || ftruncate(target->fd, (off_t)target->bytes) < 0)
		return target_failure(target, "cannot be set to its size", -errno);
	return 0;
}

int target_open(enum target_kind kind, const char *path, uint64_t bytes, struct target *ret_target)
{
	char again[32];
	int r;

	*ret_target = (struct target){
		.kind = kind,
		.path = path,
		.bytes = bytes,
		.align = ALIGN_BYTES,
		.fd = -1,
		.direct_fd = -1,
	};
	r = kind == TARGET_DEVICE ? open_device(ret_target) : open_file(ret_target);
	if (r < 0) {
		target_close(ret_target);
		return r;
	}
	/* By way of the first descriptor: the path may mean something else by now. */
	snprintf(again, sizeof(again), "/proc/self/fd/%d", ret_target->fd);
	ret_target->direct_fd = open(again, O_WRONLY | O_DIRECT | O_CLOEXEC);
	return 0;
}

int target_write(struct target *target, uint64_t offset, const void *data, size_t bytes)
{
	size_t direct = 0;
	int r = 0;

	if (target->direct_fd >= 0 && offset % target->align == 0)
		direct = bytes - bytes % target->align;
	if (direct)
		r = io_write_full(target->direct_fd, data, direct, offset);
	if (r == 0 && direct < bytes)
		r = io_write_full(target->fd, (const uint8_t *)data + direct, bytes - direct,
				  offset + direct);
	return r < 0 ? target_failure(target, "write failed", r) : 0;
}

static int write_zeros(struct target *target, uint64_t offset, uint64_t bytes)
{
	static const uint8_t zeros[ZERO_WRITE_BYTES] __attribute__((aligned(ALIGN_BYTES)));

	while (bytes) {
		size_t step = bytes < sizeof(zeros) ? (size_t)bytes : sizeof(zeros);
		int r = target_write(target, offset, zeros, step);

		if (r < 0)
			return r;
		offset += step;
		bytes -= step;
	}
	return 0;
}

int target_zero(struct target *target, uint64_t offset, uint64_t bytes)
{
	uint64_t aligned = bytes - bytes % target->align;

	if (target->kind != TARGET_DEVICE)
		return 0; /* a file begins as one hole */
	if (offset % target->align)
		return write_zeros(target, offset, bytes);
	while (aligned) {
		uint64_t step = aligned < ZERO_STEP_BYTES ? aligned : ZERO_STEP_BYTES;
		uint64_t range[2] = {offset, step};

		if (ioctl(target->fd, BLKZEROOUT, range) < 0)
			break;
		offset += step;
		bytes -= step;
		aligned -= step;
	}
	return write_zeros(target, offset, bytes);
}

static int sync_parent(const struct target *target)
{
	CLEANUP_FREE char *copy = strdup(target->path);
	CLEANUP_CLOSE int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd < 0 || fsync(fd) < 0)
		return target_failure(target, "its directory cannot be synced", -errno);
	return 0;
}

static int name_file(struct target *target)
{
	char source[32];

	if (!target->named) {
		snprintf(source, sizeof(source), "/proc/self/fd/%d", target->fd);
		if (linkat(AT_FDCWD, source, AT_FDCWD, target->path, AT_SYMLINK_FOLLOW) < 0)
			return target_failure(target, "cannot get its name", -errno);
	}
	target->named = false; /* it stays */
	return sync_parent(target);
}

int target_finish(struct target *target)
{
	if (fsync(target->fd) < 0)
		return target_failure(target, "sync failed", -errno);
	if (target->kind == TARGET_NEW_FILE)
		return name_file(target);
	/* New content may mean new partitions; fails on everything but whole disks. */
	if (target->kind == TARGET_DEVICE && ioctl(target->fd, BLKRRPART) < 0)
		errno = 0;
	return 0;
}

void target_close(struct target *target)
{
	if (target->direct_fd >= 0)
		close(target->direct_fd);
	if (target->fd >= 0)
		close(target->fd);
	if (target->named)
		unlink(target->path);
	target->fd = target->direct_fd = -1;
	target->named = false;
}
