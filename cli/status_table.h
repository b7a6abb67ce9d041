/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The volumes and the jobs of tidemarkd's answer as tables to be read at a glance.
 */
#ifndef CLI_STATUS_TABLE_H
#define CLI_STATUS_TABLE_H

#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>

/** volumes: the array. Below the table a line for each one that does not stream. */
void status_table(FILE *out, struct json_object *volumes, uint64_t now_ms);

/** The same of its jobs; nothing where there is none. */
void status_job_table(FILE *out, struct json_object *jobs, uint64_t now_ms);

#endif
