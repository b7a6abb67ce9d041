// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Members are never renamed; new ones may be added.
 */
#include "cli/restore_manifest.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "restore/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

static void put_text(FILE *out, const char *name, const char *text)
{
	struct json_object *object = json_object_new_string(text);

	fprintf(out, "  \"%s\": %s,\n", name,
		json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static void put_number(FILE *out, const char *name, uint64_t number)
{
	fprintf(out, "  \"%s\": %" PRIu64 ",\n", name, number);
}

static void put_id(FILE *out, const char *name, const struct tmc_id *id)
{
	char text[TMC_ID_TEXT];

	tmc_id_format(id, text);
	put_text(out, name, text);
}

/* ---------------------------------------------------------------------- parts */

static const char *state_of(const struct restore_result *result)
{
	if (result->dry_run)
		return "dry-run";
	return result->stage == RESTORE_COMPLETE ? "complete" : "incomplete";
}

static void put_source(FILE *out, const struct restore_result *result)
{
	const struct tmc_instant *instant = &result->instant;
	char stretch[17];

	if (!instant->stretch) {
		put_id(out, "point", &result->point.id);
		return;
	}
	snprintf(stretch, sizeof(stretch), "%016" PRIx64, instant->stretch);
	put_text(out, "stretch", stretch);
	put_number(out, "seq", instant->seq);
	put_number(out, "time_ns", instant->time_ns);
	put_id(out, "base", &instant->base);
}

static void put_proof(FILE *out, const struct restore_result *result)
{
	static const char *const methods[] = {
		[RESTORE_WHOLE] = "whole", [RESTORE_DELTA] = "delta", [RESTORE_RESUME] = "resume",
	};
	static const char *const bases[] = {
		[RESTORE_BY_NOTHING] = "nothing",
		[RESTORE_BY_HASH] = "hash",
		[RESTORE_BY_TRACKER] = "tracker",
		[RESTORE_BY_BYTES] = "bytes",
	};

	put_text(out, "method", methods[result->method]);
	put_text(out, "hash", result->is_keyed ? "HMAC-SHA-256" : "SHA-256");
	put_text(out, "unchanged_by", bases[result->basis]);
	if (result->basis == RESTORE_BY_TRACKER)
		put_id(out, "tracker_base", &result->base);
	if (result->basis == RESTORE_BY_HASH && *result->why)
		put_text(out, "not_by_tracker", result->why);
	put_number(out, "compared_chunks", result->nr_compared);
	put_number(out, "verified_chunks", tally_nr_chunks(&result->tally, TALLY_WRITTEN));
	fprintf(out, "  \"read_back\": %s,\n", result->is_read_back ? "true" : "false");
	put_number(out, "read_back_chunks", result->nr_read_back);
}

/* --------------------------------------------------------------------- ranges */

static const struct {
	enum tally_fate fate;
	const char *ranges, *bytes;
} fates[] = {
	{TALLY_WRITTEN, "written", "written_bytes"},
	{TALLY_ZEROED, "zeroed", "zeroed_bytes"},
	{TALLY_SAME, "same", "same_bytes"},
	{TALLY_KNOWN, "known", "known_bytes"},
	{TALLY_INCOMPLETE, "incomplete", "incomplete_bytes"},
	{TALLY_UNREADABLE, "unreadable", "unreadable_bytes"},
};

#define NR_FATES (sizeof(fates) / sizeof(*fates))

struct list {
	FILE *out;
	uint64_t nr;
};

static int put_range(void *context, uint64_t offset, uint64_t bytes)
{
	struct list *list = context;

	fprintf(list->out, "%s\n    { \"offset\": %" PRIu64 ", \"bytes\": %" PRIu64 " }",
		list->nr++ ? "," : "", offset, bytes);
	return 0;
}

static void put_ranges(FILE *out, const struct restore_result *result)
{
	for (size_t i = 0; i < NR_FATES; i++) {
		struct list list = {out, 0};

		fprintf(out, "  \"%s\": [", fates[i].ranges);
		tally_ranges(&result->tally, fates[i].fate, put_range, &list);
		fprintf(out, "%s]%s\n", list.nr ? "\n  " : "", i + 1 < NR_FATES ? "," : "");
	}
}

void restore_manifest_print(FILE *out, const char *target, const struct restore_result *result)
{
	fputs("{\n", out);
	put_text(out, "state", state_of(result));
	put_source(out, result);
	put_text(out, "volume", result->point.volume.name);
	put_text(out, "volume_id", result->point.volume.volume_id);
	put_text(out, "target", target);
	put_number(out, "volume_bytes", result->tally.volume_bytes);
	put_number(out, "begin", result->tally.begin);
	put_number(out, "end", result->tally.end);
	put_proof(out, result);
	for (size_t i = 0; i < NR_FATES; i++)
		put_number(out, fates[i].bytes, tally_bytes(&result->tally, fates[i].fate));
	put_number(out, "started_ns", result->start_ns);
	fprintf(out, "  \"seconds\": %" PRIu64 ".%03" PRIu64 ",\n", result->elapsed_ms / 1000,
		result->elapsed_ms % 1000);
	put_ranges(out, result);
	fputs("}\n", out);
}

/* ------------------------------------------------------------------------ file */

static int manifest_failure(const char *path)
{
	return failure_set(-errno, "%s: the manifest cannot be written: %s", path, strerror(errno));
}

static int write_file(const char *path, const char *target, const struct restore_result *result)
{
	FILE *file = fopen(path, "we");
	bool failed;

	if (!file)
		return manifest_failure(path);
	restore_manifest_print(file, target, result);
	failed = fflush(file) != 0 || ferror(file) || fsync(fileno(file)) < 0;
	if (fclose(file) != 0 || failed)
		return manifest_failure(path);
	return 0;
}

static int sync_parent(const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);
	CLEANUP_CLOSE int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd < 0 || fsync(fd) < 0 ? manifest_failure(path) : 0;
}

/* Whoever reads it finds one or the other, whole. */
int restore_manifest_save(const char *path, const char *target,
			  const struct restore_result *result)
{
	CLEANUP_FREE char *draft = NULL;
	int r;

	if (asprintf(&draft, "%s.new", path) < 0) {
		draft = NULL;
		return failure_set(-ENOMEM, "%s: out of memory", path);
	}
	r = write_file(draft, target, result);
	if (r == 0 && rename(draft, path) < 0)
		r = manifest_failure(path);
	if (r < 0)
		unlink(draft);
	return r < 0 ? r : sync_parent(path);
}
