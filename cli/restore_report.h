/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What people read of a restore.
 */
#ifndef CLI_RESTORE_REPORT_H
#define CLI_RESTORE_REPORT_H

#include <stdio.h>

struct restore_result;

/** Where a report goes: standard error, where standard output is the target. */
FILE *restore_report_stream(const char *target);

/** What was done, or what would be. */
void restore_report(const char *target, const struct restore_result *result);

/** Ranges on standard error: zeros by the backup's fault; what a restore that failed lacks. */
void restore_report_unreadable(const char *target, const struct restore_result *result);
void restore_report_incomplete(const char *target, const struct restore_result *result);

#endif
