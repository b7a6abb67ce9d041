// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/control.h"
#include "agent/control_client.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENT_SECONDS 2 /* what a client that says nothing may cost */

static int make_address(const char *path, struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret_address->sun_path))
		return failure_set(-ENAMETOOLONG, "%s: is too long for a socket", path);
	strcpy(ret_address->sun_path, path);
	return 0;
}

/* A socket that nobody listens to is left over from one that was killed. */
static int remove_stale(const struct sockaddr_un *address)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return failure_set(-errno, "%s: %s", address->sun_path, strerror(errno));
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return failure_set(-EADDRINUSE, "%s: another tidemarkd runs; stop it first",
				   address->sun_path);
	unlink(address->sun_path);
	return 0;
}

static void make_directory(const char *path)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (slash && slash > directory) {
		*slash = '\0';
		mkdir(directory, 0700);
	}
}

int control_listen(const char *path)
{
	CLEANUP_CLOSE int fd = -1;
	struct sockaddr_un address;
	int result;
	int r = make_address(path, &address);

	make_directory(path);
	if (r == 0)
		r = remove_stale(&address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0600) < 0 || listen(fd, 8) < 0)
		return failure_set(-errno, "%s: %s", path, strerror(errno));
	result = fd;
	fd = -1;
	return result;
}

static bool read_request(int fd, char *request, size_t bytes)
{
	ssize_t got = recv(fd, request, bytes - 1, 0);

	if (got <= 0)
		return false;
	request[got] = '\0';
	request[strcspn(request, "\n")] = '\0';
	return true;
}

struct json_object *control_refusal(int error)
{
	struct json_object *refusal = json_object_new_object();

	json_object_object_add(refusal, "error", json_object_new_string(failure_text()));
	json_object_object_add(refusal, "errno", json_object_new_int(-error));
	return refusal;
}

void control_serve(int listen_fd, struct json_object *(*answer)(void *context, const char *request),
		   void *context)
{
	struct timeval patience = {.tv_sec = CLIENT_SECONDS};
	CLEANUP_CLOSE int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct json_object *object;
	char request[CONTROL_REQUEST_BYTES + 1];
	const char *text;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!read_request(fd, request, sizeof(request)))
		return;
	object = answer(context, request);
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
	for (size_t left = strlen(text); left;) {
		ssize_t sent = send(fd, text, left, MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		text += sent;
		left -= (size_t)sent;
	}
	json_object_put(object);
}
