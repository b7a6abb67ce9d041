// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Not synced before it gets its name: after a reset it is written anew, or, where tidemarkd
 * does not run any more, is worth nothing.
 */
#include "daemon/metrics_file.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(const char *path)
{
	return failure_set(-errno, "%s: %s", path, strerror(errno));
}

/* Beside it, and no *.prom: the collector would read both. */
static int name_draft(const char *path, char ret_draft[PATH_MAX])
{
	if (snprintf(ret_draft, PATH_MAX, "%s.new", path) >= PATH_MAX)
		return failure_set(-ENAMETOOLONG, "%s: %s", path, strerror(ENAMETOOLONG));
	return 0;
}

/* The directory may be somebody else's: what lies at the draft's name is not followed. */
static int write_draft(const char *draft, const char *text)
{
	CLEANUP_CLOSE int fd = -1;
	size_t bytes = strlen(text);
	ssize_t written;

	unlink(draft);
	fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fchmod(fd, 0644) < 0)
		return failed(draft);
	written = write(fd, text, bytes);
	if (written >= 0 && (size_t)written < bytes)
		errno = ENOSPC;
	return written == (ssize_t)bytes ? 0 : failed(draft);
}

int metrics_file_replace(const char *path, const char *text)
{
	char draft[PATH_MAX];
	int r = name_draft(path, draft);

	if (r < 0)
		return r;
	r = write_draft(draft, text);
	if (r == 0 && rename(draft, path) < 0)
		r = failed(path);
	if (r < 0)
		unlink(draft);
	return r;
}

void metrics_file_remove(const char *path)
{
	unlink(path);
}
