/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A job, in a thread of its own, until it is stopped: runs of tidemark backup on a schedule,
 * and of tidemark prune behind each. docs/schedule.md has the rules.
 */
#ifndef DAEMON_JOB_H
#define DAEMON_JOB_H

#include "daemon/job_devices.h"
#include "daemon/job_settings.h"
#include "daemon/job_state.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum job_activity {
	JOB_WAITING,  /* for its time */
	JOB_RUNNING,
	JOB_FAILED,   /* the latest run has; it waits to try again */
	JOB_PAUSED,
	JOB_AWAY,     /* a device of it is gone, or another one is in its place: it has no runs */
};

struct job_status {
	enum job_activity activity;
	int64_t due_s;       /* INT64_MAX: never */
	int64_t started_s;   /* of the run that is under way */
	struct job_devices devices;
	struct job_state state;
};

enum job_order {
	JOB_ORDER_RUN,    /* now, whatever the schedule says */
	JOB_ORDER_CANCEL, /* the run that is under way; no other before the next slot */
	JOB_ORDER_PAUSE,  /* no run from now on; one that is under way is cancelled */
	JOB_ORDER_RESUME,
};

struct job;

/** settings outlive it. Errors, with a sentence: -ENOMEM, -EAGAIN. */
int job_start(const struct job_settings *settings, struct job **ret_job);

/** Ask it to end; a run that is under way is cancelled. Then wait for it, and free it. */
void job_ask_to_stop(struct job *job);
void job_stop(struct job *job);
bool job_has_ended(const struct job *job);

/**
 * Errors, with a sentence: -EBUSY, -ENOENT (nothing is under way that could be cancelled), -ENXIO
 * (a device is away).
 */
int job_order(struct job *job, enum job_order order);
/**
 * What is in the place of this volume's device is the volume from now on. Errors: those of
 * job_devices_accept(); -ENODEV, without a sentence: it has no such volume, or that was not
 * replaced.
 */
int job_accept(struct job *job, const char *volume);

void job_get_status(struct job *job, struct job_status *ret_status);
const char *job_activity_name(enum job_activity activity);

#endif
