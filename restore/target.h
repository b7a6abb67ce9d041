/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Where a restore writes: a block device, or an image file. Opened only after
 * target_check() has found nothing that speaks against it, and changed only from
 * target_begin() on. read, write and zero may be called from several threads at once.
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

enum target_how {
	TARGET_REPLACE,  /* a file keeps nothing that it held, a new one is nameless until whole */
	TARGET_IN_PLACE, /* what is not written stays */
	TARGET_RESUME,   /* the same; a new file is PATH.partial until it is whole, and stays so */
	TARGET_LOOK,     /* nothing is changed, and a file need not exist */
};

struct target {
	enum target_kind kind;
	enum target_how how;
	const char *path; /* the caller's */
	uint64_t bytes;   /* of what is restored */
	uint32_t align;   /* of direct I/O */
	int fd;           /* buffered; of a device, exclusive */
	int direct_fd;    /* -1: the file system has no direct I/O */
	bool only_grows;  /* a file that is larger than bytes stays so; before target_begin() */
	bool named;       /* a new file that had to be made under its name at once */
	char *partial;    /* its other name, or NULL */
};

/** Errors, with a sentence: -ETXTBSY (it is in use), -ENOSPC, those of open. */
int target_open(enum target_kind kind, enum target_how how, const char *path, uint64_t bytes,
		struct target *ret_target);

/** The first change: a file gets its size, after it was cut to nothing if it is replaced. */
int target_begin(struct target *target);

/**
 * buffer: page-aligned, with room up to a multiple of 4096 bytes. What lies behind a
 * file's end is zeros. Errors: those of pread, without a sentence.
 */
int target_read(struct target *target, uint64_t offset, void *buffer, size_t bytes);

/**
 * data: page-aligned, where offset is a multiple of the target's blocks. Errors, with a
 * sentence: -EIO, -ENOSPC.
 */
int target_write(struct target *target, uint64_t offset, const void *data, size_t bytes);
int target_zero(struct target *target, uint64_t offset, uint64_t bytes);

/** What was written is on the disk, and is read from there. */
int target_sync(struct target *target);

/** Everything is durable after this; a new file has its name. */
int target_finish(struct target *target);

/** Of a file that was not finished nothing is left where that is possible. */
void target_close(struct target *target);

#endif
