// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark points: what can be restored.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "common/size_text.h"
#include "restore/group.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidemark.h>
#include <time.h>

static const char help[] =
	"Usage: tidemark points [-r REPO] [--tag TAG] [--json]\n"
	"List the restore points of a repository, the oldest first. \"tidemark restore\" takes\n"
	"the first digits of a point's id, or \"latest\".\n\n"
	"CHANGED is how much differed from the point before, STORED what the repository\n"
	"grew by. A scan is no image by itself: the journal begins with it, whose instants\n"
	"\"tidemark restore --at\" takes.\n\n"
	"      --tag TAG    only points that have this tag\n"
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
	if (point->moment.settles_seq)
		return "scan";
	return has_parent(point) && point->read_bytes < point->volume.volume_bytes ? "incremental" :
										     "full";
}

static void add_note(struct json_object *object, const struct tmc_note *note)
{
	struct json_object *tags = json_object_new_array();

	for (unsigned int i = 0; note && i < note->nr_tags; i++)
		json_object_array_add(tags, json_object_new_string(note->tags[i]));
	json_object_object_add(object, "tags", tags);
	if (note && note->text[0])
		json_add_text(object, "note", note->text);
}

static void add_moment(struct json_object *object, const struct tmc_moment *moment)
{
	char stretch[17];

	if (!moment->stretch)
		return;
	snprintf(stretch, sizeof(stretch), "%016" PRIx64, moment->stretch);
	json_add_text(object, "stretch", stretch);
	json_add_number(object, "seq", moment->seq);
	if (moment->settles_seq)
		json_add_number(object, "settles_seq", moment->settles_seq);
}

static void add_point(struct json_object *array, const struct tmc_point *point,
		      const struct tmc_note *note)
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
	add_moment(object, &point->moment);
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
	add_note(object, note);
	json_object_array_add(array, object);
}

/* Points and what is said of them. */
struct listing {
	struct tmc_point *points;
	size_t nr;
	struct tmc_note *notes;
	size_t nr_notes;
};

static const struct tmc_note *note_of(const struct listing *listing, size_t nth)
{
	return tmc_note_of(listing->notes, listing->nr_notes, &listing->points[nth]);
}

static void report_json(const struct listing *listing)
{
	struct json_object *object = json_object_new_object();
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < listing->nr; i++)
		add_point(array, &listing->points[i], note_of(listing, i));
	json_object_object_add(object, "points", array);
	json_print(object);
}

static void print_group(const struct tmc_point *point)
{
	unsigned long nr;
	const char *name;

	if (group_parse(point, &nr, &name) && *name)
		printf("  (group %s)", name);
}

static void print_note(const struct tmc_note *note)
{
	for (unsigned int i = 0; note && i < note->nr_tags; i++)
		printf("%s%s", i ? "," : "  #", note->tags[i]);
	if (note && note->text[0])
		printf("  %s", note->text);
	putchar('\n');
}

static void print_point(const struct tmc_point *point, const struct tmc_note *note)
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
	printf("%.12s  %-19s  %-11s  %10s  %10s  %10s  %s%s", id, when, kind(point),
	       size_text_format(point->volume.volume_bytes, size),
	       size_text_format(point->changed_bytes, changed),
	       size_text_format(point->stored_bytes, stored), point->volume.name,
	       point->unreadable_chunks ? "  (parts unreadable)" : "");
	print_group(point);
	print_note(note);
}

static void report_text(const struct listing *listing, const char *tag)
{
	if (listing->nr)
		printf("%-12s  %-19s  %-11s  %10s  %10s  %10s  %s\n", "POINT", "CUT", "KIND", "SIZE",
		       "CHANGED", "STORED", "VOLUME");
	else
		puts(tag ? "no restore point has this tag" : "no restore points yet");
	for (size_t i = 0; i < listing->nr; i++)
		print_point(&listing->points[i], note_of(listing, i));
}

static void keep_tagged(struct listing *listing, const char *tag)
{
	size_t nr = 0;

	for (size_t i = 0; i < listing->nr; i++)
		if (tmc_note_has_tag(note_of(listing, i), tag))
			listing->points[nr++] = listing->points[i];
	listing->nr = nr;
}

/* A note that is damaged is complained of, a point that is damaged even more. */
static int load_listing(struct tmc_repo *repo, struct listing *listing)
{
	int r = tmc_note_list(repo, &listing->notes, &listing->nr_notes);
	int damage;

	if (r == -EBADMSG)
		command_notice(tmc_error_text());
	else if (r < 0)
		return r;
	damage = tmc_point_list(repo, &listing->points, &listing->nr);
	return damage ? damage : r;
}

static enum exit_status list_points(const char *repository, const char *tag, bool json)
{
	struct listing listing = {0};
	struct tmc_repo *repo;
	int r = tmc_repo_open(repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	r = load_listing(repo, &listing);
	if (tag)
		keep_tagged(&listing, tag);
	if (r == 0 || r == -EBADMSG) {
		if (json)
			report_json(&listing);
		else
			report_text(&listing, tag);
	}
	fflush(stdout);
	if (r < 0)
		command_catalog_failure(r);
	tmc_repo_close(repo);
	free(listing.points);
	free(listing.notes);
	return exit_status_of(r);
}

enum exit_status command_points(int argc, char **argv)
{
	static const struct option options[] = {
		{"tag", required_argument, NULL, 't'},
		{"repo", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *repository = NULL;
	const char *tag = NULL;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":r:h", options, NULL)) != -1) {
		switch (option) {
		case 't':
			tag = optarg;
			break;
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
	return repository ? list_points(repository, tag, json) : EXIT_STATUS_USAGE;
}
