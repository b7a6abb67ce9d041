/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The few device-mapper requests that attachments need, each one call. Returns
 * the errno of the request; no sentences here, the caller knows what it meant.
 */
#ifndef AGENT_MAPPER_H
#define AGENT_MAPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAPPER_NAME_BYTES 128

struct mapper_name {
	char text[MAPPER_NAME_BYTES];
};

/** Is there a device-mapper in this kernel at all? */
bool mapper_is_present(void);

/** Does the kernel know this type of target now? */
bool mapper_has_target(const char *type);

/** Names of all mapped devices; free() the array. */
int mapper_list(struct mapper_name **ret_names, size_t *ret_nr);

enum mapper_query {
	MAPPER_TABLE,
	MAPPER_STATUS,
};

/**
 * The first target of a device: length and what follows the type. Errors: -ENXIO
 * (no such device), -EMEDIUMTYPE (not exactly one target of this type). free()
 * *ret_params.
 */
int mapper_query(enum mapper_query query, const char *name, const char *type,
		 dev_t *ret_device, uint64_t *ret_sectors, char **ret_params);

/** Make a device without a table. Errors: -EBUSY (name or uuid is taken). */
int mapper_create(const char *name, const char *uuid);
int mapper_load(const char *name, uint64_t sectors, const char *type, const char *params);
int mapper_resume(const char *name);
int mapper_remove(const char *name);

/** To the target at the device's beginning. The kernel splits it at spaces, "\\" quotes one. */
int mapper_message(const char *name, const char *message);

#endif
