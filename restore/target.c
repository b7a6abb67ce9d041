// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Two descriptors of the same thing: direct for what is aligned, which is all
 * but the last few bytes, and buffered for the rest. A new file has no name
 * until it is complete and synced, so that a restore that was killed leaves no
 * image that looks whole; one that is to be gone on with has another name until then.
 *
 * A file is locked as QEMU locks its images, so that none is written under a running
 * machine. Others who have it open are not seen.
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
	int mode = target->how == TARGET_LOOK ? O_RDONLY : O_RDWR;
	int block_bytes = 0;
	int read_only = 0;

	target->fd = open(target->path, mode | O_EXCL | O_CLOEXEC);
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

static int open_new(struct target *target)
{
	target->fd = open_nameless(target->path);
	if (target->fd >= 0)
		return 0;
	target->fd = open(target->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	target->named = target->fd >= 0;
	return 0;
}

/* Of both calls a link is none of ours. */
static int open_partial(struct target *target)
{
	int mode = target->how == TARGET_LOOK ? O_RDONLY : O_RDWR | O_CREAT;
	struct stat st;

	if (asprintf(&target->partial, "%s.partial", target->path) < 0) {
		target->partial = NULL;
		return failure_set(-ENOMEM, "%s: out of memory", target->path);
	}
	target->fd = open(target->partial, mode | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (target->fd >= 0 && (fstat(target->fd, &st) < 0 || !S_ISREG(st.st_mode)))
		return failure_set(-ETXTBSY, "%s: is not what an interrupted restore leaves; "
				   "remove it", target->partial);
	return 0;
}

static int lock_file(const struct target *target)
{
	struct flock lock = {
		.l_type = target->how == TARGET_LOOK ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET,
	};

	if (fcntl(target->fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES))
		return 0;
	return failure_set(-ETXTBSY, "%s: is in use by another program, which has locked it",
			   target->path);
}

static int open_file(struct target *target)
{
	int r = 0;

	if (target->kind == TARGET_FILE)
		target->fd = open(target->path, (target->how == TARGET_LOOK ? O_RDONLY : O_RDWR) |
						O_CLOEXEC);
	else if (target->how == TARGET_RESUME || target->how == TARGET_LOOK)
		r = open_partial(target);
	else
		r = open_new(target);
	if (r < 0)
		return r;
	if (target->fd < 0 && target->how == TARGET_LOOK && errno == ENOENT)
		return 0;
	if (target->fd < 0)
		return target_failure(target, "cannot be written", -errno);
	return lock_file(target);
}

/* By way of the first descriptor: the path may mean something else by now. */
static void open_directly(struct target *target)
{
	int mode = target->how == TARGET_LOOK ? O_RDONLY : O_RDWR;
	char again[32];

	snprintf(again, sizeof(again), "/proc/self/fd/%d", target->fd);
	if (target->fd >= 0)
		target->direct_fd = open(again, mode | O_DIRECT | O_CLOEXEC);
}

int target_open(enum target_kind kind, enum target_how how, const char *path, uint64_t bytes,
		struct target *ret_target)
{
	int r;

	*ret_target = (struct target){
		.kind = kind,
		.how = how,
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
	open_directly(ret_target);
	return 0;
}

int target_begin(struct target *target)
{
	struct stat st;

	if (target->kind == TARGET_DEVICE)
		return 0;
	if (fstat(target->fd, &st) < 0)
		return target_failure(target, "cannot be asked for its size", -errno);
	if (target->only_grows && (uint64_t)st.st_size >= target->bytes)
		return 0;
	if ((target->how == TARGET_REPLACE && ftruncate(target->fd, 0) < 0) ||
	    ftruncate(target->fd, (off_t)target->bytes) < 0)
		return target_failure(target, "cannot be set to its size", -errno);
	return 0;
}

/* ----------------------------------------------------------------------- read */

/* Files of other file systems than most want other alignments. */
static ssize_t read_once(const struct target *target, uint8_t *buffer, size_t bytes,
			 uint64_t offset)
{
	size_t whole = (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
	ssize_t done = -1;

	if (target->direct_fd >= 0 && offset % ALIGN_BYTES == 0 &&
	    (uintptr_t)buffer % ALIGN_BYTES == 0) {
		done = io_ops->pread(target->direct_fd, buffer, whole, (off_t)offset);
		if (done >= 0 || (errno != EINVAL && errno != EINTR))
			return done > (ssize_t)bytes ? (ssize_t)bytes : done;
	}
	return io_ops->pread(target->fd, buffer, bytes, (off_t)offset);
}

int target_read(struct target *target, uint64_t offset, void *buffer, size_t bytes)
{
	uint8_t *to = buffer;

	while (bytes && target->fd >= 0) {
		ssize_t done = read_once(target, to, bytes, offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (!done)
			break;
		to += done;
		offset += (size_t)done;
		bytes -= (size_t)done;
	}
	if (bytes && target->kind == TARGET_DEVICE)
		return -ENODATA;
	memset(to, 0, bytes);
	return 0;
}

/* ---------------------------------------------------------------------- write */

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

static int zero_device(struct target *target, uint64_t offset, uint64_t bytes)
{
	uint64_t ragged = (target->align - offset % target->align) % target->align;
	uint64_t head = ragged < bytes ? ragged : bytes;
	int r = write_zeros(target, offset, head);

	if (r < 0)
		return r;
	offset += head;
	bytes -= head;
	while (bytes >= target->align) {
		uint64_t step = bytes < ZERO_STEP_BYTES ? bytes : ZERO_STEP_BYTES;
		uint64_t range[2] = {offset, step - step % target->align};

		if (ioctl(target->fd, BLKZEROOUT, range) < 0)
			break;
		offset += range[1];
		bytes -= range[1];
	}
	return write_zeros(target, offset, bytes);
}

int target_zero(struct target *target, uint64_t offset, uint64_t bytes)
{
	if (target->kind == TARGET_DEVICE)
		return zero_device(target, offset, bytes);
	if (target->how == TARGET_REPLACE)
		return 0; /* it began as one hole */
	if (fallocate(target->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		      (off_t)bytes) == 0)
		return 0;
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

static int name_partial(struct target *target)
{
	int r = io_rename_new(AT_FDCWD, target->partial, AT_FDCWD, target->path);

	return r < 0 ? target_failure(target, "cannot get its name", r) : sync_parent(target);
}

static int name_file(struct target *target)
{
	char source[32];

	if (target->partial)
		return name_partial(target);
	if (!target->named) {
		snprintf(source, sizeof(source), "/proc/self/fd/%d", target->fd);
		if (linkat(AT_FDCWD, source, AT_FDCWD, target->path, AT_SYMLINK_FOLLOW) < 0)
			return target_failure(target, "cannot get its name", -errno);
	}
	target->named = false; /* it stays */
	return sync_parent(target);
}

int target_sync(struct target *target)
{
	int r = io_sync(target->fd);

	return r < 0 ? target_failure(target, "sync failed", r) : 0;
}

int target_finish(struct target *target)
{
	int r = target_sync(target);

	if (r < 0)
		return r;
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
	free(target->partial);
	target->partial = NULL;
	target->fd = target->direct_fd = -1;
	target->named = false;
}
