/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Metrics over HTTP: GET /metrics on an address that only this host reaches. In the caller's
 * thread, which polls; no client makes it wait.
 */
#ifndef DAEMON_METRICS_HTTP_H
#define DAEMON_METRICS_HTTP_H

#include "daemon/loopback_address.h"

#include <stdint.h>

struct metrics_http;

/**
 * render: makes the text anew for each request, freed here with free(); NULL: it cannot. Errors:
 * those of bind, with a sentence.
 */
int metrics_http_start(const union loopback_address *address, char *(*render)(void *context),
		       void *context, struct metrics_http **ret_http);
void metrics_http_stop(struct metrics_http *http);

/** For poll(), POLLIN. */
int metrics_http_fd(const struct metrics_http *http);
/** How long to wait at most; -1: for ever. */
int metrics_http_timeout_ms(struct metrics_http *http);
/** When there is something, or the time is over. */
void metrics_http_run(struct metrics_http *http);

uint16_t metrics_http_port(const struct metrics_http *http);

#endif
