/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What tidemarkd says of its work: to the journal with fields of its own where it was
 * started by systemd, else as lines on standard error.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

/** As syslog(3) has them. */
enum log_priority {
	LOG_PRIORITY_ERROR = 3,
	LOG_PRIORITY_WARNING = 4,
	LOG_PRIORITY_INFO = 6,
};

/** volume: NULL for the daemon itself. From any thread. */
void log_say(enum log_priority priority, const char *volume, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
