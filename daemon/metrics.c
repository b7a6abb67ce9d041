// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One table: each row is a metric and the member of a volume's report that it is made from. A
 * metric whose samples are all missing is not named either. Numbers are written as integers, or
 * with three digits behind the point, whatever the locale.
 */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum unit {
	UNIT_PLAIN,
	UNIT_MS,   /* becomes seconds */
	UNIT_TIME, /* becomes seconds since 1970; 0 is none */
	UNIT_SOME, /* plain; 0 is none */
};

struct metric {
	const char *name;
	const char *type;
	const char *member;
	enum unit unit;
	const char *help;
};

static const struct metric metrics[] = {
	{"tidemark_volume_bytes", "gauge", "volume_bytes", UNIT_SOME, "Size of the volume."},
	{"tidemark_state_start_timestamp_seconds", "gauge", "state_since_ms", UNIT_TIME,
	 "Since when the volume is in its state."},
	{"tidemark_protected_since_timestamp_seconds", "gauge", "protected_since_ms", UNIT_TIME,
	 "Since when every instant is kept without a hole; missing while none is."},
	{"tidemark_failing_since_timestamp_seconds", "gauge", "failing_since_ms", UNIT_TIME,
	 "Since when protecting the volume fails; missing while it does not."},
	{"tidemark_rpo_seconds", "gauge", "rpo_ms", UNIT_MS,
	 "How soon a write is to be durable in the repository."},
	{"tidemark_lag_seconds", "gauge", "lag_ms", UNIT_MS,
	 "Age of the oldest write that may not be durable; 0 when all are."},
	{"tidemark_durable_timestamp_seconds", "gauge", "durable_ms", UNIT_TIME,
	 "Until when every instant is known to be durable."},
	{"tidemark_point_timestamp_seconds", "gauge", "point_ms", UNIT_TIME,
	 "Instant of the latest restore point."},
	{"tidemark_point_checked_timestamp_seconds", "gauge", "point_checked_ms", UNIT_TIME,
	 "When the latest restore point was made, or found to lack nothing."},
	{"tidemark_points_interval_seconds", "gauge", "points_every_ms", UNIT_MS,
	 "How often a restore point is to be made; 0 for never."},
	{"tidemark_dirty_bytes", "gauge", "dirty_bytes", UNIT_PLAIN,
	 "What the kernel module would have read again after a failure."},
	{"tidemark_ring_bytes", "gauge", "ring_bytes", UNIT_PLAIN,
	 "Size of the ring between the kernel module and tidemarkd."},
	{"tidemark_ring_used_bytes", "gauge", "ring_waiting_bytes", UNIT_PLAIN,
	 "What waits in the ring."},
	{"tidemark_scan_bytes", "gauge", "scan_bytes", UNIT_SOME,
	 "What the latest scan of the device has to read."},
	{"tidemark_scanned_bytes", "gauge", "scanned_bytes", UNIT_SOME,
	 "What the latest scan of the device has read."},
	{"tidemark_journal_records_total", "counter", "seq", UNIT_SOME,
	 "Number of the latest record of the volume's journal."},
	{"tidemark_journal_durable_records_total", "counter", "durable_seq", UNIT_SOME,
	 "Number of the latest record that is durable."},
	{"tidemark_streamed_bytes_total", "counter", "streamed_bytes", UNIT_PLAIN,
	 "Content of the writes that were kept."},
	{"tidemark_rereads_total", "counter", "rereads", UNIT_PLAIN,
	 "Ranges that were read again because a write failed, or was in flight at the start."},
	{"tidemark_gaps_total", "counter", "gaps", UNIT_PLAIN,
	 "Times that the stream was interrupted because the ring was full."},
	{"tidemark_stalls_total", "counter", "stalls", UNIT_PLAIN,
	 "Writes that had to wait for room in the ring, since the volume was attached."},
};

struct state_set {
	const char *name;
	const char *member;
	const char *help;
	const char *states[5];
};

static const struct state_set state_sets[] = {
	{"tidemark_state", "state", "1 for the state that the volume is in, 0 for the others.",
	 {"starting", "scanning", "streaming", "waiting"}},
	{"tidemark_device_state", "device_state",
	 "1 for what has become of the attached device, 0 for what has not.",
	 {"ok", "grown", "short", "gone"}},
};

static const char *text_of(struct json_object *volume, const char *member)
{
	struct json_object *value = json_object_object_get(volume, member);

	return value ? json_object_get_string(value) : "";
}

/* A scrape whose text is not UTF-8 fails as a whole; a name from a config may be anything. */
static size_t utf8_bytes(const char *text)
{
	static const unsigned char leads[] = {0x80, 0xc2, 0xe0, 0xf0, 0xf5};
	const unsigned char *c = (const unsigned char *)text;
	size_t bytes = 1;

	if (c[0] < leads[0])
		return 1;
	if (c[0] < leads[1] || c[0] >= leads[4])
		return 0;
	bytes += 1 + (c[0] >= leads[2]) + (c[0] >= leads[3]);
	for (size_t i = 1; i < bytes; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond the last character. */
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) ||
	    (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] >= 0x90))
		return 0;
	return bytes;
}

static void print_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	while (*value) {
		size_t bytes = utf8_bytes(value);

		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '\\' || *value == '"')
			fprintf(out, "\\%c", *value);
		else if (!bytes)
			fputs("\xef\xbf\xbd", out);
		else
			fwrite(value, 1, bytes, out);
		value += bytes ? bytes : 1;
	}
	fputc('"', out);
}

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---------------------------------------------------------------------- numbers */

static bool find_number(struct json_object *volume, const struct metric *metric,
			uint64_t *ret_number)
{
	struct json_object *value = json_object_object_get(volume, metric->member);

	if (!value)
		return false;
	*ret_number = json_object_get_uint64(value);
	return *ret_number || metric->unit == UNIT_PLAIN || metric->unit == UNIT_MS;
}

static void print_number(FILE *out, uint64_t number, enum unit unit)
{
	if (unit == UNIT_MS || unit == UNIT_TIME)
		fprintf(out, " %" PRIu64 ".%03u\n", number / 1000, (unsigned int)(number % 1000));
	else
		fprintf(out, " %" PRIu64 "\n", number);
}

static void render_metric(FILE *out, struct json_object *volumes, const struct metric *metric)
{
	bool is_named = false;

	for (size_t i = 0; i < json_object_array_length(volumes); i++) {
		struct json_object *volume = json_object_array_get_idx(volumes, i);
		uint64_t number;

		if (!find_number(volume, metric, &number))
			continue;
		if (!is_named)
			print_head(out, metric->name, metric->type, metric->help);
		is_named = true;
		fprintf(out, "%s{", metric->name);
		print_label(out, "volume", text_of(volume, "volume"));
		fputc('}', out);
		print_number(out, number, metric->unit);
	}
}

/* ----------------------------------------------------------------------- states */

static void render_states_of(FILE *out, struct json_object *volume, const struct state_set *set)
{
	for (const char *const *state = set->states; *state; state++) {
		fprintf(out, "%s{", set->name);
		print_label(out, "volume", text_of(volume, "volume"));
		fputc(',', out);
		print_label(out, "state", *state);
		fprintf(out, "} %d\n", strcmp(text_of(volume, set->member), *state) == 0);
	}
}

static void render_states(FILE *out, struct json_object *volumes, const struct state_set *set)
{
	bool is_named = false;

	for (size_t i = 0; i < json_object_array_length(volumes); i++) {
		struct json_object *volume = json_object_array_get_idx(volumes, i);

		if (!*text_of(volume, set->member))
			continue;
		if (!is_named)
			print_head(out, set->name, "gauge", set->help);
		is_named = true;
		render_states_of(out, volume, set);
	}
}

static void render_infos(FILE *out, struct json_object *volumes)
{
	static const char *const labels[] = {"device", "repository", "volume_id"};

	for (size_t i = 0; i < json_object_array_length(volumes); i++) {
		struct json_object *volume = json_object_array_get_idx(volumes, i);

		fputs("tidemark_volume_info{", out);
		print_label(out, "volume", text_of(volume, "volume"));
		for (size_t j = 0; j < sizeof(labels) / sizeof(*labels); j++) {
			fputc(',', out);
			print_label(out, labels[j], text_of(volume, labels[j]));
		}
		fputs("} 1\n", out);
	}
}

static void render_volumes(FILE *out, struct json_object *volumes)
{
	if (!volumes || !json_object_array_length(volumes))
		return;
	print_head(out, "tidemark_volume_info", "gauge", "What the volume is and where it is kept.");
	render_infos(out, volumes);
	for (size_t i = 0; i < sizeof(state_sets) / sizeof(*state_sets); i++)
		render_states(out, volumes, &state_sets[i]);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++)
		render_metric(out, volumes, &metrics[i]);
}

char *metrics_render(struct json_object *status)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	print_head(out, "tidemark_build_info", "gauge", "The tidemarkd that runs.");
	fputs("tidemark_build_info{version=\"" TIDEMARK_VERSION "\"} 1\n", out);
	render_volumes(out, json_object_object_get(status, "volumes"));
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
