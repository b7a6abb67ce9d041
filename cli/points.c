// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark points: what can be restored.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "common/cleanup.h"
#include "common/size_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <tidemark.h>
#include <time.h>

static const char help[] =
	"Usage: tidemark points [-r REPO] [--json]\n"
	"List the restore points of a repository, the oldest first. \"tidemark restore\" takes\n"
	"the first digits of a point's id, or \"latest\".\n\n"
	"CHANGED is how much differed from the point before, STORED what the repository\n"
	"grew by.\n\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json       report one JSON object with the array \"points\"\n"
	"  -h, --help       this text\n\n"
	"Example: tidemark points -r /backup/repo";

static bool has_parent(const struct tmc_point *point)
{
	static const struct tmc_id none;

	return memcmp(&point->parent, &none, sizeof(none)) != 0;
}

/* A rescan reads everything too, though it has a parent to compare with. */
static const char *kind(const struct tmc_point *point)
{
	return has_parent(point) && point->read_bytes < point->volume.volume_bytes ? "incremental" :
										     "full";
}

static void add_point(struct json_object *array, const struct tmc_point *point)
{
	struct json_object *object = json_object_new_object();
	char id[TMC_ID_TEXT];

	tmc_id_format(&point->id, id);
	json_add_text(object, "point", id);
	if (has_parent(point)) {
		tmc_id_format(&point->parent, id);
		json_add_text(object, "parent", id);
	}
	if (point->group[0])
		json_add_text(object, "group", point->group);
	json_add_text(object, "kind", kind(point));
	json_add_number(object, "cut_time_ns", point->cut_time_ns);
	json_add_text(object, "volume", point->volume.name);
	json_add_text(object, "volume_id", point->volume.volume_id);
	json_add_text(object, "host", point->volume.host);
	json_add_text(object, "fs_type", point->volume.fs_type);
	json_add_text(object, "fs_uuid", point->volume.fs_uuid);
	json_add_text(object, "fs_label", point->volume.fs_label);
	json_add_number(object, "volume_bytes", point->volume.volume_bytes);
	json_add_number(object, "chunk_bytes", point->chunk_bytes);
	json_add_number(object, "changed_bytes", point->changed_bytes);
	json_add_number(object, "read_bytes", point->read_bytes);
	json_add_number(object, "stored_bytes", point->stored_bytes);
	json_add_number(object, "unreadable_chunks", point->unreadable_chunks);
	json_object_array_add(array, object);
}

static void report_json(const struct tmc_point *points, size_t nr)
{
	struct json_object *object = json_object_new_object();
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < nr; i++)
		add_point(array, &points[i]);
	json_object_object_add(object, "points", array);
	json_print(object);
}

static void print_point(const struct tmc_point *point)
{
	time_t seconds = (time_t)(point->cut_time_ns / 1000000000u);
	char id[TMC_ID_TEXT];
	char when[32] = "?";
	char size[SIZE_TEXT_BYTES];
	char changed[SIZE_TEXT_BYTES];
	char stored[SIZE_TEXT_BYTES];
	struct tm local;

	if (localtime_r(&seconds, &local))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	tmc_id_format(&point->id, id);
	printf("%.12s  %-19s  %-11s  %10s  %10s  %10s  %s%s\n", id, when, kind(point),
	       size_text_format(point->volume.volume_bytes, size),
	       size_text_format(point->changed_bytes, changed),
	       size_text_format(point->stored_bytes, stored), point->volume.name,
	       point->unreadable_chunks ? "  (parts unreadable)" : "");
}

static enum exit_status list_points(const char *repository, bool json)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	struct tmc_repo *repo;
	size_t nr = 0;
	int r = tmc_repo_open(repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	r = tmc_point_list(repo, &points, &nr);
	if (r == 0 || r == -EBADMSG) {
		if (json)
			report_json(points, nr);
		else if (nr)
			printf("%-12s  %-19s  %-11s  %10s  %10s  %10s  %s\n", "POINT", "CUT",
			       "KIND", "SIZE", "CHANGED", "STORED", "VOLUME");
		for (size_t i = 0; !json && i < nr; i++)
			print_point(&points[i]);
		if (!json && !nr)
			puts("no restore points yet");
	}
	fflush(stdout);
	if (r < 0)
		command_catalog_failure(r);
	tmc_repo_close(repo);
	return exit_status_of(r);
}

enum exit_status command_points(int argc, char **argv)
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
			return command_bad_option("points", option, argv);
		}
	}
	if (argc != optind)
		return command_usage("points", "points: takes no argument \"%s\"", argv[optind]);
	repository = command_repository("points", repository);
	return repository ? list_points(repository, json) : EXIT_STATUS_USAGE;
}
