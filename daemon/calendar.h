/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Recurring times as systemd.time(7) writes them, without years: "hourly", "02:30",
 * "Mon..Fri 02:30", "Sat *-*-1..7 04:00", "*:00/15". In local time.
 */
#ifndef DAEMON_CALENDAR_H
#define DAEMON_CALENDAR_H

#include <stdint.h>

/* Sets of numbers: bit n stands for n. */
struct calendar {
	uint64_t seconds, minutes; /* 0 to 59 */
	uint32_t hours;            /* 0 to 23 */
	uint32_t days;             /* 1 to 31 */
	uint16_t months;           /* 1 to 12 */
	uint8_t weekdays;          /* 0, Sunday, to 6 */
};

/** Errors: -EINVAL, also of what never comes, such as the 30th of February. */
int calendar_parse(const char *text, struct calendar *ret_calendar);

/**
 * The first of its times behind after_s, in seconds since 1970. What the clock skips comes
 * when it goes on; of what comes twice the first one counts. 0: none within 40 years.
 */
int64_t calendar_next(const struct calendar *calendar, int64_t after_s);

#endif
