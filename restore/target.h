/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Where a restore writes: a block device, or an image file. Opened only after
 * target_check() has found nothing that speaks against it. write and zero may
 * be called from several threads at once.
 */
#ifndef RESTORE_TARGET_H
#define RESTORE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum target_kind {
	TARGET_DEVICE,
	TARGET_FILE,     /* exists */
	TARGET_NEW_FILE, /* gets its name when it is complete */
};

struct target {
	enum target_kind kind;
	const char *path; /* the caller's */
	uint64_t bytes;   /* of what is restored */
	uint32_t align;   /* of direct I/O */
	int fd;           /* buffered; of a device, exclusive */
	int direct_fd;    /* -1: the file system has no direct I/O */
	bool named;       /* a new file that had to be made under its name at once */
};

/**
 * Errors, with a sentence: -ETXTBSY (the device is in use), -ENOSPC, those of
 * open. A file is cut to nothing and then set to its size.
 */
int target_open(enum target_kind kind, const char *path, uint64_t bytes, struct target *ret_target);

/** data: page-aligned. Errors, with a sentence: -EIO, -ENOSPC. */
int target_write(struct target *target, uint64_t offset, const void *data, size_t bytes);
int target_zero(struct target *target, uint64_t offset, uint64_t bytes);

/** Everything is durable after this; a new file has its name. */
int target_finish(struct target *target);

/** Of a file that was not finished nothing is left where that is possible. */
void target_close(struct target *target);

#endif
