// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 the Tidemark authors
/* Reading a whole file. What changes size meanwhile is not handled. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, uint8_t *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, data + done, size - done);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += n;
	}
	return 0;
}

int file_read(int dirfd, const char *path, uint8_t **ret_data, size_t *ret_size)
{
	struct stat st;
	uint8_t *data = NULL;
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) ? -errno : 0;
	if (!r) {
		data = malloc(st.st_size + 1);
		r = data ? read_all(fd, data, st.st_size) : -ENOMEM;
	}
	close(fd);
	if (r) {
		free(data);
		return r;
	}
	*ret_data = data;
	*ret_size = st.st_size;
	return 0;
}
