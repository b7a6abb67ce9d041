/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * When a job is to run: docs/schedule.md. Times are seconds since 1970 by the wall clock.
 */
#ifndef DAEMON_SCHEDULE_H
#define DAEMON_SCHEDULE_H

#include "daemon/calendar.h"

#include <stdint.h>

struct schedule {
	int64_t interval_s; /* its slots are the multiples; 0: the calendar's */
	struct calendar calendar;
	int64_t late_s;     /* behind each slot */
};

/** A span of time of at least a minute, or what calendar_parse() takes. Errors: -EINVAL. */
int schedule_parse(const char *text, struct schedule *ret_schedule);

/** Draw how late it is, less than jitter_s, from the host and the name. */
void schedule_spread(struct schedule *schedule, int64_t jitter_s, const char *name);

/** What has become of a job. */
struct schedule_past {
	int64_t settled_s; /* up to then no slot wants a run; 0: there was none yet */
	int64_t failed_s;  /* end of the latest run that failed */
	unsigned int failures; /* since the last that did not */
};

/** When the next run is due, now or later; INT64_MAX: never. */
int64_t schedule_due(const struct schedule *schedule, const struct schedule_past *past,
		     int64_t now_s);

/** A run that began then did what was wanted by its slot, and by each one before. */
void schedule_settle(const struct schedule *schedule, struct schedule_past *past, int64_t began_s);
void schedule_note_failure(struct schedule_past *past, int64_t now_s);

#endif
