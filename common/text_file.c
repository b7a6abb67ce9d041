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
#include <string.h>

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
