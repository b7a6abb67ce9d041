// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Names are made relative to the repository through the path of each descriptor.
 * A write is noted after it has been done, so that it stands before the sync that
 * covers it. Calls that do not come through io_ops are not seen: whoever uses a
 * trace compares what it ends in with the real directory.
 */
#include "trace.h"

#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NR_FDS     1024
#define PATH_BYTES 256

static struct {
	pthread_mutex_t lock;
	struct trace *trace;
	char root[PATH_BYTES];
	unsigned int syncs_left; /* until one fails; 0: none does */
	bool sync_has_failed;
	unsigned int file_of_fd[NR_FDS];
	char path_of_fd[NR_FDS][PATH_BYTES]; /* absolute */
} recorder = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void resolve(int dir_fd, const char *name, char ret_path[PATH_BYTES])
{
	const char *base = name[0] == '/' || dir_fd == AT_FDCWD ? "" : recorder.path_of_fd[dir_fd];
	char *slash;

	if (!strcmp(name, ".") || !strcmp(name, "..")) {
		snprintf(ret_path, PATH_BYTES, "%s", base);
		slash = strrchr(ret_path, '/');
		if (name[1] && slash)
			*slash = '\0';
		return;
	}
	if (snprintf(ret_path, PATH_BYTES, "%s%s%s", base, *base ? "/" : "", name) >= PATH_BYTES)
		abort();
}

/* False if it is not below the root. */
static bool relative(const char *path, char ret_name[TRACE_NAME_BYTES])
{
	size_t length = strlen(recorder.root);

	if (strncmp(path, recorder.root, length) || (path[length] && path[length] != '/'))
		return false;
	if (snprintf(ret_name, TRACE_NAME_BYTES, "%s", path[length] ? path + length + 1 : "") >=
	    TRACE_NAME_BYTES)
		abort();
	return true;
}

static struct trace_op *add_op(enum trace_kind kind, int dir_fd, const char *name)
{
	static struct trace_op elsewhere;
	struct trace *trace = recorder.trace;
	struct trace_op op = { .kind = kind };
	char path[PATH_BYTES];

	resolve(dir_fd, name, path);
	if (!relative(path, op.name))
		return &elsewhere;
	if (trace->nr_ops == TRACE_OPS_MAX)
		abort();
	trace->ops[trace->nr_ops] = op;
	return &trace->ops[trace->nr_ops++];
}

static int tracing_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	int fd;

	pthread_mutex_lock(&recorder.lock);
	fd = io_ops_system.openat(dir_fd, name, flags, mode);
	if (fd >= NR_FDS)
		abort();
	if (fd >= 0) {
		char path[PATH_BYTES];

		resolve(dir_fd, name, path);
		strcpy(recorder.path_of_fd[fd], path);
		recorder.file_of_fd[fd] = 0;
		if (flags & O_CREAT) {
			recorder.file_of_fd[fd] = ++recorder.trace->nr_files;
			add_op(TRACE_CREATE, dir_fd, name)->file = recorder.trace->nr_files;
		}
	}
	pthread_mutex_unlock(&recorder.lock);
	return fd;
}

static int tracing_mkdirat(int dir_fd, const char *name, mode_t mode)
{
	int ret;

	pthread_mutex_lock(&recorder.lock);
	ret = io_ops_system.mkdirat(dir_fd, name, mode);
	if (!ret)
		add_op(TRACE_MKDIR, dir_fd, name);
	pthread_mutex_unlock(&recorder.lock);
	return ret;
}

static ssize_t tracing_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	ssize_t done = io_ops_system.pwrite(fd, data, bytes, offset);

	pthread_mutex_lock(&recorder.lock);
	if (done > 0 && recorder.file_of_fd[fd]) {
		struct trace_op *op = add_op(TRACE_WRITE, fd, ".");

		op->file = recorder.file_of_fd[fd];
		op->offset = (uint64_t)offset;
		op->bytes = (size_t)done;
		op->data = malloc((size_t)done);
		memcpy(op->data, data, (size_t)done);
	}
	pthread_mutex_unlock(&recorder.lock);
	return done;
}

/* A sync that fails is not passed on. */
static bool sync_fails(void)
{
	if (!recorder.syncs_left || --recorder.syncs_left)
		return false;
	recorder.sync_has_failed = true;
	return true;
}

static int tracing_fsync(int fd)
{
	enum trace_kind kind;
	int ret = 0;

	pthread_mutex_lock(&recorder.lock);
	kind = recorder.file_of_fd[fd] ? TRACE_SYNC_FILE : TRACE_SYNC_DIRECTORY;
	if (sync_fails()) {
		kind = TRACE_SYNC_FAILED;
		ret = -1;
	} else {
		ret = io_ops_system.fsync(fd);
	}
	if (!ret || kind == TRACE_SYNC_FAILED)
		add_op(kind, fd, ".")->file = recorder.file_of_fd[fd];
	pthread_mutex_unlock(&recorder.lock);
	if (kind == TRACE_SYNC_FAILED)
		errno = EIO;
	return ret;
}

static int tracing_renameat(int old_dir_fd, const char *old_name, int new_dir_fd,
			    const char *new_name, unsigned int flags)
{
	int ret;

	pthread_mutex_lock(&recorder.lock);
	ret = io_ops_system.renameat(old_dir_fd, old_name, new_dir_fd, new_name, flags);
	if (!ret) {
		char path[PATH_BYTES];

		resolve(new_dir_fd, new_name, path);
		relative(path, add_op(TRACE_RENAME, old_dir_fd, old_name)->new_name);
	}
	pthread_mutex_unlock(&recorder.lock);
	return ret;
}

static int tracing_unlinkat(int dir_fd, const char *name, int flags)
{
	int ret;

	pthread_mutex_lock(&recorder.lock);
	ret = io_ops_system.unlinkat(dir_fd, name, flags);
	if (!ret)
		add_op(TRACE_UNLINK, dir_fd, name);
	pthread_mutex_unlock(&recorder.lock);
	return ret;
}

static ssize_t tracing_pread(int fd, void *data, size_t bytes, off_t offset)
{
	return io_ops_system.pread(fd, data, bytes, offset);
}

static const struct io_ops tracing_ops = {
	.openat = tracing_openat,
	.mkdirat = tracing_mkdirat,
	.pread = tracing_pread,
	.pwrite = tracing_pwrite,
	.fsync = tracing_fsync,
	.renameat = tracing_renameat,
	.unlinkat = tracing_unlinkat,
	.futimens = futimens,
};

void trace_start(const char *path)
{
	recorder.trace = calloc(1, sizeof(*recorder.trace));
	snprintf(recorder.root, sizeof(recorder.root), "%s", path);
	io_ops = &tracing_ops;
}

void trace_fail_sync(unsigned int at)
{
	recorder.syncs_left = at;
	recorder.sync_has_failed = false;
}

bool trace_sync_has_failed(void)
{
	return recorder.sync_has_failed;
}

void trace_done(void)
{
	add_op(TRACE_DONE, AT_FDCWD, recorder.root);
}

struct trace *trace_stop(void)
{
	struct trace *trace = recorder.trace;

	io_ops = &io_ops_system;
	recorder.syncs_left = 0;
	recorder.trace = NULL;
	return trace;
}

void trace_destroy(struct trace *trace)
{
	for (size_t i = 0; i < trace->nr_ops; i++)
		free(trace->ops[i].data);
	free(trace);
}
