/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Is all well? Judges the object that "tidemark status --json" prints, as a plugin of a
 * monitoring system does: tidemark(8) says what counts as what.
 */
#ifndef CLI_STATUS_CHECK_H
#define CLI_STATUS_CHECK_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** The exit status, as Nagios, Icinga and others understand it. */
enum status_level {
	STATUS_OK = 0,
	STATUS_WARNING = 1,
	STATUS_CRITICAL = 2,
	STATUS_UNKNOWN = 3, /* it could not be found out */
};

struct status_limits {
	uint64_t lag_ms;       /* 0: by what the volume promises, as the next one */
	uint64_t point_age_ms;
};

/**
 * Prints a line for each problem, the worst first, or one that says OK. report: it may lack
 * what a later or an earlier tidemarkd does not say. Returns the worst level; -ENOMEM.
 */
int status_check(struct json_object *report, const struct status_limits *limits, uint64_t now_ms,
		 FILE *out);

#endif
