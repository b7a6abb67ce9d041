// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark restore: a point onto a device or into a file.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "common/cleanup.h"
#include "common/size_text.h"
#include "restore/restore.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define RANGES_SHOWN 20

static const char help[] =
	"Usage: tidemark restore POINT TARGET [-r REPO] [--force]\n"
	"Put a restore point on the block device TARGET, or into the file TARGET. POINT is\n"
	"\"latest\" or the first digits of an id (four or more) that \"tidemark points\" shows.\n"
	"Everything is checked before the first byte is written, and each chunk against its\n"
	"hash before it is written.\n\n"
	"Refused: a device that is mounted, swap, part of another device, attached, or too\n"
	"small; a target that the repository lies on. Refused without --force: a device that\n"
	"holds something else than the point's volume; a file that is not empty.\n\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"  -f, --force      overwrite what the target holds\n"
	"      --json       report one JSON object\n"
	"  -q, --quiet      no progress, no report\n"
	"  -h, --help       this text\n\n"
	"Exit status 5: done, but parts had been unreadable at the backup and are zeros now;\n"
	"or the repository is damaged and the target is incomplete.\n\n"
	"Example: tidemark restore latest /dev/vdc -r /backup/repo";

static void print_unreadable(const char *target, const struct restore_result *result)
{
	for (size_t i = 0; i < result->nr_unreadable && i < RANGES_SHOWN; i++)
		fprintf(stderr,
			"tidemark: %s: bytes %" PRIu64 " to %" PRIu64 " are zeros; the device "
			"could not be read there at the backup\n",
			target, result->unreadable[i].offset,
			result->unreadable[i].offset + result->unreadable[i].bytes - 1);
	if (result->nr_unreadable > RANGES_SHOWN)
		fprintf(stderr, "tidemark: %s: and %zu more such ranges\n", target,
			result->nr_unreadable - RANGES_SHOWN);
}

static uint64_t unreadable_bytes(const struct restore_result *result)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < result->nr_unreadable; i++)
		bytes += result->unreadable[i].bytes;
	return bytes;
}

static void report_json(const char *target, const struct restore_result *result)
{
	struct json_object *object = json_object_new_object();
	char id[TMC_ID_TEXT];

	tmc_id_format(&result->point.id, id);
	json_add_text(object, "point", id);
	json_add_text(object, "volume", result->point.volume.name);
	json_add_text(object, "target", target);
	json_add_number(object, "volume_bytes", result->point.volume.volume_bytes);
	json_add_number(object, "unreadable_bytes", unreadable_bytes(result));
	json_add_ms(object, "seconds", result->elapsed_ms);
	json_print(object);
}

static void report_text(const char *target, const struct restore_result *result)
{
	char id[TMC_ID_TEXT];
	char size[SIZE_TEXT_BYTES];

	tmc_id_format(&result->point.id, id);
	printf("point %.12s of %s restored to %s, %s, %" PRIu64 ".%" PRIu64 " s\n", id,
	       result->point.volume.name, target,
	       size_text_format(result->point.volume.volume_bytes, size),
	       result->elapsed_ms / 1000, result->elapsed_ms / 100 % 10);
}

static enum exit_status restore(const struct restore_request *request, bool json, bool quiet)
{
	CLEANUP(restore_result_clear) struct restore_result result = {0};
	int r = restore_run(request, &result);

	if (r < 0)
		return command_failure(r);
	if (json)
		report_json(request->target, &result);
	else if (!quiet)
		report_text(request->target, &result);
	print_unreadable(request->target, &result);
	return result.nr_unreadable ? EXIT_STATUS_DAMAGED : EXIT_STATUS_OK;
}

enum exit_status command_restore(int argc, char **argv)
{
	static const struct option options[] = {
		{"repo", required_argument, NULL, 'r'},
		{"force", no_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct restore_request request = {.force = TARGET_CAREFUL};
	bool quiet = false;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":r:fqh", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			request.repository = optarg;
			break;
		case 'f':
			request.force = TARGET_FORCE;
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
			return command_bad_option("restore", option, argv);
		}
	}
	if (argc - optind != 2)
		return command_usage("restore", "restore: give a point and a target");
	request.repository = command_repository("restore", request.repository);
	if (!request.repository)
		return EXIT_STATUS_USAGE;
	request.point = argv[optind];
	request.target = argv[optind + 1];
	request.progress = !quiet;
	return restore(&request, json, quiet);
}
