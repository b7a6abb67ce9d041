// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * tidemark copy: points from one repository to another.
 */
#include "cli/command.h"
#include "cli/json.h"
#include "cli/unlock.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/progress.h"
#include "common/size_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tidemark.h>

static const char help[] =
	"Usage: tidemark copy (POINT... | --volume VOLUME) --to REPO [-r REPO]\n"
	"Copy restore points to another repository, which must have been made with the same\n"
	"chunk size. What it has already is not copied, and a point that it has is passed over,\n"
	"so that a copy can be repeated or go on. Volume, times, tags and notes are kept; each\n"
	"chunk is compared with its hash on the way.\n\n"
	"      --volume VOLUME  all points of a volume, by its name or identity, the oldest first\n"
	"      --to REPO        the repository to copy to\n"
	"      --to-passphrase-file FILE  holds its passphrase, where it is encrypted\n"
	"  -r, --repo REPO      the repository to copy from (default: $TIDEMARK_REPOSITORY)\n"
	"      --json           report one JSON object with the array \"points\"\n"
	"  -q, --quiet          no progress, no report\n"
	"  -h, --help           this text\n\n"
	"Example: tidemark copy --volume sdb1 --to /mnt/second -r /backup/repo";

struct request {
	const char *from, *to, *to_passphrase_file, *volume;
	char **names;
	int nr_names;
	bool json, quiet;
};

static void on_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
	progress_update(context, done_bytes, total_bytes);
}

static void add_result(struct json_object *array, const struct tmc_id *source,
		       const struct tmc_copy_result *result)
{
	struct json_object *object = json_object_new_object();
	char id[TMC_ID_TEXT];

	tmc_id_format(source, id);
	json_add_text(object, "source", id);
	tmc_id_format(&result->point.id, id);
	json_add_text(object, "point", id);
	json_add_bool(object, "known", result->known);
	json_add_number(object, "copied_blobs", result->copied_blobs);
	json_add_number(object, "copied_bytes", result->copied_bytes);
	json_object_array_add(array, object);
}

static void print_result(const struct tmc_id *source, const struct tmc_copy_result *result)
{
	char size[SIZE_TEXT_BYTES], from[TMC_ID_TEXT], to[TMC_ID_TEXT];

	tmc_id_format(source, from);
	tmc_id_format(&result->point.id, to);
	if (result->known)
		printf("point %.12s is there already, as %.12s\n", from, to);
	else
		printf("point %.12s copied, as %.12s, %s\n", from, to,
		       size_text_format(result->copied_bytes, size));
}

static int copy_points(struct tmc_copy *copy, const struct tmc_point *points, size_t nr,
		       const struct request *request, struct json_object *array)
{
	for (size_t i = 0; i < nr; i++) {
		struct tmc_copy_result result;
		struct progress progress;
		int r;

		progress_start(&progress, "copying", !request->quiet);
		r = tmc_copy_point(copy, &points[i], on_progress, &progress, &result);
		progress_stop(&progress);
		if (r < 0)
			return r;
		if (request->json)
			add_result(array, &points[i].id, &result);
		else if (!request->quiet)
			print_result(&points[i].id, &result);
	}
	return 0;
}

static int find_volume(struct tmc_repo *repo, const char *volume, struct tmc_point **ret_points,
		       size_t *ret_nr)
{
	size_t nr_all, nr = 0;
	int r = tmc_point_list(repo, ret_points, &nr_all);

	for (size_t i = 0; r == 0 && i < nr_all; i++) {
		struct tmc_point *point = &(*ret_points)[i];

		if (point->moment.settles_seq)
			continue; /* of the journal, which is not copied */
		if (strcmp(point->volume.name, volume) == 0 ||
		    strcmp(point->volume.volume_id, volume) == 0)
			(*ret_points)[nr++] = *point;
	}
	*ret_nr = nr;
	if (r == 0 && !nr)
		r = failure_set(-ENOENT, "there is no restore point of a volume \"%s\"", volume);
	return r;
}

static int find_points(struct tmc_repo *repo, const struct request *request,
		       struct tmc_point **ret_points, size_t *ret_nr)
{
	int r = 0;

	if (request->volume)
		return find_volume(repo, request->volume, ret_points, ret_nr);
	*ret_nr = (size_t)request->nr_names;
	*ret_points = calloc(*ret_nr, sizeof(**ret_points));
	if (!*ret_points)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < *ret_nr && r == 0; i++)
		r = tmc_point_find(repo, request->names[i], NULL, &(*ret_points)[i]);
	return r;
}

static int run(struct tmc_repo *from, struct tmc_repo *to, const struct request *request,
	       struct json_object *array)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	struct tmc_copy *copy;
	size_t nr;
	int r = find_points(from, request, &points, &nr);

	if (r < 0)
		return r;
	r = tmc_copy_begin(from, to, &copy);
	if (r < 0)
		return r;
	r = copy_points(copy, points, nr, request, array);
	tmc_copy_end(copy);
	return r;
}

static enum exit_status copy(const struct request *request)
{
	struct json_object *object = json_object_new_object();
	struct json_object *array = json_object_new_array();
	struct tmc_repo *from = NULL, *to = NULL;
	int r = tmc_repo_open(request->from, &from);

	unlock_use_file(request->to_passphrase_file);
	if (r == 0)
		r = tmc_repo_open(request->to, &to);
	if (r == 0)
		r = run(from, to, request, array);
	if (r < 0)
		command_catalog_failure(r);
	tmc_repo_close(to);
	tmc_repo_close(from);
	json_object_object_add(object, "points", array);
	if (request->json) /* those before the failure are there */
		json_print(object);
	else
		json_object_put(object);
	return exit_status_of(r);
}

enum exit_status command_copy(int argc, char **argv)
{
	static const struct option options[] = {
		{"volume", required_argument, NULL, 'v'},
		{"to", required_argument, NULL, 't'},
		{"to-passphrase-file", required_argument, NULL, 'p'},
		{"repo", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct request request = {0};
	int option;

	while ((option = getopt_long(argc, argv, ":r:qh", options, NULL)) != -1) {
		switch (option) {
		case 'v':
			request.volume = optarg;
			break;
		case 't':
			request.to = optarg;
			break;
		case 'p':
			request.to_passphrase_file = optarg;
			break;
		case 'r':
			request.from = optarg;
			break;
		case 'j':
			request.json = true;
			break;
		case 'q':
			request.quiet = true;
			break;
		case 'h':
			puts(help);
			return EXIT_STATUS_OK;
		default:
			return command_bad_option("copy", option, argv);
		}
	}
	request.names = argv + optind;
	request.nr_names = argc - optind;
	if (!request.to)
		return command_usage("copy", "copy: name the repository to copy to, with --to");
	if (!request.nr_names == !request.volume)
		return command_usage("copy", "copy: give points, or a volume with --volume");
	request.from = command_repository("copy", request.from);
	return request.from ? copy(&request) : EXIT_STATUS_USAGE;
}
