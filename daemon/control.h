/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The socket by which tidemark asks tidemarkd: one request, a line, one JSON object as
 * the answer, and it is closed. Only root can connect.
 */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include <json-c/json.h>

/** Listen. Errors: -EADDRINUSE (another tidemarkd runs). Returns the descriptor. */
int control_listen(const char *path);

/**
 * Take one client that waits and answer it. answer: makes what a request is answered with, which
 * is freed here.
 */
void control_serve(int listen_fd, struct json_object *(*answer)(void *context, const char *request),
		   void *context);

/** What a request that failed is answered with: failure_text(). */
struct json_object *control_refusal(int error);

#endif
