// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark backup: a restore point of each volume, all at one instant.
 */
#include "agent/backup.h"
#include "agent/source_backup.h"
#include "cli/command.h"
#include "cli/json.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/size_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HOOK_TIMEOUT_NS 60000000000ull

static const char help[] =
	"Usage: tidemark backup DEVICE|NAME... [-r REPO] [--full] [--no-freeze] [--json] [--quiet]\n"
	"                       [--group NAME] [--hook FILE] [--hook-timeout SPAN]\n"
	"                       [--rate SIZE] [--cpu-share PERCENT] [--io-class CLASS]\n"
	"       tidemark backup FILE|DEVICE|- [-r REPO] [--name NAME] [--full] [--force] ...\n"
	"Store a restore point of an attached device, as it is at one instant. The first\n"
	"backup reads everything, later ones what was written since the last. Each point is\n"
	"a full image and needs no other point to be restored.\n\n"
	"Several devices are cut at the same instant, and get a point each: what is spread over\n"
	"them, such as a database and its log, fits together.\n\n"
	"File systems on the device are frozen for the instant of the cut, so that the image\n"
	"is clean; writes go on at once while the image is read.\n\n"
	"An image file, a device that is not attached, and standard input (-) are read in full\n"
	"each time, without the kernel module; only what changed is stored. Nothing may write\n"
	"to them meanwhile.\n\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --full       read everything, whatever was tracked\n"
	"      --no-freeze  do not freeze: the image is as after a power cut\n"
	"      --group NAME  what the devices are together: \"tidemark restore --group NAME\"\n"
	"                   brings all of them back\n"
	"      --hook FILE  a program to be told of the phases, so that a database is quiet for\n"
	"                   the cut; man tidemark, HOOKS\n"
	"      --hook-timeout SPAN  for each phase: 30s, 5min; 60s if not given\n"
	"      --rate SIZE  read so much a second at most, of all devices together: 50M\n"
	"      --cpu-share PERCENT  read no faster than so much of one processor allows: 50%\n"
	"      --io-class CLASS  read as idle, or best-effort[:0-7]\n"
	"      --compression M[:LEVEL]  another than the repository's: lz4, none, lz4hc, zstd\n"
	"      --name NAME  what is not attached is known by this name, not by its path or\n"
	"                   identity; standard input needs one\n"
	"      --force      read a device that is mounted and not attached all the same\n"
	"      --json       report one JSON object\n"
	"  -q, --quiet      no progress, no notes, no report\n"
	"  -h, --help       this text\n\n"
	"Exit status 5: the point was made, but the device could not read all of itself.\n\n"
	"Examples: tidemark backup /dev/vdb -r /backup/repo\n"
	"          ssh host cat /dev/vda1 | tidemark backup - --name host-vda1 -r /backup/repo";

static struct json_object *to_json(const struct backup_result *result)
{
	struct json_object *object = json_object_new_object();
	char id[TMC_ID_TEXT];

	tmc_id_format(&result->point.id, id);
	json_add_text(object, "point", id);
	if (result->point.group[0])
		json_add_text(object, "group", result->point.group);
	json_add_text(object, "kind", result->full ? "full" : "incremental");
	json_add_text(object, "volume", result->point.volume.name);
	json_add_text(object, "volume_id", result->point.volume.volume_id);
	json_add_number(object, "volume_bytes", result->point.volume.volume_bytes);
	json_add_number(object, "changed_bytes", result->point.changed_bytes);
	json_add_number(object, "frozen_bytes", result->frozen_bytes);
	json_add_number(object, "read_bytes", result->read_bytes);
	json_add_number(object, "preserved_bytes", result->preserved_bytes);
	json_add_number(object, "stored_bytes", result->point.stored_bytes);
	json_add_number(object, "unreadable_chunks", result->point.unreadable_chunks);
	json_add_number(object, "cut_time_ns", result->point.cut_time_ns);
	json_add_bool(object, "freeze", result->froze);
	json_add_bool(object, "acknowledged", result->acknowledged);
	json_add_number(object, "attempts", result->attempts);
	if (result->hook != BACKUP_HOOK_NONE)
		json_add_bool(object, "hook", result->hook == BACKUP_HOOK_DONE);
	json_add_ms(object, "seconds", result->elapsed_ms);
	return object;
}

/* One volume's own object, or an array of them. Points that were not made are not in it. */
static void report_json(const struct backup_result *results, size_t nr)
{
	struct json_object *object = json_object_new_object();
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < nr; i++)
		if (results[i].made)
			json_object_array_add(array, to_json(&results[i]));
	if (nr > 1) {
		json_object_object_add(object, "points", array);
		json_print(object);
		return;
	}
	json_print(json_object_get(json_object_array_get_idx(array, 0)));
	json_object_put(array);
	json_object_put(object);
}

static void report_text(const struct backup_result *result)
{
	char id[TMC_ID_TEXT];
	char size[SIZE_TEXT_BYTES];
	char read[SIZE_TEXT_BYTES];
	char changed[SIZE_TEXT_BYTES];
	char stored[SIZE_TEXT_BYTES];

	tmc_id_format(&result->point.id, id);
	printf("point %.12s of %s (%s): %s, read %s, changed %s, stored %s, %" PRIu64 ".%" PRIu64
	       " s\n",
	       id, result->point.volume.name,
	       size_text_format(result->point.volume.volume_bytes, size),
	       result->full ? "full" : "incremental", size_text_format(result->read_bytes, read),
	       size_text_format(result->point.changed_bytes, changed),
	       size_text_format(result->point.stored_bytes, stored), result->elapsed_ms / 1000,
	       result->elapsed_ms / 100 % 10);
}

static enum exit_status complain_unreadable(const struct backup_request *request, size_t i,
					    const struct backup_result *result)
{
	if (!result->point.unreadable_chunks)
		return EXIT_STATUS_OK;
	fprintf(stderr, "tidemark: %s: %" PRIu64 " chunks could not be read from the device; the "
		"point names them, restore leaves zeros there\n", request->volumes[i],
		result->point.unreadable_chunks);
	return EXIT_STATUS_DAMAGED;
}

static enum exit_status backup(const struct backup_request *request, bool json, bool quiet)
{
	struct backup_result results[BACKUP_VOLUMES_MAX];
	enum exit_status status = EXIT_STATUS_OK;
	int r = backup_run(request, results);

	if (r < 0)
		status = command_failure(r);
	if (json && (r == 0 || results[0].made))
		report_json(results, request->nr_volumes);
	for (size_t i = 0; i < request->nr_volumes && results[i].made; i++) {
		if (!json && !quiet)
			report_text(&results[i]);
		if (complain_unreadable(request, i, &results[i]) && status == EXIT_STATUS_OK)
			status = EXIT_STATUS_DAMAGED;
	}
	return status;
}

/* What is not attached: one at a time, for there is no common cut. */
static enum exit_status backup_source(const struct backup_request *request,
				      const struct source_request *source, bool json, bool quiet)
{
	struct source_backup_request source_request = {
		.source = *source,
		.compression = request->compression,
		.limits = request->limits,
		.full = request->full,
		.progress = request->progress,
		.notice = request->notice,
	};
	struct backup_result result;
	int r;

	if (request->hook)
		return command_usage("backup", "--hook: %s is not attached, so there is no cut that a hook "
				     "could make anything quiet for", source->path);
	if (request->group)
		return command_usage("backup", "--group: %s is not attached, so there is no "
				     "common cut", source->path);
	if (request->nr_volumes != 1)
		return command_usage("backup", "%s: is not attached, so it can only be backed up by "
				     "itself", source->path);
	r = source_backup_run(&source_request, &result);
	if (r < 0)
		return command_failure(r);
	if (json)
		report_json(&result, 1);
	else if (!quiet)
		report_text(&result);
	return complain_unreadable(request, 0, &result);
}

static enum exit_status backup_any(const struct backup_request *request,
				   struct source_request *source, bool json, bool quiet)
{
	for (size_t i = 0; i < request->nr_volumes; i++) {
		bool meant;
		int r = source_is_meant(request->volumes[i], &meant);

		if (r < 0)
			return command_failure(r);
		source->path = request->volumes[i];
		source->repository = request->repository;
		if (meant)
			return backup_source(request, source, json, quiet);
	}
	if (request->group && !*request->group)
		return command_usage("backup", "--group: is empty");
	if (source->name || source->force)
		return command_usage("backup", "--%s: is not for an attached device",
				     source->name ? "name" : "force");
	return backup(request, json, quiet);
}

/* r: what limits_parse_...() returned. */
static enum exit_status check_limit(const char *option, const char *text, int r)
{
	if (r < 0)
		return command_usage("backup", "%s %s: %s", option, text, failure_text());
	return EXIT_STATUS_OK;
}

/* Where the hook is run nobody knows where this was; free() it. NULL: out of memory. */
static char *absolute_path(const char *path)
{
	CLEANUP_FREE char *here = *path == '/' ? strdup("") : getcwd(NULL, 0);
	char *absolute;

	if (!here || asprintf(&absolute, "%s%s%s", here, *here ? "/" : "", path) < 0)
		return NULL;
	return absolute;
}

enum exit_status command_backup(int argc, char **argv)
{
	static const struct option options[] = {
		{"repo", required_argument, NULL, 'r'},
		{"full", no_argument, NULL, 'f'},
		{"no-freeze", no_argument, NULL, 'z'},
		{"compression", required_argument, NULL, 'C'},
		{"name", required_argument, NULL, 'n'},
		{"force", no_argument, NULL, 'F'},
		{"group", required_argument, NULL, 'G'},
		{"hook", required_argument, NULL, 'H'},
		{"hook-timeout", required_argument, NULL, 'T'},
		{"rate", required_argument, NULL, 'R'},
		{"cpu-share", required_argument, NULL, 'P'},
		{"io-class", required_argument, NULL, 'I'},
		{"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct backup_request request = {
		.freeze = true,
		.hook_timeout_ns = HOOK_TIMEOUT_NS,
		.warning = command_warning,
	};
	CLEANUP_FREE char *hook = NULL;
	struct source_request source = {0};
	struct tmc_compression compression;
	enum exit_status status;
	bool quiet = false;
	bool json = false;
	int option, r;

	while ((option = getopt_long(argc, argv, ":r:qh", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			request.repository = optarg;
			break;
		case 'f':
			request.full = true;
			break;
		case 'z':
			request.freeze = false;
			break;
		case 'C':
			status = command_compression("backup", optarg, &compression);
			if (status != EXIT_STATUS_OK)
				return status;
			request.compression = &compression;
			break;
		case 'n':
			if (!*optarg)
				return command_usage("backup", "--name: is empty");
			source.name = optarg;
			break;
		case 'F':
			source.force = true;
			break;
		case 'G':
			request.group = optarg;
			break;
		case 'H':
			free(hook);
			request.hook = hook = absolute_path(optarg);
			if (!hook)
				return command_usage("backup", "--hook %s: %s", optarg, strerror(errno));
			break;
		case 'T':
			status = command_timeout("backup", "--hook-timeout", optarg,
						 &request.hook_timeout_ns);
			if (status != EXIT_STATUS_OK)
				return status;
			break;
		case 'R':
			r = limits_parse_rate(optarg, &request.limits.bytes_per_second);
			status = check_limit("--rate", optarg, r);
			if (status != EXIT_STATUS_OK)
				return status;
			break;
		case 'P':
			r = limits_parse_cpu_share(optarg, &request.limits.cpu_percent);
			status = check_limit("--cpu-share", optarg, r);
			if (status != EXIT_STATUS_OK)
				return status;
			break;
		case 'I':
			r = limits_parse_io_class(optarg, &request.limits.io_class);
			status = check_limit("--io-class", optarg, r);
			if (status != EXIT_STATUS_OK)
				return status;
			break;
		case 'j':
			json = true;
			break;
		case 'q':
			quiet = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("backup", option, argv);
		}
	}
	if (argc - optind < 1 || argc - optind > BACKUP_VOLUMES_MAX)
		return command_usage("backup", "backup: give a device, an attachment, a file or -, or up to %d",
				     BACKUP_VOLUMES_MAX);
	request.repository = command_repository("backup", request.repository);
	if (!request.repository)
		return EXIT_STATUS_USAGE;
	request.volumes = argv + optind;
	request.nr_volumes = (size_t)(argc - optind);
	request.progress = !quiet;
	request.notice = quiet ? NULL : command_notice;
	return backup_any(&request, &source, json, quiet);
}
