// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "cli/status_note.h"
#include "common/duration_text.h"
#include "common/size_text.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS 1000000u

const char *status_text(struct json_object *volume, const char *member)
{
	struct json_object *value = json_object_object_get(volume, member);

	return value ? json_object_get_string(value) : "";
}

uint64_t status_number(struct json_object *volume, const char *member)
{
	return json_object_get_uint64(json_object_object_get(volume, member));
}

bool status_knows(struct json_object *volume, const char *member)
{
	return json_object_object_get(volume, member);
}

uint64_t status_age_ms(uint64_t now_ms, uint64_t time_ms)
{
	return now_ms > time_ms ? now_ms - time_ms : 0;
}

static void print_scan(FILE *out, struct json_object *volume)
{
	uint64_t all = status_number(volume, "scan_bytes");
	uint64_t read = status_number(volume, "scanned_bytes");
	char size[SIZE_TEXT_BYTES];

	if (all)
		fprintf(out, ", %u%% of %s read", (unsigned int)((double)read / (double)all * 100),
			size_text_format(all, size));
}

static void print_until(FILE *out, struct json_object *volume)
{
	time_t until = (time_t)(status_number(volume, "durable_ms") / 1000);
	char when[32];
	struct tm tm;

	if (until && localtime_r(&until, &tm) &&
	    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm))
		fprintf(out, "; can be had until %s", when);
}

void status_note(FILE *out, struct json_object *volume, uint64_t now_ms)
{
	uint64_t failing_ms = status_number(volume, "failing_since_ms");
	uint64_t since_ms = failing_ms ? failing_ms : status_number(volume, "state_since_ms");
	const char *state = status_text(volume, "state"), *reason = status_text(volume, "reason");
	char age[DURATION_TEXT_BYTES];

	if (strcmp(state, "streaming") == 0)
		return;
	fputs(failing_ms ? "failing" : state, out);
	if (since_ms)
		fprintf(out, " for %s",
			duration_text_format(status_age_ms(now_ms, since_ms) * NS_PER_MS, age));
	if (strcmp(state, "scanning") == 0)
		print_scan(out, volume);
	if (failing_ms)
		fprintf(out, ": %s", reason);
	print_until(out, volume);
}
