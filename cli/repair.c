// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark repair: make usable what is left of a damaged repository.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "common/progress.h"
#include "common/size_text.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <tidemark.h>

static const char help[] =
	"Usage: tidemark repair [--apply | --index] [-r REPO]\n"
	"Make a damaged repository sound again. Nothing that can be read is deleted or\n"
	"changed; damaged files are moved to aside/ in the repository.\n\n"
	"Without options everything is read, and told what is damaged, which ranges of which\n"
	"points are lost, and what --apply would do.\n\n"
	"      --apply      do it: rebuild the index, copy what can be read of damaged packs,\n"
	"                   and put in the place of each damaged point one whose lost ranges\n"
	"                   are marked unreadable. Once a later backup has stored the lost\n"
	"                   content again, another run brings the original point back\n"
	"      --index      only rebuild what is lost or damaged of the index from the packs\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json       report one JSON object\n"
	"  -q, --quiet      no report; damage is named all the same\n"
	"  -h, --help       this text\n\n"
	"Exit status 5: damaged; after --apply: sound again, but something is lost; after\n"
	"--index: packs are damaged.\n\n"
	"Example: tidemark repair -r /backup/repo";

static void on_say(void *context, const char *text)
{
	progress_clear(context);
	fprintf(stderr, "tidemark: %s\n", text);
}

static void on_lost(void *context, const struct tmc_point *point, uint64_t offset, uint64_t bytes)
{
	char id[TMC_ID_TEXT];
	char text[TMC_TEXT_BYTES + 200];

	tmc_id_format(&point->id, id);
	snprintf(text, sizeof(text), "restore point %.12s of \"%s\": bytes %" PRIu64 " to %" PRIu64
		 " are lost", id, point->volume.name, offset, offset + bytes - 1);
	on_say(context, text);
}

static void on_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
	progress_update(context, done_bytes, total_bytes);
}

static void report_json(const struct tmc_repair_result *result)
{
	struct json_object *object = json_object_new_object();

	json_add_number(object, "damaged_packs", result->damaged_packs);
	json_add_number(object, "missing_packs", result->missing_packs);
	json_add_number(object, "damaged_indexes", result->damaged_indexes);
	json_add_number(object, "damaged_notes", result->damaged_notes);
	json_add_number(object, "damaged_dooms", result->damaged_dooms);
	json_add_number(object, "damaged_ledgers", result->damaged_ledgers);
	json_add_number(object, "damaged_segments", result->damaged_segments);
	json_add_number(object, "salvaged_blobs", result->salvaged_blobs);
	json_add_number(object, "salvaged_bytes", result->salvaged_bytes);
	json_add_number(object, "rewritten_points", result->rewritten_points);
	json_add_number(object, "lost_points", result->lost_points);
	json_add_number(object, "returned_points", result->returned_points);
	json_add_number(object, "lost_bytes", result->lost_bytes);
	json_add_number(object, "put_aside", result->put_aside);
	json_print(object);
}

static void report_text(const struct tmc_repair_result *result, bool apply)
{
	char salvaged[SIZE_TEXT_BYTES], lost[SIZE_TEXT_BYTES];

	printf("%" PRIu64 " packs damaged, %" PRIu64 " missing, %" PRIu64 " indexes damaged\n",
	       result->damaged_packs, result->missing_packs, result->damaged_indexes);
	printf("%" PRIu64 " points have lost %s%s, %" PRIu64 " points are lost, %" PRIu64
	       " are whole again\n", result->rewritten_points,
	       size_text_format(result->lost_bytes, lost), apply ? "" :
	       result->damaged_indexes ? " or less, once the index is rebuilt" : "",
	       result->lost_points, result->returned_points);
	if (result->damaged_segments)
		printf("%" PRIu64 " segments of the journal are lost\n", result->damaged_segments);
	if (apply)
		printf("%" PRIu64 " blocks, %s, copied out of damaged packs, %" PRIu64
		       " files put aside\n", result->salvaged_blobs,
		       size_text_format(result->salvaged_bytes, salvaged), result->put_aside);
}

/* One that cannot be opened may have lost its config alone. */
static int open_repository(const char *path, bool apply, struct tmc_repo **ret_repo)
{
	int r = tmc_repo_open(path, ret_repo), made;
	char text[PATH_MAX + 100];

	if (r != -EBADMSG && r != -EIO)
		return r;
	made = tmc_repair_config(path, apply);
	if (made < 0)
		return made;
	if (made) {
		snprintf(text, sizeof(text), "the config of %s was made anew; how it compresses is LZ4 "
			 "again where nothing else is said", path);
		command_notice(text);
	}
	return tmc_repo_open(path, ret_repo);
}

static enum exit_status repair(const char *repository, bool apply, bool json, bool quiet)
{
	struct progress progress;
	const struct tmc_repair_options options = {
		.apply = apply,
		.say = on_say,
		.lost = on_lost,
		.progress = on_progress,
		.context = &progress,
	};
	struct tmc_repair_result result = {0};
	struct tmc_repo *repo;
	int r = open_repository(repository, apply, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	progress_start(&progress, "checking", !quiet);
	r = tmc_repair(repo, &options, &result);
	progress_stop(&progress);
	if (r < 0)
		command_catalog_failure(r);
	tmc_repo_close(repo);
	if (r == 0 || r == -EBADMSG) {
		if (json)
			report_json(&result);
		else if (!quiet)
			report_text(&result, apply);
	}
	return exit_status_of(r);
}

static void on_damage(void *context, const char *text)
{
	fprintf(stderr, "tidemark: %s\n", text);
}

static void report(const struct tmc_index_repair *result, bool json)
{
	struct json_object *object;

	if (!json) {
		printf("%" PRIu64 " packs surveyed, %" PRIu64 " of them damaged, %" PRIu64
		       " blocks added to the index, %" PRIu64 " damaged index files put aside\n",
		       result->packs, result->damaged_packs, result->added_blobs,
		       result->put_aside);
		return;
	}
	object = json_object_new_object();
	json_add_number(object, "packs", result->packs);
	json_add_number(object, "damaged_packs", result->damaged_packs);
	json_add_number(object, "added_blobs", result->added_blobs);
	json_add_number(object, "put_aside", result->put_aside);
	json_print(object);
}

static enum exit_status repair_index(const char *repository, bool json, bool quiet)
{
	struct tmc_index_repair result = {0};
	struct tmc_repo *repo;
	enum exit_status status;
	int r = tmc_repo_open(repository, &repo);

	if (r < 0)
		return command_catalog_failure(r);
	r = tmc_repair_index(repo, on_damage, NULL, &result);
	status = r < 0 ? command_catalog_failure(r) : EXIT_STATUS_OK;
	tmc_repo_close(repo);
	if ((!r || r == -EBADMSG) && (json || !quiet))
		report(&result, json);
	return status;
}

enum exit_status command_repair(int argc, char **argv)
{
	static const struct option options[] = {
		{"apply", no_argument, NULL, 'a'},
		{"index", no_argument, NULL, 'i'},
		{"repo", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *repository = NULL;
	bool apply = false;
	bool index = false;
	bool quiet = false;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":r:qh", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			apply = true;
			break;
		case 'i':
			index = true;
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
			return command_bad_option("repair", option, argv);
		}
	}
	if (argc > optind)
		return command_usage("repair", "%s: repair takes no arguments", argv[optind]);
	if (apply && index)
		return command_usage("repair", "repair: --apply does what --index does as well");
	repository = command_repository("repair", repository);
	if (!repository)
		return EXIT_STATUS_USAGE;
	return index ? repair_index(repository, json, quiet) :
		       repair(repository, apply, json, quiet);
}
