/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef VM_DISK_LOG_H
#define VM_DISK_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "../../../kernel/tm-disk-record.h"

/* The log of a test disk: a file in debugfs, or a copy of it, which is mapped and costs nothing. */
struct disk_log {
	const uint8_t *data;
	size_t bytes;
};

/* Ends the program where the log cannot be read. */
void disk_log_load(struct disk_log *log, const char *path);

/*
 * The record behind @before, NULL for the first one; NULL at the end. Ends the program where
 * one is missing.
 */
const struct td_record *disk_log_next(const struct disk_log *log, const struct td_record *before);

/* A write's payload. Ends the program where the disk kept none, or it is not what its hash says. */
const uint8_t *disk_log_payload(const struct td_record *record);

#endif
