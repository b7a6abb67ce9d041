/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef VM_DM_H
#define VM_DM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Device-mapper's calls one by one, straight to the kernel: no library in between
 * that allocates, retries, or tidies up. Each returns 0 or a negative errno.
 *
 * @name: of the mapped device. No nodes are made below /dev/mapper.
 */
int dm_create(const char *name);
int dm_load(const char *name, uint64_t nr_sectors, const char *type, const char *params);
int dm_clear(const char *name);
/* A device without a live table goes on without any; one with an inactive table gets it. */
int dm_resume(const char *name);
int dm_suspend(const char *name);
int dm_remove(const char *name);
int dm_message(const char *name, const char *text);
/* Status of the first target, as text. */
int dm_status(const char *name, char *ret_text, size_t text_bytes);
/* Its table, as text. */
int dm_table(const char *name, char *ret_text, size_t text_bytes);
/* Create, load and resume; what was made is removed again where a step fails. */
int dm_make(const char *name, uint64_t nr_sectors, const char *type, const char *params);
/* Number of the device: major in the upper half, minor in the lower. */
int dm_number(const char *name, uint32_t *ret_major, uint32_t *ret_minor);
/* The file that all calls go to, opened when it is first asked for. */
int dm_control(void);

#endif
