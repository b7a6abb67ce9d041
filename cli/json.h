/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Reports for programs: one JSON object on standard output. Names and meanings
 * of members never change; new ones may be added.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

void json_add_text(struct json_object *object, const char *name, const char *text);
void json_add_number(struct json_object *object, const char *name, uint64_t number);
/** As seconds with three digits behind the point. */
void json_add_ms(struct json_object *object, const char *name, uint64_t ms);
void json_add_bool(struct json_object *object, const char *name, bool value);

/** For CLEANUP(). */
void json_drop(struct json_object **object);

/** Prints and frees it. */
void json_print(struct json_object *object);

#endif
