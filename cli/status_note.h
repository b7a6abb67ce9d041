/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Of a volume that does not stream: what it does instead, why, and what can be had of it.
 */
#ifndef CLI_STATUS_NOTE_H
#define CLI_STATUS_NOTE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** Members of a volume in tidemarkd's answer; null and missing ones are "" and 0. */
const char *status_text(struct json_object *volume, const char *member);
uint64_t status_number(struct json_object *volume, const char *member);
bool status_knows(struct json_object *volume, const char *member);

/** How long ago that was; 0 where it lies ahead. */
uint64_t status_age_ms(uint64_t now_ms, uint64_t time_ms);

/** A part of a line, without the volume's name; nothing where it streams. */
void status_note(FILE *out, struct json_object *volume, uint64_t now_ms);

#endif
