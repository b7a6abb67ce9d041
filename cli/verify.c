// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark verify: read everything, or a part, and compare it with its hashes.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "common/progress.h"
#include "common/size_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <tidemark.h>

static const char help[] =
	"Usage: tidemark verify [POINT] [-r REPO]\n"
	"                       [--structure | --read-data-subset=PART [--seed NUMBER]]\n"
	"Prove that restore points can be restored: read every byte that they need and\n"
	"compare it with its hash. Without POINT: all points, and everything else in the\n"
	"repository. Each damaged thing is named; exit status 5 if there is one.\n\n"
	"      --structure  all but the content of chunks: headers, indexes, footers of packs,\n"
	"                   trees, and that each chunk of each point has its place\n"
	"      --read-data-subset=PART\n"
	"                   the structure, and every byte of a part of the packs: a percentage\n"
	"                   (5%, 0.1%) or a size (10G); other packs each time\n"
	"      --seed NUMBER  the packs that a former run chose; it told the number\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json       report one JSON object\n"
	"  -q, --quiet      no progress, no notes, no report; damage is named all the same\n"
	"  -h, --help       this text\n\n"
	"Example: tidemark verify --read-data-subset=5% -r /backup/repo";

static void on_damage(void *context, const char *text)
{
	progress_clear(context);
	fprintf(stderr, "tidemark: %s\n", text);
}

static void on_note(void *context, const char *text)
{
	progress_clear(context);
	command_notice(text);
}

static void on_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
	progress_update(context, done_bytes, total_bytes);
}

static void report_json(const struct tmc_verify_result *result)
{
	struct json_object *object = json_object_new_object();

	json_add_number(object, "points", result->points);
	json_add_number(object, "read_bytes", result->read_bytes);
	json_add_number(object, "damaged_objects", result->damaged_objects);
	json_add_number(object, "damaged_points", result->damaged_points);
	json_add_number(object, "packs", result->packs);
	json_add_number(object, "pack_bytes", result->pack_bytes);
	json_add_number(object, "orphan_packs", result->orphan_packs);
	json_add_number(object, "orphan_bytes", result->orphan_bytes);
	json_add_number(object, "segments", result->segments);
	json_add_number(object, "damaged_segments", result->damaged_segments);
	if (result->seed) {
		json_add_number(object, "sampled_packs", result->sampled_packs);
		json_add_number(object, "seed", result->seed);
	}
	json_print(object);
}

static void report_text(const struct tmc_verify_result *result, enum tmc_check_level level)
{
	char read[SIZE_TEXT_BYTES];

	printf("%" PRIu64 " points verified%s, %s read, %" PRIu64 " objects damaged, %" PRIu64
	       " points damaged\n", result->points,
	       level == TMC_CHECK_EVERY_BYTE ? "" : " in their structure",
	       size_text_format(result->read_bytes, read), result->damaged_objects,
	       result->damaged_points);
	if (result->segments || result->damaged_segments)
		printf("%" PRIu64 " segments of the journal%s, %" PRIu64 " damaged or missing\n",
		       result->segments, level == TMC_CHECK_EVERY_BYTE ? "" : " in their structure",
		       result->damaged_segments);
	if (level == TMC_CHECK_SAMPLE)
		printf("every byte of %" PRIu64 " of %" PRIu64 " packs; again the same: --seed %" PRIu64
		       "\n", result->sampled_packs, result->packs, result->seed);
}

static enum exit_status verify_point(struct tmc_repo *repo, const char *name,
				     struct tmc_check_options *options, bool json, bool quiet)
{
	struct tmc_verify_result result = {0};
	struct progress progress;
	struct tmc_point point;
	int r = name ? tmc_point_find(repo, name, NULL, &point) : 0;

	if (r < 0)
		return command_catalog_failure(r);
	progress_start(&progress, "verifying", !quiet);
	options->point = name ? &point : NULL;
	options->damage = on_damage;
	options->note = quiet ? NULL : on_note;
	options->progress = on_progress;
	options->context = &progress;
	r = tmc_check(repo, options, &result);
	progress_stop(&progress);
	if (r < 0 && r != -EBADMSG)
		return command_catalog_failure(r);
	if (json)
		report_json(&result);
	else if (!quiet)
		report_text(&result, options->level);
	return exit_status_of(r);
}

static enum exit_status verify(const char *repository, const char *name,
			       struct tmc_check_options *options, bool json, bool quiet)
{
	enum exit_status status;
	struct tmc_repo *repo;
	int r = tmc_repo_open(repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	status = verify_point(repo, name, options, json, quiet);
	tmc_repo_close(repo);
	return status;
}

/* "5%", "0.0001%": up to four digits behind the point. False if it is none. */
static bool parse_percentage(const char *text, uint32_t *ret_ppm)
{
	unsigned int digits_behind = 0;
	bool behind = false, any = false;
	uint32_t ppm = 0;

	for (; *text != '%'; text++) {
		if (*text == '.' && !behind) {
			behind = true;
			continue;
		}
		if (!isdigit((unsigned char)*text) || digits_behind == 4 || ppm > 100000000)
			return false;
		ppm = 10 * ppm + (uint32_t)(*text - '0');
		digits_behind += behind;
		any = true;
	}
	while (digits_behind++ < 4 && ppm <= 100000000)
		ppm *= 10;
	*ret_ppm = ppm;
	return any && !text[1] && ppm && ppm <= 1000000;
}

static enum exit_status parse_part(const char *text, struct tmc_check_options *options)
{
	options->level = TMC_CHECK_SAMPLE;
	if (strchr(text, '%'))
		return parse_percentage(text, &options->sample_ppm) ? EXIT_STATUS_OK :
		       command_usage("verify", "verify --read-data-subset=%s: no percentage above 0 "
				     "and up to 100", text);
	if (size_text_parse(text, &options->sample_bytes) < 0 || !options->sample_bytes)
		return command_usage("verify", "verify --read-data-subset=%s: neither a percentage "
				     "nor a size", text);
	return EXIT_STATUS_OK;
}

enum exit_status command_verify(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"structure", no_argument, NULL, 's'},
		{"read-data-subset", required_argument, NULL, 'p'},
		{"seed", required_argument, NULL, 'S'},
		{"repo", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct tmc_check_options options = {0};
	enum exit_status status = EXIT_STATUS_OK;
	const char *repository = NULL;
	const char *part = NULL;
	bool structure = false;
	bool quiet = false;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":r:qh", long_options, NULL)) != -1) {
		switch (option) {
		case 's':
			structure = true;
			break;
		case 'p':
			part = optarg;
			break;
		case 'S':
			status = command_size("verify", "--seed", optarg, COMMAND_SIZE_COUNT,
					      &options.seed);
			break;
		case 'r':
			repository = optarg;
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
			return command_bad_option("verify", option, argv);
		}
		if (status != EXIT_STATUS_OK)
			return status;
	}
	if (argc - optind > 1)
		return command_usage("verify", "verify: give one point, or none for all");
	if ((structure && part) || (options.seed && !part))
		return command_usage("verify", "verify: --structure, --read-data-subset and --seed "
				     "do not go together like this");
	options.level = structure ? TMC_CHECK_STRUCTURE : TMC_CHECK_EVERY_BYTE;
	if (part)
		status = parse_part(part, &options);
	if (status != EXIT_STATUS_OK)
		return status;
	repository = command_repository("verify", repository);
	if (!repository)
		return EXIT_STATUS_USAGE;
	return verify(repository, argc > optind ? argv[optind] : NULL, &options, json, quiet);
}
