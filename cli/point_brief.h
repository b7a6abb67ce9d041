/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which point is meant, in a line or an object of a report on several.
 */
#ifndef CLI_POINT_BRIEF_H
#define CLI_POINT_BRIEF_H

#include <json-c/json.h>
#include <tidemark.h>

/** The first digits of its id and the local time of its cut: 33 columns, no newline. */
void point_brief_print(const struct tmc_point *point);

/** Members point, volume, volume_id, cut_time_ns. */
struct json_object *point_brief_json(const struct tmc_point *point);

#endif
