/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which metrics there are: of volumes and of jobs, from members of what the status says of
 * each.
 */
#ifndef DAEMON_METRICS_TABLE_H
#define DAEMON_METRICS_TABLE_H

#include <stddef.h>

enum metric_unit {
	METRIC_PLAIN,
	METRIC_MS,   /* becomes seconds */
	METRIC_TIME, /* becomes seconds since 1970; 0 is none */
	METRIC_SOME, /* plain; 0 is none */
};

/* Each list ends with a row, or a text, that is NULL. */

struct metric {
	const char *name;
	const char *type;
	const char *member;
	enum metric_unit unit;
	const char *help;
};

/* 1 for the state that the member names, 0 for the others. */
struct metric_states {
	const char *name;
	const char *member;
	const char *help;
	const char *states[6];
};

/* Things of one kind, that are in an array of the status. */
struct metric_subject {
	const char *array;
	const char *label; /* by which they are told apart; a member of the same name is its value */
	const char *info;  /* a metric that is 1 and has these members as labels too */
	const char *info_help;
	const char *info_labels[4];
	const struct metric_states *states;
	const struct metric *metrics;
};

extern const struct metric_subject metric_subjects[];

#endif
