// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The time is shown as "tidemark points" shows it.
 */
#include "cli/point_brief.h"

#include "cli/json.h"

#include <stdio.h>
#include <time.h>

void point_brief_print(const struct tmc_point *point)
{
	time_t seconds = (time_t)(point->cut_time_ns / 1000000000u);
	char id[TMC_ID_TEXT];
	char when[32] = "?";
	struct tm local;

	if (localtime_r(&seconds, &local))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	tmc_id_format(&point->id, id);
	printf("%.12s  %-19s", id, when);
}

struct json_object *point_brief_json(const struct tmc_point *point)
{
	struct json_object *object = json_object_new_object();
	char id[TMC_ID_TEXT];

	tmc_id_format(&point->id, id);
	json_add_text(object, "point", id);
	json_add_text(object, "volume", point->volume.name);
	json_add_text(object, "volume_id", point->volume.volume_id);
	json_add_number(object, "cut_time_ns", point->cut_time_ns);
	return object;
}
