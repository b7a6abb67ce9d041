// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * libmicrohttpd without a thread of its own: its epoll descriptor is polled with the daemon's
 * others, so a request is answered between two other things and needs no lock. A connection
 * has one request. A client that says nothing is hung up on; where there are too many the next
 * ones wait until they are accepted.
 */
#include "daemon/metrics_http.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "daemon/metrics.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX     32u
#define CLIENT_SECONDS  5u
#define CLIENT_BYTES    (8u << 10) /* of its request, and of the head of the answer */

/* Of some versions of the library callbacks return int. */
#if MHD_VERSION < 0x00097002
#define MHD_Result int
#else
#define MHD_Result enum MHD_Result
#endif

struct metrics_http {
	struct MHD_Daemon *daemon;
	char *(*render)(void *context);
	void *context;
};

/* ---------------------------------------------------------------------- answers */

static MHD_Result answer(struct MHD_Connection *connection, unsigned int status, const char *name,
			 const char *value, char *text, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, mode);
	MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, name, value);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static MHD_Result complain(struct MHD_Connection *connection, unsigned int status, char *text)
{
	return answer(connection, status, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain", text,
		      MHD_RESPMEM_PERSISTENT);
}

static MHD_Result answer_metrics(const struct metrics_http *http, struct MHD_Connection *connection)
{
	char *text = http->render(http->context);

	if (!text)
		return complain(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	return answer(connection, MHD_HTTP_OK, MHD_HTTP_HEADER_CONTENT_TYPE, METRICS_CONTENT_TYPE,
		      text, MHD_RESPMEM_MUST_FREE);
}

/* What has a body is answered before it comes. */
static MHD_Result on_request(void *argument, struct MHD_Connection *connection, const char *url,
			     const char *method, const char *version, const char *upload,
			     size_t *upload_bytes, void **request)
{
	if (strcmp(url, "/metrics") != 0)
		return complain(connection, MHD_HTTP_NOT_FOUND, "only /metrics is here\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, MHD_HTTP_HEADER_ALLOW,
			      "GET, HEAD", "only GET works\n", MHD_RESPMEM_PERSISTENT);
	return answer_metrics(argument, connection);
}

/* --------------------------------------------------------------------- lifetime */

static int listen_on(const union loopback_address *address)
{
	CLEANUP_CLOSE int fd = socket(address->any.sa_family,
				      SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, result;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, &address->any, loopback_address_size(address)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return failure_set(-errno, "%s", strerror(errno));
	result = fd;
	fd = -1;
	return result;
}

static struct MHD_Daemon *start(struct metrics_http *http, int listen_fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, http,
				MHD_OPTION_LISTEN_SOCKET, listen_fd,
				MHD_OPTION_CONNECTION_LIMIT, CLIENTS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, CLIENT_SECONDS,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_BYTES,
				MHD_OPTION_END);
}

int metrics_http_start(const union loopback_address *address, char *(*render)(void *context),
		       void *context, struct metrics_http **ret_http)
{
	CLEANUP_FREE struct metrics_http *http = calloc(1, sizeof(*http));
	int fd = http ? listen_on(address) : failure_set(-ENOMEM, "out of memory");

	if (fd < 0)
		return fd;
	http->render = render;
	http->context = context;
	http->daemon = start(http, fd);
	if (!http->daemon) {
		close(fd);
		return failure_set(-EIO, "libmicrohttpd does not start");
	}
	*ret_http = http;
	http = NULL;
	return 0;
}

/* The listening socket is the library's. */
void metrics_http_stop(struct metrics_http *http)
{
	MHD_stop_daemon(http->daemon);
	free(http);
}

/* ---------------------------------------------------------------------- polling */

int metrics_http_fd(const struct metrics_http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int metrics_http_timeout_ms(struct metrics_http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	if (MHD_get_timeout(http->daemon, &timeout_ms) != MHD_YES)
		return -1;
	return timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX;
}

void metrics_http_run(struct metrics_http *http)
{
	MHD_run(http->daemon);
}

uint16_t metrics_http_port(const struct metrics_http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}
