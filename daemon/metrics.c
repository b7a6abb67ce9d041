// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A metric whose samples are all missing is not named either. Numbers are written as integers,
 * or with three digits behind the point, whatever the locale.
 */
#include "daemon/metrics.h"
#include "daemon/metrics_table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(struct json_object *object, const char *member)
{
	struct json_object *value = json_object_object_get(object, member);

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

static bool find_number(struct json_object *object, const struct metric *metric,
			uint64_t *ret_number)
{
	struct json_object *value = json_object_object_get(object, metric->member);

	if (!value)
		return false;
	*ret_number = json_object_get_uint64(value);
	return *ret_number || metric->unit == METRIC_PLAIN || metric->unit == METRIC_MS;
}

static void print_number(FILE *out, uint64_t number, enum metric_unit unit)
{
	if (unit == METRIC_MS || unit == METRIC_TIME)
		fprintf(out, " %" PRIu64 ".%03u\n", number / 1000, (unsigned int)(number % 1000));
	else
		fprintf(out, " %" PRIu64 "\n", number);
}

static void render_metric(FILE *out, struct json_object *array, const char *label,
			  const struct metric *metric)
{
	bool is_named = false;

	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *object = json_object_array_get_idx(array, i);
		uint64_t number;

		if (!find_number(object, metric, &number))
			continue;
		if (!is_named)
			print_head(out, metric->name, metric->type, metric->help);
		is_named = true;
		fprintf(out, "%s{", metric->name);
		print_label(out, label, text_of(object, label));
		fputc('}', out);
		print_number(out, number, metric->unit);
	}
}

/* ----------------------------------------------------------------------- states */

static void render_states_of(FILE *out, struct json_object *object, const char *label,
			     const struct metric_states *set)
{
	for (const char *const *state = set->states; *state; state++) {
		fprintf(out, "%s{", set->name);
		print_label(out, label, text_of(object, label));
		fputc(',', out);
		print_label(out, "state", *state);
		fprintf(out, "} %d\n", strcmp(text_of(object, set->member), *state) == 0);
	}
}

static void render_states(FILE *out, struct json_object *array, const char *label,
			  const struct metric_states *set)
{
	bool is_named = false;

	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *object = json_object_array_get_idx(array, i);

		if (!*text_of(object, set->member))
			continue;
		if (!is_named)
			print_head(out, set->name, "gauge", set->help);
		is_named = true;
		render_states_of(out, object, label, set);
	}
}

/* --------------------------------------------------------------------- subjects */

static void render_infos(FILE *out, struct json_object *array, const struct metric_subject *subject)
{
	print_head(out, subject->info, "gauge", subject->info_help);
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *object = json_object_array_get_idx(array, i);

		fprintf(out, "%s{", subject->info);
		print_label(out, subject->label, text_of(object, subject->label));
		for (const char *const *label = subject->info_labels; *label; label++) {
			fputc(',', out);
			print_label(out, *label, text_of(object, *label));
		}
		fputs("} 1\n", out);
	}
}

static void render_subject(FILE *out, struct json_object *array,
			   const struct metric_subject *subject)
{
	if (!array || !json_object_array_length(array))
		return;
	render_infos(out, array, subject);
	for (const struct metric_states *set = subject->states; set->name; set++)
		render_states(out, array, subject->label, set);
	for (const struct metric *metric = subject->metrics; metric->name; metric++)
		render_metric(out, array, subject->label, metric);
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
	for (const struct metric_subject *subject = metric_subjects; subject->array; subject++)
		render_subject(out, json_object_object_get(status, subject->array), subject);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
