// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark diff: where two points differ. Ranges are printed as they are found:
 * there may be millions of them.
 */
#include "cli/command.h"
#include "common/size_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <tidemark.h>

static const char help[] =
	"Usage: tidemark diff POINT POINT [-r REPO] [--json]\n"
	"Tell in which ranges two restore points differ: offset and length in bytes, one range\n"
	"a line, then the sum. No content is read, and the time depends on what differs, not on\n"
	"the size of the volume. The ranges are of whole chunks; what only the larger of two\n"
	"volumes has differs. The points may be of different volumes.\n\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json       report one JSON object with the array \"ranges\"\n"
	"  -h, --help       this text\n\n"
	"Example: tidemark diff 3f9a latest -r /backup/repo";

struct report {
	bool json;
	uint64_t nr_ranges;
};

static int print_range(void *context, uint64_t offset, uint64_t bytes)
{
	struct report *report = context;

	if (report->json)
		printf("%s\n    { \"offset\": %" PRIu64 ", \"bytes\": %" PRIu64 " }",
		       report->nr_ranges ? "," : "", offset, bytes);
	else
		printf("%16" PRIu64 "  %14" PRIu64 "\n", offset, bytes);
	report->nr_ranges++;
	return 0;
}

static void begin_report(const struct report *report, const struct tmc_point points[2])
{
	char a[TMC_ID_TEXT], b[TMC_ID_TEXT];

	tmc_id_format(&points[0].id, a);
	tmc_id_format(&points[1].id, b);
	if (report->json)
		printf("{\n  \"from\": \"%s\",\n  \"to\": \"%s\",\n  \"ranges\": [", a, b);
	else
		printf("%16s  %14s\n", "OFFSET", "BYTES");
}

static void end_report(const struct report *report, uint64_t bytes)
{
	char size[SIZE_TEXT_BYTES];

	if (report->json)
		printf("\n  ],\n  \"bytes\": %" PRIu64 "\n}\n", bytes);
	else
		printf("%s differ, in %" PRIu64 " ranges\n", size_text_format(bytes, size),
		       report->nr_ranges);
}

static int diff_points(struct tmc_repo *repo, char **names, struct report *report)
{
	struct tmc_point points[2];
	uint64_t bytes;
	int r = 0;

	for (int i = 0; i < 2 && !r; i++)
		r = tmc_point_find(repo, names[i], NULL, &points[i]);
	if (r < 0)
		return r;
	begin_report(report, points);
	r = tmc_point_diff(repo, &points[0], &points[1], print_range, report, &bytes);
	if (r == 0)
		end_report(report, bytes);
	return r;
}

static enum exit_status diff(const char *repository, char **names, bool json)
{
	struct report report = {.json = json};
	struct tmc_repo *repo;
	int r = tmc_repo_open(repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	r = diff_points(repo, names, &report);
	fflush(stdout);
	if (r < 0)
		command_catalog_failure(r);
	tmc_repo_close(repo);
	return exit_status_of(r);
}

enum exit_status command_diff(int argc, char **argv)
{
	static const struct option options[] = {
		{"repo", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *repository = NULL;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":r:h", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			repository = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("diff", option, argv);
		}
	}
	if (argc - optind != 2)
		return command_usage("diff", "diff: give two points");
	repository = command_repository("diff", repository);
	return repository ? diff(repository, argv + optind, json) : EXIT_STATUS_USAGE;
}
