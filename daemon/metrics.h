/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The status (daemon/volume_report.h, daemon/jobs.h) as metrics, in Prometheus' text format 0.0.4.
 * tidemarkd(8) lists them; names and meanings stay.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <json-c/json.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/**
 * status: the answer to "status". What a volume or a job has no value of has no sample. Returns the
 * text, which is the caller's, freed with free(); NULL: out of memory.
 */
char *metrics_render(struct json_object *status);

#endif
