// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A file of /sys is read with one read(2): its content is made at that moment.
 */
#include "common/text_file.h"
#include "common/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_line(char *ret_text, size_t size, const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *from = ret_text;
	ssize_t got;

	*ret_text = '\0';
	if (fd < 0)
		return -errno;
	got = read(fd, ret_text, size - 1);
	if (got < 0) {
		*ret_text = '\0';
		return -errno;
	}
	ret_text[got] = '\0';
	ret_text[strcspn(ret_text, "\n")] = '\0';
	while (isspace((unsigned char)*from))
		from++;
	memmove(ret_text, from, strlen(from) + 1);
	for (size_t len = strlen(ret_text); len && isspace((unsigned char)ret_text[len - 1]);)
		ret_text[--len] = '\0';
	return 0;
}

int text_file_line(char *ret_text, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(path)) {
		*ret_text = '\0';
		return -ENAMETOOLONG;
	}
	return read_line(ret_text, size, path);
}

int text_file_number(uint64_t *ret_number, const char *format, ...)
{
	char path[PATH_MAX];
	char line[32];
	va_list args;
	char *end;
	int len;
	int r;

	va_start(args, format);
	len = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	r = read_line(line, sizeof(line), path);
	if (r < 0)
		return r;
	errno = 0;
	*ret_number = strtoull(line, &end, 10);
	if (errno || end == line || *end || line[0] == '-')
		return -EINVAL;
	return 0;
}

/* ----------------------------------------------------------------------- replace */

/* What goes wrong here is found when the file is made. */
static void make_directories(const char *path)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", path);
	for (char *slash = strchr(directory + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(directory, 0700);
		*slash = '/';
	}
}

static int write_durably(const char *path, const char *content)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t bytes = strlen(content);
	ssize_t written = fd < 0 ? -1 : write(fd, content, bytes);

	if (written < 0 || fsync(fd) < 0)
		return -errno;
	return (size_t)written == bytes ? 0 : -ENOSPC;
}

static int sync_directory(const char *path)
{
	CLEANUP_CLOSE int fd = -1;
	char directory[PATH_MAX];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (!slash || slash == directory)
		return 0;
	*slash = '\0';
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int text_file_replace(const char *path, const char *content)
{
	char next[PATH_MAX];
	int r;

	if (snprintf(next, sizeof(next), "%s.new", path) >= (int)sizeof(next))
		return -ENAMETOOLONG;
	make_directories(path);
	r = write_durably(next, content);
	if (r == 0 && rename(next, path) < 0)
		r = -errno;
	return r == 0 ? sync_directory(path) : r;
}
