// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark restore: a point, or an instant of the journal, onto a device, into a file, or to
 * standard output.
 */
#include "cli/command.h"
#include "cli/restore_group.h"
#include "cli/restore_manifest.h"
#include "cli/restore_report.h"
#include "common/cleanup.h"
#include "common/size_text.h"
#include "restore/restore.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
	"Usage: tidemark restore POINT TARGET [-r REPO] [OPTION]...\n"
	"       tidemark restore --at WHEN | --seq N | --mark NAME [--before-flush]\n"
	"           [--volume VOLUME] TARGET [-r REPO] [OPTION]...\n"
	"       tidemark restore --group NAME[@POINT] DIRECTORY | VOLUME=TARGET...\n"
	"           [-r REPO] [OPTION]...\n"
	"Put a restore point on the block device TARGET, into the file TARGET, or with TARGET\n"
	"\"-\" on standard output. POINT is \"latest\" or the first digits of an id (four or more)\n"
	"that \"tidemark points\" shows. Everything is checked before the first byte is written,\n"
	"and each chunk against its hash before it is written.\n\n"
	"Where a volume has a journal, it can be had as it was after any write. \"tidemark log\"\n"
	"shows what there is.\n\n"
	"Volumes that were cut together come back together, with --group: the latest cut of the\n"
	"group NAME, or the one that POINT is of, all of it: into files DIRECTORY/VOLUME.img, or\n"
	"to a target for each volume. Nothing is written before each of them has been checked.\n\n"
	"      --at WHEN        after the last write up to then: \"2026-11-27 15:04:05.250\"; a\n"
	"                       time alone is today's; -30s, -5min, -2h, -1d; @seconds since 1970\n"
	"      --seq N          after this record of the journal\n"
	"      --mark NAME      at the latest mark of this name, see \"tidemark mark\"\n"
	"      --before-flush   from there back to just before the latest flush\n"
	"      --volume VOLUME  the volume, by its name or identity; may be left out where only\n"
	"                       one has a journal\n\n"
	"      --group NAME[@POINT]  all volumes of one cut; @POINT where the cut has no name\n\n"
	"      --delta          in place, only what differs; also onto the attached device of the\n"
	"                       volume itself, where nobody backs it up meanwhile\n"
	"      --resume         go on where an interrupted restore was; a new file is\n"
	"                       TARGET.partial until it is whole\n"
	"      --range START-END  only these bytes, from START up to before END: 1G-2G, 512-;\n"
	"                       what else the target holds stays\n"
	"      --verify         read back what was written; what is done in place always is\n"
	"  -n, --dry-run        check everything and say what would be written, write nothing\n"
	"      --manifest FILE  say there what was written where, and how it was verified\n\n"
	"Refused: a device that is mounted, swap, part of another device, attached, or too\n"
	"small; a target that the repository lies on. Refused without --force: a device that\n"
	"holds something else than the point's volume; a file that is not empty, or with --delta\n"
	"or --range one that does not hold the volume.\n\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"  -f, --force      overwrite what the target holds\n"
	"      --json       report the manifest\n"
	"  -q, --quiet      no progress, no report\n"
	"  -h, --help       this text\n\n"
	"Exit status 5: done, but parts had been unreadable at the backup and are zeros now;\n"
	"or the repository is damaged and the target is incomplete.\n\n"
	"Examples: tidemark restore latest /dev/vdc -r /backup/repo\n"
	"          tidemark restore 3f9a /dev/vdb --delta -r /backup/repo\n"
	"          tidemark restore --at -5min --volume sdb1 /tmp/image -r /backup/repo\n"
	"          tidemark restore --group postgresql pgdata=/dev/vdc pgwal=/dev/vdd";

/* What the command line says. */
struct arguments {
	struct restore_request request;
	struct tmc_when when;
	unsigned int nr_whens;
	const char *group;
	const char *manifest; /* a file, or NULL */
	bool quiet, json;
};

static enum exit_status restore(const struct arguments *arguments)
{
	const struct restore_request *request = &arguments->request;
	CLEANUP(restore_result_clear) struct restore_result result = {0};
	int r = restore_run(request, &result);
	enum exit_status status = r < 0 ? command_failure(r) : EXIT_STATUS_OK;
	int saved = 0;

	if (arguments->manifest && (r == 0 || result.stage != RESTORE_NOT_BEGUN))
		saved = restore_manifest_save(arguments->manifest, request->target, &result);
	if (r < 0) {
		restore_report_incomplete(request->target, &result);
		return status;
	}
	if (saved < 0)
		status = command_failure(saved);
	if (arguments->json)
		restore_manifest_print(restore_report_stream(request->target), request->target,
				       &result);
	else if (!arguments->quiet)
		restore_report(request->target, &result);
	restore_report_unreadable(request->target, &result);
	if (status == EXIT_STATUS_OK && tally_bytes(&result.tally, TALLY_UNREADABLE))
		status = EXIT_STATUS_DAMAGED;
	return status;
}

/* From now on, and until the end, the manifest says that the target is not whole. */
static int save_incomplete(void *context, const struct restore_result *result)
{
	const struct arguments *arguments = context;

	return arguments->manifest ? restore_manifest_save(arguments->manifest,
							   arguments->request.target, result) : 0;
}

/* "1G-2G", "512-" */
static enum exit_status take_range(struct restore_request *request, const char *text)
{
	size_t length = strcspn(text, "-");
	CLEANUP_FREE char *begin = strndup(text, length);
	const char *end = text + length + 1;
	int r = -EINVAL;

	if (begin && text[length])
		r = size_text_parse(begin, &request->begin);
	request->end = 0;
	if (r == 0 && *end)
		r = size_text_parse(end, &request->end);
	if (r == 0 && (!*end || request->begin < request->end))
		return EXIT_STATUS_OK;
	return command_usage("restore", "restore --range %s: give START-END, two sizes in bytes "
			     "such as 1G-2G, of which the second is larger, or START-", text);
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

/* Those that say how; the rest name an instant. */
static enum exit_status take_how(struct arguments *arguments, int option, char **argv)
{
	struct restore_request *request = &arguments->request;

	switch (option) {
	case 'D':
		request->method = RESTORE_DELTA;
		return EXIT_STATUS_OK;
	case 'R':
		request->method = RESTORE_RESUME;
		return EXIT_STATUS_OK;
	case 'g':
		return take_range(request, optarg);
	case 'V':
		request->read_back = true;
		return EXIT_STATUS_OK;
	case 'n':
		request->dry_run = true;
		return EXIT_STATUS_OK;
	case 'G':
		arguments->group = optarg;
		return EXIT_STATUS_OK;
	case 'M':
		arguments->manifest = optarg;
		return EXIT_STATUS_OK;
	default:
		return take_when(arguments, option, argv);
	}
}

static enum exit_status check_group(const struct arguments *arguments, int nr_places)
{
	const struct restore_request *request = &arguments->request;

	if (arguments->nr_whens || arguments->when.before_flush || request->volume)
		return command_usage("restore", "restore: --group means points, and goes with none of "
				     "--at, --seq, --mark, --before-flush and --volume");
	if (request->begin || request->end || arguments->manifest)
		return command_usage("restore", "restore: --range and --manifest are for one volume; "
				     "with --group, --json reports all manifests");
	if (!nr_places)
		return command_usage("restore", "restore: give a directory, or VOLUME=TARGET for each "
				     "volume of the group");
	return EXIT_STATUS_OK;
}

static enum exit_status check_words(struct arguments *arguments, int argc, char **argv)
{
	struct restore_request *request = &arguments->request;
	bool has_when = arguments->nr_whens;

	if (arguments->group)
		return check_group(arguments, argc - optind);
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
	request->begins = save_incomplete;
	request->context = arguments;
	return EXIT_STATUS_OK;
}

static enum exit_status check_arguments(struct arguments *arguments, int argc, char **argv)
{
	struct restore_request *request = &arguments->request;
	enum exit_status status = check_words(arguments, argc, argv);

	if (status != EXIT_STATUS_OK)
		return status;
	request->progress = !arguments->quiet;
	request->repository = command_repository("restore", request->repository);
	return request->repository ? EXIT_STATUS_OK : EXIT_STATUS_USAGE;
}

static enum exit_status run(const struct arguments *arguments, int argc, char **argv)
{
	struct group_request group = {
		.group = arguments->group,
		.places = argv + optind,
		.nr_places = (size_t)(argc - optind),
		.each = arguments->request,
		.notice = arguments->quiet ? NULL : command_notice,
	};

	if (!arguments->group)
		return restore(arguments);
	return restore_group(&group, arguments->json, arguments->quiet);
}

enum exit_status command_restore(int argc, char **argv)
{
	static const struct option options[] = {
		{"at", required_argument, NULL, 'a'},
		{"seq", required_argument, NULL, 's'},
		{"mark", required_argument, NULL, 'm'},
		{"before-flush", no_argument, NULL, 'b'},
		{"volume", required_argument, NULL, 'v'},
		{"group", required_argument, NULL, 'G'},
		{"delta", no_argument, NULL, 'D'},
		{"resume", no_argument, NULL, 'R'},
		{"range", required_argument, NULL, 'g'},
		{"verify", no_argument, NULL, 'V'},
		{"dry-run", no_argument, NULL, 'n'},
		{"manifest", required_argument, NULL, 'M'},
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
	       (option = getopt_long(argc, argv, ":r:fnqh", options, NULL)) != -1) {
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
			status = take_how(&arguments, option, argv);
		}
	}
	if (status == EXIT_STATUS_OK)
		status = check_arguments(&arguments, argc, argv);
	return status == EXIT_STATUS_OK ? run(&arguments, argc, argv) : status;
}
