// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark tag: what people say of a point.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "common/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <tidemark.h>

static const char help[] =
	"Usage: tidemark tag POINT [--add TAG]... [--remove TAG]... [--note TEXT] [-r REPO]\n"
	"Give a restore point tags, take some away, or set its note; an empty TEXT removes the\n"
	"note. Without these options: show what it has. \"tidemark points --tag TAG\" finds the\n"
	"points again. The point itself is not changed.\n\n"
	"      --add TAG     up to 63 bytes without spaces and commas; up to 32 of a point\n"
	"      --remove TAG  one that it has not is no error\n"
	"      --note TEXT   up to 255 bytes\n"
	"  -r, --repo REPO   the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json        report one JSON object\n"
	"  -h, --help        this text\n\n"
	"Example: tidemark tag latest --add before-upgrade -r /backup/repo";

struct request {
	const char *point;
	const char *add[TMC_TAGS_MAX], *remove[TMC_TAGS_MAX];
	unsigned int nr_add, nr_remove;
	const char *text; /* NULL: as it is */
	bool json;
};

static void remove_tag(struct tmc_note *note, const char *tag)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < note->nr_tags; i++)
		if (strcmp(note->tags[i], tag) != 0)
			memmove(note->tags[nr++], note->tags[i], TMC_TAG_TEXT);
	note->nr_tags = nr;
}

static enum exit_status add_tag(struct tmc_note *note, const char *tag)
{
	if (tmc_note_has_tag(note, tag))
		return EXIT_STATUS_OK;
	if (strlen(tag) >= TMC_TAG_TEXT)
		return command_usage("tag", "tag --add %s: longer than %u bytes", tag,
				     TMC_TAG_TEXT - 1);
	if (note->nr_tags == TMC_TAGS_MAX)
		return command_usage("tag", "tag --add %s: it has %u tags already", tag,
				     TMC_TAGS_MAX);
	strcpy(note->tags[note->nr_tags++], tag);
	return EXIT_STATUS_OK;
}

static enum exit_status change(struct tmc_note *note, const struct request *request)
{
	enum exit_status status = EXIT_STATUS_OK;

	for (unsigned int i = 0; i < request->nr_remove; i++)
		remove_tag(note, request->remove[i]);
	for (unsigned int i = 0; i < request->nr_add && status == EXIT_STATUS_OK; i++)
		status = add_tag(note, request->add[i]);
	if (request->text && strlen(request->text) >= TMC_TEXT_BYTES)
		return command_usage("tag", "tag --note: longer than %u bytes", TMC_TEXT_BYTES - 1);
	if (request->text)
		strcpy(note->text, request->text);
	return status;
}

static void report(const struct tmc_note *note, bool json)
{
	struct json_object *object = json_object_new_object();
	struct json_object *tags = json_object_new_array();
	char id[TMC_ID_TEXT];

	tmc_id_format(&note->point, id);
	json_add_text(object, "point", id);
	for (unsigned int i = 0; i < note->nr_tags; i++)
		json_object_array_add(tags, json_object_new_string(note->tags[i]));
	json_object_object_add(object, "tags", tags);
	json_add_text(object, "note", note->text);
	if (json) {
		json_print(object);
		return;
	}
	json_object_put(object);
	printf("%.12s", id);
	for (unsigned int i = 0; i < note->nr_tags; i++)
		printf("%s%s", i ? "," : "  #", note->tags[i]);
	printf("%s%s\n", note->text[0] ? "  " : "", note->text);
}

static int load(struct tmc_repo *repo, const char *name, struct tmc_note *ret_note)
{
	CLEANUP_FREE struct tmc_note *notes = NULL;
	const struct tmc_note *note;
	struct tmc_point point;
	size_t nr;
	int r = tmc_point_find(repo, name, NULL, &point);

	if (r < 0)
		return r;
	r = tmc_note_list(repo, &notes, &nr);
	if (r < 0)
		return r;
	note = tmc_note_of(notes, nr, &point);
	*ret_note = note ? *note : (struct tmc_note){.point = point.id};
	return 0;
}

static enum exit_status tag_point(struct tmc_repo *repo, const struct request *request)
{
	bool any = request->nr_add || request->nr_remove || request->text;
	enum exit_status status;
	struct tmc_note note;
	int r = load(repo, request->point, &note);

	if (r < 0)
		return command_catalog_failure(r);
	status = change(&note, request);
	if (status != EXIT_STATUS_OK)
		return status;
	r = any ? tmc_note_put(repo, &note) : 0;
	if (r < 0)
		return command_catalog_failure(r);
	report(&note, request->json);
	return EXIT_STATUS_OK;
}

static enum exit_status tag(const char *repository, const struct request *request)
{
	enum exit_status status;
	struct tmc_repo *repo;
	int r = tmc_repo_open(repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	status = tag_point(repo, request);
	tmc_repo_close(repo);
	return status;
}

enum exit_status command_tag(int argc, char **argv)
{
	static const struct option options[] = {
		{"add", required_argument, NULL, 'a'},
		{"remove", required_argument, NULL, 'd'},
		{"note", required_argument, NULL, 'n'},
		{"repo", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct request request = {0};
	const char *repository = NULL;
	int option;

	while ((option = getopt_long(argc, argv, ":r:h", options, NULL)) != -1) {
		switch (option) {
		case 'a':
		case 'd':
			if (request.nr_add == TMC_TAGS_MAX || request.nr_remove == TMC_TAGS_MAX)
				return command_usage("tag", "tag: more than %u tags", TMC_TAGS_MAX);
			if (option == 'a')
				request.add[request.nr_add++] = optarg;
			else
				request.remove[request.nr_remove++] = optarg;
			break;
		case 'n':
			request.text = optarg;
			break;
		case 'r':
			repository = optarg;
			break;
		case 'j':
			request.json = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("tag", option, argv);
		}
	}
	if (argc - optind != 1)
		return command_usage("tag", "tag: give one point");
	request.point = argv[optind];
	repository = command_repository("tag", repository);
	return repository ? tag(repository, &request) : EXIT_STATUS_USAGE;
}
