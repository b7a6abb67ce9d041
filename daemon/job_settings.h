/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a job is told to do, by the config.
 */
#ifndef DAEMON_JOB_SETTINGS_H
#define DAEMON_JOB_SETTINGS_H

#include "daemon/schedule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job_volume {
	char *name;   /* of its attachment */
	char *device; /* path, or the name of an attachment */
};

/* Of a command: "--keep-daily" and "14". */
struct job_option {
	const char *name;
	char *value;
};

struct job_options {
	struct job_option *options;
	size_t nr;
};

struct job_settings {
	char *name;
	char *repository;
	bool backs_up; /* or it is for retention alone: of a volume whose points come from its stream */
	struct job_volume *volumes; /* one, or those of a group */
	size_t nr_volumes;
	char *schedule_text;
	struct schedule schedule;
	char *hook; /* NULL: none */
	char *hook_timeout;
	struct job_options limits; /* of tidemark backup */
	struct job_options keeps;  /* of tidemark prune */
};

/** NULL is fine. */
void job_settings_free(struct job_settings *settings);

/** Whether a job may go on undisturbed. */
bool job_settings_same(const struct job_settings *a, const struct job_settings *b);

#endif
