/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Metrics as a file for the textfile collector of node_exporter, which reads whatever ends in
 * .prom.
 */
#ifndef DAEMON_METRICS_FILE_H
#define DAEMON_METRICS_FILE_H

/**
 * Put text in the place of what is at path; who reads it sees the one or the other. Errors:
 * those of open, write and rename, with a sentence; what was there stays.
 */
int metrics_file_replace(const char *path, const char *text);

/** What is not updated any more would lie. */
void metrics_file_remove(const char *path);

#endif
