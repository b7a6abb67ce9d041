/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Records what a repository asks of its file system: all that io_ops changes or
 * syncs below one directory, in order, with the data.
 */
#ifndef TESTS_UNIT_TRACE_H
#define TESTS_UNIT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_NAME_BYTES 112
#define TRACE_OPS_MAX    8192

enum trace_kind {
	TRACE_CREATE,
	TRACE_WRITE,
	TRACE_SYNC_FILE,
	TRACE_SYNC_DIRECTORY,
	TRACE_SYNC_FAILED, /* of either */
	TRACE_RENAME,
	TRACE_UNLINK,
	TRACE_MKDIR,
	TRACE_DONE, /* the caller has been told that something is durable */
};

struct trace_op {
	enum trace_kind kind;
	unsigned int file;           /* its number, from 1; 0: a directory */
	char name[TRACE_NAME_BYTES]; /* relative; "" is the repository itself */
	char new_name[TRACE_NAME_BYTES];
	uint64_t offset;
	size_t bytes;
	uint8_t *data;
};

struct trace {
	size_t nr_ops;
	unsigned int nr_files;
	struct trace_op ops[TRACE_OPS_MAX];
};

/** From now on what happens below path is recorded, and nothing else is hooked. */
void trace_start(const char *path);
/** Let the at-th sync from now on fail, from 1, and no other. */
void trace_fail_sync(unsigned int at);
bool trace_sync_has_failed(void);
/** The step that has just returned is done. */
void trace_done(void);
/** The caller's, freed with trace_destroy(). */
struct trace *trace_stop(void);
void trace_destroy(struct trace *trace);

#endif
