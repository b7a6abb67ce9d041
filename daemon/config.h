/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What tidemarkd is told to do: /etc/tidemark/tidemark.conf, which tidemark.conf(5)
 * describes. Read as a whole or not at all.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include "agent/control_client.h"
#include "agent/protection.h"
#include "daemon/job_settings.h"

#include <stdbool.h>
#include <stddef.h>

struct config {
	struct protection_settings *volumes; /* of mode stream; strings are the config's */
	size_t nr_volumes;
	struct job_settings **jobs;
	size_t nr_jobs;
	char *metrics_file;   /* absolute; NULL: none, as the next one */
	char *metrics_listen; /* an address that loopback_address_parse() takes */
};

/**
 * Errors: -EINVAL, with a sentence that names file and line; -ENOENT and others of
 * opening it.
 */
int config_read(const char *path, struct config *ret_config);
void config_clear(struct config *config);

bool config_same_volume(const struct protection_settings *a, const struct protection_settings *b);

#endif
