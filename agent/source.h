/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What is backed up without the kernel module: an image file, a block device that is
 * not attached, or standard input ("-"). Nothing tells what has changed in it, so all
 * of it is read; nothing holds it still, so what writes to it has to be stopped.
 *
 * Its identity is that of the device, or of a file file:<host>:<path>, the path being
 * absolute and without links; name:<host>:<name> where a name was given.
 */
#ifndef AGENT_SOURCE_H
#define AGENT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <tidemark.h>

struct block_tree;

enum source_kind {
	SOURCE_FILE,
	SOURCE_DEVICE,
	SOURCE_STREAM, /* ends where it ends */
};

struct source {
	enum source_kind kind;
	const char *path; /* as given; for sentences */
	int fd;           /* -1: not open */
	uint64_t bytes;   /* TMC_BYTES_UNKNOWN of a stream */
	struct stat stat; /* when it was opened */
};

struct source_request {
	const char *path;
	const char *name;       /* NULL: none was given */
	const char *repository;
	bool force;             /* even if it is mounted and may be written to */
};

/**
 * Is this a volume for source_open()? Errors: -EPERM (only root can find out whether a
 * device is attached), -ENOPKG, -ENOTUNIQ.
 */
int source_is_meant(const char *path, bool *ret_meant);

/**
 * Open, check and describe it. Errors, with a sentence: -ETXTBSY (refused: mounted
 * read-write, part of the repository or below it), -EINVAL (no name where one is
 * needed, a name or path that is too long), -ENOENT and others of opening.
 */
int source_open(const struct source_request *request, const struct block_tree *tree,
		struct source *ret_source, struct tmc_volume *ret_volume);
void source_close(struct source *source);

/** Bytes at an offset, all of them. Errors: -ENODATA (it ends before), those of pread. */
int source_read(const struct source *source, void *buffer, uint64_t bytes, uint64_t offset);

/**
 * Of a file: the next offset at or after this one where there may be data, or where
 * there is a hole; the end if there is none.
 */
uint64_t source_next_data(const struct source *source, uint64_t offset);
uint64_t source_next_hole(const struct source *source, uint64_t offset);

/**
 * After everything was read. ret_written: somebody wrote to the file meanwhile.
 * Errors: -ESTALE (its size has changed).
 */
int source_check_still(const struct source *source, bool *ret_written);

#endif
