/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The jobs of the config.
 */
#ifndef DAEMON_JOBS_H
#define DAEMON_JOBS_H

#include "daemon/config.h"
#include "daemon/job.h"

#include <json-c/json.h>

struct jobs {
	void (*waits)(void); /* called every second while others have to end; or NULL */
	struct job_settings **settings;
	struct job **jobs; /* one for each; NULL: could not start */
	size_t nr;
};

/**
 * Have these jobs and no others: those of which the config says the same as the one before go on
 * undisturbed. Takes the config's.
 */
void jobs_adopt(struct jobs *jobs, struct config *config);

/** End all of them; runs that are under way are cancelled. */
void jobs_stop(struct jobs *jobs);

/** Errors, with a sentence: -ENOENT (no such job), those of job_order(). */
int jobs_order(struct jobs *jobs, const char *name, enum job_order order);

/** job_accept() of the job that waits for it. Errors, with a sentence: -ENOENT, its own. */
int jobs_accept(struct jobs *jobs, const char *volume);

/** An array; members keep their names and meanings. */
struct json_object *jobs_to_json(struct jobs *jobs);

#endif
