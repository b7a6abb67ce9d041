/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Answers the requests of a tidemark-serve device (docs/serve.md).
 */
#ifndef RESTORE_SERVER_H
#define RESTORE_SERVER_H

#include <stdint.h>
#include <sys/types.h>

/**
 * What the device holds. Called by several threads at once, for ranges within the device, in
 * multiples of 512 bytes; data is page-aligned. Each returns 0 or a negative errno, which the
 * request then ends with. NULL: the device was not made for such requests.
 */
struct server_backend {
	int (*read)(void *context, uint64_t offset, void *data, uint32_t bytes);
	int (*write)(void *context, uint64_t offset, const void *data, uint32_t bytes);
	int (*zero)(void *context, uint64_t offset, uint64_t bytes);
	int (*sync)(void *context); /* what was answered before is durable */
	void *context;
};

struct server;

/**
 * Become the server of all queues of a device; before threads start, and for good, as
 * resident_enter() says. backend is used until the close. Errors, with a
 * sentence: -ENXIO (no such device), -EBUSY (it has a server), -ENOENT (no module), -ENOMEM.
 */
int server_open(dev_t mapped, const struct server_backend *backend, struct server **ret_server);

/**
 * Answer, with so many threads for each queue, until the device is gone: 0. Errors: -ESTALE
 * (too slow: it was given up), -EAGAIN (no threads).
 */
int server_run(struct server *server, unsigned int nr_threads);

/** What was not answered is another server's. NULL is fine. */
void server_close(struct server *server);

#endif
