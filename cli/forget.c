// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark forget: give single points up.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "cli/point_brief.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidemark.h>

static const char help[] =
	"Usage: tidemark forget POINT... [-r REPO] [--json]\n"
	"Give restore points up, at once and for good, whatever rules and tags say. If one of\n"
	"them is not there, none is given up. \"tidemark prune\" finds what they needed alone,\n"
	"and frees it a day later.\n\n"
	"POINT is the first digits of a point's id, or \"latest\".\n\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json       report one JSON object with the array \"points\"\n"
	"  -h, --help       this text\n\n"
	"Example: tidemark forget 3f9a 52c0 -r /backup/repo";

struct choice {
	struct tmc_point *points;
	struct tmc_id *ids;
	bool *newest; /* it is that of its volume */
	size_t nr;
};

static bool has(const struct choice *choice, const struct tmc_point *point)
{
	for (size_t i = 0; i < choice->nr; i++)
		if (memcmp(&choice->ids[i], &point->id, sizeof(point->id)) == 0)
			return true;
	return false;
}

/* One that has two names is chosen once. */
static int choose(struct tmc_repo *repo, char **names, int nr_names, struct choice *choice)
{
	int r = 0;

	for (int i = 0; i < nr_names && r == 0; i++) {
		struct tmc_point *point = &choice->points[choice->nr];

		r = tmc_point_find(repo, names[i], NULL, point);
		if (r == 0 && !has(choice, point))
			choice->ids[choice->nr++] = point->id;
	}
	return r;
}

static const struct tmc_point *newest_of(const struct tmc_point *points, size_t nr,
					 const char *volume_id)
{
	const struct tmc_point *newest = NULL;

	for (size_t i = 0; i < nr; i++)
		if (strcmp(points[i].volume.volume_id, volume_id) == 0)
			newest = &points[i];
	return newest;
}

/* A damaged point that is passed over is no reason to keep others. */
static int find_newest(struct tmc_repo *repo, struct choice *choice)
{
	CLEANUP_FREE struct tmc_point *all = NULL;
	size_t nr = 0;
	int r = tmc_point_list(repo, &all, &nr);

	for (size_t i = 0; i < choice->nr; i++) {
		const struct tmc_point *newest =
			newest_of(all, nr, choice->points[i].volume.volume_id);

		choice->newest[i] = newest && memcmp(&newest->id, &choice->ids[i],
						     sizeof(newest->id)) == 0;
	}
	return r == -EBADMSG ? 0 : r;
}

static void report_json(const struct choice *choice)
{
	struct json_object *object = json_object_new_object();
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < choice->nr; i++)
		json_object_array_add(array, point_brief_json(&choice->points[i]));
	json_object_object_add(object, "points", array);
	json_print(object);
}

static void report_text(const struct choice *choice)
{
	for (size_t i = 0; i < choice->nr; i++) {
		point_brief_print(&choice->points[i]);
		printf("  forgotten  %s\n", choice->points[i].volume.name);
	}
	fflush(stdout);
}

/* Tracking is relative to a point; where that is gone everything is read once. */
static void note_newest(const struct choice *choice)
{
	char text[TMC_TEXT_BYTES + 100];

	for (size_t i = 0; i < choice->nr; i++) {
		if (!choice->newest[i])
			continue;
		snprintf(text, sizeof(text), "this was the newest point of \"%s\": its next backup "
			 "reads everything", choice->points[i].volume.name);
		command_notice(text);
	}
}

static int run(struct tmc_repo *repo, char **names, int nr_names, bool json)
{
	size_t nr = (size_t)nr_names;
	CLEANUP_FREE struct tmc_point *points = calloc(nr, sizeof(*points));
	CLEANUP_FREE struct tmc_id *ids = calloc(nr, sizeof(*ids));
	CLEANUP_FREE bool *newest = calloc(nr, sizeof(*newest));
	struct choice choice = {.points = points, .ids = ids, .newest = newest};
	int r;

	if (!points || !ids || !newest)
		return failure_set(-ENOMEM, "out of memory");
	r = choose(repo, names, nr_names, &choice);
	if (r == 0)
		r = find_newest(repo, &choice);
	if (r == 0)
		r = tmc_forget(repo, ids, choice.nr);
	if (r < 0)
		return r;
	if (json)
		report_json(&choice);
	else
		report_text(&choice);
	note_newest(&choice);
	return 0;
}

static enum exit_status forget(const char *repository, char **names, int nr_names, bool json)
{
	enum exit_status status = EXIT_STATUS_OK;
	struct tmc_repo *repo;
	int r = tmc_repo_open(repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	r = run(repo, names, nr_names, json);
	if (r < 0)
		status = command_catalog_failure(r);
	tmc_repo_close(repo);
	return status;
}

enum exit_status command_forget(int argc, char **argv)
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
			return command_bad_option("forget", option, argv);
		}
	}
	if (argc == optind)
		return command_usage("forget", "forget: give the points to give up");
	repository = command_repository("forget", repository);
	return repository ? forget(repository, argv + optind, argc - optind, json) :
			    EXIT_STATUS_USAGE;
}
