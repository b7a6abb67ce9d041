// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * io_rename_new: RENAME_NOREPLACE where the file system has it, otherwise link
 * and unlink, which refuse an existing name as well.
 */
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int system_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	return openat(dir_fd, name, flags, mode);
}

const struct io_ops io_ops_system = {
	.openat = system_openat,
	.mkdirat = mkdirat,
	.pread = pread,
	.pwrite = pwrite,
	.fsync = fsync,
	.renameat = renameat2,
	.unlinkat = unlinkat,
	.futimens = futimens,
};
const struct io_ops *io_ops = &io_ops_system;

int io_open(int dir_fd, const char *name, int flags)
{
	int fd;

	do
		fd = io_ops->openat(dir_fd, name, flags | O_CLOEXEC, 0600);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int io_mkdir(int dir_fd, const char *name)
{
	return io_ops->mkdirat(dir_fd, name, 0700) < 0 ? -errno : 0;
}

int io_sync(int fd)
{
	return io_ops->fsync(fd) < 0 ? -errno : 0;
}

int io_rename_new(int old_dir_fd, const char *old_name, int new_dir_fd, const char *new_name)
{
	if (!io_ops->renameat(old_dir_fd, old_name, new_dir_fd, new_name, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(old_dir_fd, old_name, new_dir_fd, new_name, 0) < 0)
		return -errno;
	return io_unlink(old_dir_fd, old_name);
}

int io_unlink(int dir_fd, const char *name)
{
	return io_ops->unlinkat(dir_fd, name, 0) < 0 ? -errno : 0;
}

int io_rmdir(int dir_fd, const char *name)
{
	return io_ops->unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int io_touch(int fd)
{
	return io_ops->futimens(fd, NULL) < 0 ? -errno : 0;
}

int io_write_full(int fd, const void *data, size_t bytes, uint64_t offset)
{
	const char *p = data;

	while (bytes) {
		ssize_t done = io_ops->pwrite(fd, p, bytes, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (!done)
			return -EIO;
		p += done;
		offset += (size_t)done;
		bytes -= (size_t)done;
	}
	return 0;
}

int io_read_full(int fd, void *data, size_t bytes, uint64_t offset)
{
	char *p = data;

	while (bytes) {
		ssize_t done = io_ops->pread(fd, p, bytes, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (!done)
			return -ENODATA;
		p += done;
		offset += (size_t)done;
		bytes -= (size_t)done;
	}
	return 0;
}

int io_read_direct(int fd, void *data, size_t bytes, size_t needed, uint64_t offset)
{
	size_t done = 0;

	while (done < needed) {
		ssize_t part = io_ops->pread(fd, (char *)data + done, bytes - done,
					     (off_t)(offset + done));

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return -errno;
		done += (size_t)part;
		if (!part || (done < needed && done % IO_DIRECT_BYTES))
			return -ENODATA;
	}
	return 0;
}
