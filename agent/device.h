/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Attach, detach, list and find attachments, through device-mapper. What fails
 * leaves a sentence in failure_text().
 *
 * Errors that every call can return: -EPERM (needs root), -ENOPKG (kernel
 * without the module, or one that cannot do it), -ENOMEM.
 */
#ifndef AGENT_DEVICE_H
#define AGENT_DEVICE_H

#include "agent/attachment.h"

#include <stdint.h>

struct device_attach {
	const char *path;      /* of the block device */
	const char *name;      /* of the mapped device; NULL: "tidemark-" and the kernel's name */
	uint64_t chunk_bytes;
	uint64_t start_sector; /* of the range to protect */
	uint64_t nr_sectors;   /* 0: to the end of the device */
	bool resumes;          /* what was saved of it is used behind this (agent/resume.h) */
};

/**
 * Start tracking. What was saved of the range is removed where it is not resumed. Errors: -EALREADY (this range is attached), -EEXIST (the name
 * is taken), -ENOENT (no such block device), -ERANGE (beyond the device's end),
 * -EINVAL (name, chunk size, alignment).
 */
int device_attach(const struct device_attach *request, struct attachment *ret_attachment);

/** From now on the attachment can be streamed from. The module's own state stays. */
int device_allow_stream(const struct attachment *attachment);

/**
 * Stop tracking. Errors: -EBUSY (a backup runs, and the device is not gone; or the node is
 * open), -ENOENT (detached meanwhile).
 */
int device_detach(const struct attachment *attachment);

/**
 * Give this instant of the stream of writes a name. Errors: -EINVAL (empty, longer than
 * TIDEMARK_MARK_BYTES_MAX, or of several lines), -ENOENT (no stream is on).
 */
int device_mark(const struct attachment *attachment, const char *text);

/** All attachments, by name; free() the array. */
int device_list(struct attachment **ret_attachments, size_t *ret_nr);

/**
 * The attachment of that name, or of the block device at that path, but for one whose device is
 * gone. Errors: -ENOENT, -ENOTUNIQ (several ranges of the device are attached).
 */
int device_find(const char *name_or_path, struct attachment *ret_attachment);

/** Which device a path leads to. Errors: -ENOENT (to no block device). */
int device_number(const char *path, dev_t *ret_device);

#endif
