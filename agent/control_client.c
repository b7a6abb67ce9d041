// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/control_client.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_SECONDS 10
#define ANSWER_BYTES_MAX (4u << 20)

static int failed(const char *path)
{
	switch (errno) {
	case ENOENT:
	case ECONNREFUSED:
		return failure_set(-ENOENT, "%s: no tidemarkd runs", path);
	case EACCES:
	case EPERM:
		return failure_set(-EPERM, "%s: permission denied; run tidemark as root", path);
	case EAGAIN:
		return failure_set(-ETIMEDOUT, "%s: tidemarkd does not answer", path);
	default:
		return failure_set(-errno, "%s: %s", path, strerror(errno));
	}
}

static int connect_to(const char *path)
{
	struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return failure_set(-ENAMETOOLONG, "%s: is too long for a socket", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = failed(path);

		close(fd);
		return r;
	}
	return fd;
}

static int read_answer(int fd, const char *path, char **ret_answer)
{
	CLEANUP_FREE char *answer = NULL;
	size_t used = 0, room = 0;
	ssize_t got;

	do {
		if (room - used < 4096) {
			char *grown = realloc(answer, room = 2 * room + 8192);

			if (!grown || room > ANSWER_BYTES_MAX)
				return failure_set(-ENOMEM, "%s: the answer is too large", path);
			answer = grown;
		}
		got = recv(fd, answer + used, room - used - 1, 0);
		if (got < 0)
			return failed(path);
		used += (size_t)got;
	} while (got);
	answer[used] = '\0';
	*ret_answer = answer;
	answer = NULL;
	return 0;
}

int control_client_ask(const char *path, const char *request, char **ret_answer)
{
	CLEANUP_CLOSE int fd = connect_to(path);
	char line[CONTROL_REQUEST_BYTES + 1];
	int length = snprintf(line, sizeof(line), "%s\n", request);

	if (fd < 0)
		return fd;
	if (send(fd, line, (size_t)length, MSG_NOSIGNAL) != length)
		return failed(path);
	return read_answer(fd, path, ret_answer);
}
