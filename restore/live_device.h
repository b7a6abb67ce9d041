/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A restore point as a block device, in seconds: a process reads the repository as somebody
 * reads the device. A second process keeps the first, and what was written to the device; it
 * starts another one where that dies. Both end with the device.
 */
#ifndef RESTORE_LIVE_DEVICE_H
#define RESTORE_LIVE_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <tidemark.h>

#define LIVE_DEVICE_NAME_BYTES 64

struct live_device_request {
	const char *repository;
	const char *point;   /* as tmc_point_find() takes it */
	const char *scratch; /* directory for what is written to the device */
};

struct live_device {
	char name[LIVE_DEVICE_NAME_BYTES]; /* /dev/mapper/name */
	struct tmc_point point;
};

/**
 * Start it: the device is there, and answers, when this returns. From a process with one thread.
 * Errors, with a sentence: those of the catalog, of the module, of device-mapper.
 */
int live_device_start(const struct live_device_request *request, struct live_device *ret_device);

/** Its name by its number. Errors: -ENOENT (none of ours). */
int live_device_find(dev_t device, char ret_name[LIVE_DEVICE_NAME_BYTES]);

/** Remove it, once nobody uses it. Errors, with a sentence: -EBUSY (somebody does). */
int live_device_end(const char *name);

#endif
