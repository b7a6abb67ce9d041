/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One run of a job: its volumes are attached, where they are not, and backed up; points that
 * the rules do not keep go.
 */
#ifndef DAEMON_JOB_RUN_H
#define DAEMON_JOB_RUN_H

#include "daemon/job_devices.h"

#define JOB_POINTS_BYTES 512

/** Errors, with a sentence: those of opening the repository and of job_devices_attach(). */
int job_run_attach(const struct job_settings *settings, struct job_devices *ret_devices);

/**
 * ret_points: their ids, separated by blanks, cut off where there are many. stop_fd: readable
 * once it is to end. Errors, with a sentence: -ECANCELED, -EIO (the command said why),
 * those of attaching and of starting programs. What retention runs into is only said.
 */
int job_run(const struct job_settings *settings, int stop_fd,
	    char ret_points[JOB_POINTS_BYTES]);

#endif
