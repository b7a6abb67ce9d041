// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark restore: a point, or an instant of the journal, onto a device or into a file.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "common/cleanup.h"
#include "common/size_text.h"
#include "common/time_text.h"
#include "restore/restore.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define RANGES_SHOWN 20

static const char help[] =
	"Usage: tidemark restore POINT TARGET [-r REPO] [--force]\n"
	"       tidemark restore --at WHEN | --seq N | --mark NAME [--before-flush]\n"
	"           [--volume VOLUME] TARGET [-r REPO] [--force]\n"
	"Put a restore point on the block device TARGET, or into the file TARGET. POINT is\n"
	"\"latest\" or the first digits of an id (four or more) that \"tidemark points\" shows.\n"
	"Everything is checked before the first byte is written, and each chunk against its\n"
	"hash before it is written.\n\n"
	"Where a volume has a journal, it can be had as it was after any write. \"tidemark log\"\n"
	"shows what there is.\n\n"
	"      --at WHEN        after the last write up to then: \"2026-11-27 15:04:05.250\"; a\n"
	"                       time alone is today's; -30s, -5min, -2h, -1d; @seconds since 1970\n"
	"      --seq N          after this record of the journal\n"
	"      --mark NAME      at the latest mark of this name, see \"tidemark mark\"\n"
	"      --before-flush   from there back to just before the latest flush\n"
	"      --volume VOLUME  the volume, by its name or identity; may be left out where only\n"
	"                       one has a journal\n\n"
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
	"Examples: tidemark restore latest /dev/vdc -r /backup/repo\n"
	"          tidemark restore --at -5min --volume sdb1 /tmp/image -r /backup/repo";

/* What the command line says. */
struct arguments {
	struct restore_request request;
	struct tmc_when when;
	unsigned int nr_whens;
	bool quiet, json;
};

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

static void add_source(struct json_object *object, const struct restore_result *result)
{
	const struct tmc_instant *instant = &result->instant;
	char id[TMC_ID_TEXT], stretch[17];

	if (!instant->stretch) {
		tmc_id_format(&result->point.id, id);
		json_add_text(object, "point", id);
		return;
	}
	snprintf(stretch, sizeof(stretch), "%016" PRIx64, instant->stretch);
	tmc_id_format(&instant->base, id);
	json_add_text(object, "stretch", stretch);
	json_add_number(object, "seq", instant->seq);
	json_add_number(object, "time_ns", instant->time_ns);
	json_add_text(object, "base", id);
}

static void report_json(const char *target, const struct restore_result *result)
{
	struct json_object *object = json_object_new_object();

	add_source(object, result);
	json_add_text(object, "volume", result->point.volume.name);
	json_add_text(object, "target", target);
	json_add_number(object, "volume_bytes", result->point.volume.volume_bytes);
	json_add_number(object, "unreadable_bytes", unreadable_bytes(result));
	json_add_ms(object, "seconds", result->elapsed_ms);
	json_print(object);
}

static void report_text(const char *target, const struct restore_result *result)
{
	char id[TMC_ID_TEXT], when[TIME_TEXT_BYTES];
	char size[SIZE_TEXT_BYTES];

	tmc_id_format(&result->point.id, id);
	if (result->instant.stretch)
		printf("%s (seq %" PRIu64 ")", time_text_format(result->instant.time_ns, when),
		       result->instant.seq);
	else
		printf("point %.12s", id);
	printf(" of %s restored to %s, %s, %" PRIu64 ".%" PRIu64 " s\n",
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

/* The options that name an instant; others return EXIT_STATUS_USAGE, as a slip does. */
static enum exit_status take_when(struct arguments *arguments, int option, char **argv)
{
	struct tmc_when *when = &arguments->when;

	arguments->nr_whens++;
	switch (option) {
	case 'a':
		when->kind = TMC_WHEN_TIME;
		return command_time("restore", "restore --at", optarg, &when->time_ns);
	case 's':
		when->kind = TMC_WHEN_SEQ;
		return command_size("restore", "restore --seq", optarg, COMMAND_SIZE_COUNT,
				    &when->seq);
	case 'm':
		when->kind = TMC_WHEN_MARK;
		when->mark = optarg;
		return EXIT_STATUS_OK;
	default:
		return command_bad_option("restore", option, argv);
	}
}

static enum exit_status check_arguments(struct arguments *arguments, int argc, char **argv)
{
	struct restore_request *request = &arguments->request;
	bool has_when = arguments->nr_whens;

	if (arguments->nr_whens > 1)
		return command_usage("restore", "restore: give one of --at, --seq and --mark");
	if (!has_when && (arguments->when.before_flush || request->volume))
		return command_usage("restore", "restore: --before-flush and --volume go with --at, "
				     "--seq or --mark");
	if (argc - optind != (has_when ? 1 : 2))
		return command_usage("restore", has_when ? "restore: give a target, and no point" :
							   "restore: give a point and a target");
	if (has_when)
		request->when = &arguments->when;
	else
		request->point = argv[optind];
	request->target = argv[argc - 1];
	request->progress = !arguments->quiet;
	request->repository = command_repository("restore", request->repository);
	return request->repository ? EXIT_STATUS_OK : EXIT_STATUS_USAGE;
}

enum exit_status command_restore(int argc, char **argv)
{
	static const struct option options[] = {
		{"at", required_argument, NULL, 'a'},
		{"seq", required_argument, NULL, 's'},
		{"mark", required_argument, NULL, 'm'},
		{"before-flush", no_argument, NULL, 'b'},
		{"volume", required_argument, NULL, 'v'},
		{"repo", required_argument, NULL, 'r'},
		{"force", no_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct arguments arguments = {.request.force = TARGET_CAREFUL};
	struct restore_request *request = &arguments.request;
	enum exit_status status = EXIT_STATUS_OK;
	int option;

	while (status == EXIT_STATUS_OK &&
	       (option = getopt_long(argc, argv, ":r:fqh", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			arguments.when.before_flush = true;
			break;
		case 'v':
			request->volume = optarg;
			break;
		case 'r':
			request->repository = optarg;
			break;
		case 'f':
			request->force = TARGET_FORCE;
			break;
		case 'j':
			arguments.json = true;
			break;
		case 'q':
			arguments.quiet = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			status = take_when(&arguments, option, argv);
		}
	}
	if (status == EXIT_STATUS_OK)
		status = check_arguments(&arguments, argc, argv);
	return status == EXIT_STATUS_OK ? restore(request, arguments.json, arguments.quiet) : status;
}
