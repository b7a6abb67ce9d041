/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The ways out of the metrics that the config asks for: a file, an HTTP endpoint, none. Driven
 * by the daemon's loop. What does not work is said once and tried again; nothing else depends
 * on it.
 */
#ifndef DAEMON_EXPOSITION_H
#define DAEMON_EXPOSITION_H

#include "daemon/config.h"

#include <stdint.h>

struct metrics_http;

/* Set render and context, the rest is zero at first. */
struct exposition {
	char *(*render)(void *context); /* the text, which is freed here; NULL: out of memory */
	void *context;
	char *file;   /* NULL: none */
	char *listen; /* NULL: none */
	struct metrics_http *http;      /* NULL: it does not listen */
	uint64_t next_ns;               /* CLOCK_MONOTONIC: when the file is to be written anew */
	char file_trouble[512]; /* what was said of it last; empty: all is well */
	char http_trouble[512];
};

/** From now on as this config says; takes nothing of it. */
void exposition_set(struct exposition *exposition, const struct config *config);

/** For poll(), POLLIN; -1: there is nothing to poll. */
int exposition_fd(const struct exposition *exposition);
/** How long to wait at most; -1: for ever. */
int exposition_timeout_ms(const struct exposition *exposition);
/** After each poll. */
void exposition_run(struct exposition *exposition);

/** Nothing is left of it. */
void exposition_end(struct exposition *exposition);

#endif
