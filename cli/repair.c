// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark repair: make usable what is left of a damaged repository.
 */
#include "cli/command.h"
#include "cli/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <tidemark.h>

static const char help[] =
	"Usage: tidemark repair --index [-r REPO]\n"
	"Make a damaged repository usable again. Nothing that can be read is deleted or\n"
	"changed; damaged files are moved to aside/ in the repository.\n\n"
	"      --index      rebuild what is lost or damaged of the index from the packs\n"
	"  -r, --repo REPO  the repository (default: $TIDEMARK_REPOSITORY)\n"
	"      --json       report one JSON object\n"
	"  -q, --quiet      no report; damage is named all the same\n"
	"  -h, --help       this text\n\n"
	"Exit status 5 where packs are damaged: then \"tidemark verify\" tells what is lost.\n\n"
	"Example: tidemark repair --index -r /backup/repo";

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
		{"index", no_argument, NULL, 'i'},
		{"repo", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *repository = NULL;
	bool index = false;
	bool quiet = false;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, ":r:qh", options, NULL)) != -1) {
		switch (option) {
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
	if (!index)
		return command_usage("repair", "say what to repair: --index");
	repository = command_repository("repair", repository);
	if (!repository)
		return EXIT_STATUS_USAGE;
	return repair_index(repository, json, quiet);
}
