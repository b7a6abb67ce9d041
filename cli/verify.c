// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark verify: read everything and compare it with its hashes.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "common/progress.h"
#include "common/size_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <tidemark.h>

static const char help[] =
	"Usage: tidemark verify [POINT] [-r REPO]\n"
	"Prove that restore points can be restored: read every byte that they need and\n"
	"compare it with its hash. Without POINT: all points, and everything else in the\n"
	"repository. Each damaged thing is named; exit status 5 if there is one.\n\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json       report one JSON object\n"
	"  -q, --quiet      no progress, no report; damage is named all the same\n"
	"  -h, --help       this text\n\n"
	"Example: tidemark verify -r /backup/repo";

static void on_damage(void *context, const char *text)
{
	struct progress *progress = context;
	bool enabled = progress->enabled;

	progress_stop(progress);
	fprintf(stderr, "tidemark: %s\n", text);
	progress->enabled = enabled;
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
	json_print(object);
}

static void report_text(const struct tmc_verify_result *result)
{
	char read[SIZE_TEXT_BYTES];

	printf("%" PRIu64 " points verified, %s read, %" PRIu64 " objects damaged, %" PRIu64
	       " points damaged\n", result->points, size_text_format(result->read_bytes, read),
	       result->damaged_objects, result->damaged_points);
}

static enum exit_status verify_point(struct tmc_repo *repo, const char *name, bool json, bool quiet)
{
	struct tmc_verify_result result = {0};
	struct progress progress;
	struct tmc_point point;
	int r = name ? tmc_point_find(repo, name, NULL, &point) : 0;

	if (r < 0)
		return command_catalog_failure(r);
	progress_start(&progress, "verifying", !quiet);
	r = tmc_verify(repo, name ? &point : NULL, 0, on_damage, on_progress, &progress, &result);
	progress_stop(&progress);
	if (r < 0 && r != -EBADMSG)
		return command_catalog_failure(r);
	if (json)
		report_json(&result);
	else if (!quiet)
		report_text(&result);
	return exit_status_of(r);
}

static enum exit_status verify(const char *repository, const char *name, bool json, bool quiet)
{
	enum exit_status status;
	struct tmc_repo *repo;
	int r = tmc_repo_open(repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	status = verify_point(repo, name, json, quiet);
	tmc_repo_close(repo);
	return status;
}

enum exit_status command_verify(int argc, char **argv)
{
	static const struct option options[] = {
		{"repo", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *repository = NULL;
	bool quiet = false;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":r:qh", options, NULL)) != -1) {
		switch (option) {
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
	}
	if (argc - optind > 1)
		return command_usage("verify", "verify: give one point, or none for all");
	repository = command_repository("verify", repository);
	if (!repository)
		return EXIT_STATUS_USAGE;
	return verify(repository, argc > optind ? argv[optind] : NULL, json, quiet);
}
