/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The system calls that durable state depends on, behind a table that a test can
 * replace to fail, shorten or record them. Short transfers and EINTR are handled
 * here; fsync is called once and its failure is final.
 */
#ifndef COMMON_IO_H
#define COMMON_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/** As the system calls: -1 and errno. */
struct io_ops {
	int (*openat)(int dir_fd, const char *name, int flags, mode_t mode);
	int (*mkdirat)(int dir_fd, const char *name, mode_t mode);
	ssize_t (*pread)(int fd, void *data, size_t bytes, off_t offset);
	ssize_t (*pwrite)(int fd, const void *data, size_t bytes, off_t offset);
	int (*fsync)(int fd);
	int (*renameat)(int old_dir_fd, const char *old_name, int new_dir_fd, const char *new_name,
			unsigned int flags);
	int (*unlinkat)(int dir_fd, const char *name, int flags);
	int (*futimens)(int fd, const struct timespec times[2]);
};

extern const struct io_ops io_ops_system;
extern const struct io_ops *io_ops; /* set before threads start, then constant */

/** All return 0, or what their call returns, or a negative errno. */
int io_open(int dir_fd, const char *name, int flags);
int io_mkdir(int dir_fd, const char *name);
int io_sync(int fd);
/** Fails with -EEXIST where new_name exists. */
int io_rename_new(int old_dir_fd, const char *old_name, int new_dir_fd, const char *new_name);
int io_unlink(int dir_fd, const char *name);
int io_rmdir(int dir_fd, const char *name);
/** Give a file the time that its file system has now. */
int io_touch(int fd);

int io_write_full(int fd, const void *data, size_t bytes, uint64_t offset);
/** The end of the file before that is -ENODATA. */
int io_read_full(int fd, void *data, size_t bytes, uint64_t offset);

#define IO_DIRECT_BYTES 4096u /* what is read directly is aligned to this */

/**
 * From a descriptor with O_DIRECT: bytes, offset and data are aligned, and at least needed
 * bytes are read, where the file may end. Errors: -ENODATA, -EINVAL (the file system
 * wants more than that).
 */
int io_read_direct(int fd, void *data, size_t bytes, size_t needed, uint64_t offset);

#endif
