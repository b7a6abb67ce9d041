// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Targets are opened one after another, and stay so: devices exclusively, so that two that
 * overlap, a disk and its partition, are refused by the kernel. Files are compared by where
 * they are.
 */
#include "restore/group_restore.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "restore/group.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ----------------------------------------------------------------------- places */

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What a repository says is not to lead out of the directory. */
static int name_file(const char *directory, const char *volume, char **ret_path)
{
	if (!*volume || *volume == '.' || strchr(volume, '/'))
		return failure_set(-EINVAL, "no file can be named after the volume \"%s\"; "
				   "give a place for each volume, as VOLUME=TARGET", volume);
	if (asprintf(ret_path, "%s/%s.img", directory, volume) >= 0)
		return 0;
	*ret_path = NULL;
	return failure_set(-ENOMEM, "restore: out of memory");
}

static bool is_for(const char *place, const char *volume)
{
	size_t length = strlen(volume);

	return strncmp(place, volume, length) == 0 && place[length] == '=';
}

static int choose_place(const struct group_request *request, const char *volume, char **ret_path)
{
	const char *found = NULL;

	for (size_t i = 0; i < request->nr_places; i++) {
		if (!is_for(request->places[i], volume))
			continue;
		if (found)
			return failure_set(-EINVAL, "the volume %s is given two places", volume);
		found = request->places[i] + strlen(volume) + 1;
	}
	if (!found)
		return failure_set(-EINVAL, "the group has a volume %s: give a directory that "
				   "exists, or a place for each volume, as %s=TARGET", volume, volume);
	if (!*found || strcmp(found, RESTORE_STDOUT) == 0)
		return failure_set(-EINVAL, "%s=%s: give a device or a file", volume, found);
	*ret_path = strdup(found);
	return *ret_path ? 0 : failure_set(-ENOMEM, "restore: out of memory");
}

static int check_places_meant(const struct group_request *request,
			      const struct group_points *points)
{
	for (size_t i = 0; i < request->nr_places; i++) {
		size_t n = 0;

		while (n < points->nr && !is_for(request->places[i], points->points[n].volume.name))
			n++;
		if (n == points->nr)
			return failure_set(-EINVAL, "%s: is neither a directory nor VOLUME=TARGET "
					   "with a volume of the group", request->places[i]);
	}
	return 0;
}

static int name_targets(const struct group_request *request, const struct group_points *points,
			struct group_result *result)
{
	bool to_directory = request->nr_places == 1 && is_directory(request->places[0]);
	int r = to_directory ? 0 : check_places_meant(request, points);

	for (size_t i = 0; i < points->nr && r == 0; i++) {
		const char *volume = points->points[i].volume.name;
		char **target = &result->members[i].target;

		r = to_directory ? name_file(request->places[0], volume, target) :
				   choose_place(request, volume, target);
	}
	return r;
}

static char *resolve(const char *path)
{
	CLEANUP_FREE char *for_directory = strdup(path);
	CLEANUP_FREE char *for_name = strdup(path);
	CLEANUP_FREE char *directory = NULL;
	char *resolved = realpath(path, NULL);

	if (resolved || !for_directory || !for_name)
		return resolved;
	directory = realpath(dirname(for_directory), NULL);
	if (!directory || asprintf(&resolved, "%s/%s", directory, basename(for_name)) < 0)
		return NULL;
	return resolved;
}

static bool same_place(const char *a, const char *b)
{
	CLEANUP_FREE char *path_a = resolve(a);
	CLEANUP_FREE char *path_b = resolve(b);
	struct stat st_a, st_b;

	if (path_a && path_b && strcmp(path_a, path_b) == 0)
		return true;
	if (stat(a, &st_a) < 0 || stat(b, &st_b) < 0)
		return false;
	if (S_ISBLK(st_a.st_mode) && S_ISBLK(st_b.st_mode))
		return st_a.st_rdev == st_b.st_rdev;
	return st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

static int check_apart(const struct group_result *result)
{
	for (size_t i = 0; i < result->nr; i++)
		for (size_t j = 0; j < i; j++)
			if (same_place(result->members[i].target, result->members[j].target))
				return failure_set(-EINVAL, "%s: is given to two volumes",
						   result->members[i].target);
	return 0;
}

/* ------------------------------------------------------------------------ stages */

static int plan(const struct group_request *request, struct tmc_repo *repo,
		struct group_result *result)
{
	CLEANUP(group_points_clear) struct group_points points = {0};
	int r = group_find(repo, request->group, &points);

	if (r < 0)
		return r;
	if (points.skipped[0] && request->notice)
		request->notice(points.skipped);
	result->members = calloc(points.nr, sizeof(*result->members));
	if (!result->members)
		return failure_set(-ENOMEM, "restore: out of memory");
	result->nr = points.nr;
	r = name_targets(request, &points, result);
	for (size_t i = 0; i < points.nr; i++) {
		struct group_member *member = &result->members[i];

		tmc_id_format(&points.points[i].id, member->point);
		member->request = request->each;
		member->request.point = member->point;
		member->request.target = member->target;
	}
	return r < 0 ? r : check_apart(result);
}

static int open_all(struct tmc_repo *repo, struct group_result *result, struct restore **restores)
{
	int r = 0;

	for (size_t i = 0; i < result->nr && r == 0; i++)
		r = restore_open(repo, &result->members[i].request, &result->members[i].result,
				 &restores[i]);
	return r;
}

/* Each is closed as soon as it is whole, so that it can be used. */
static int write_each(struct group_result *result, struct restore **restores)
{
	int r = 0;

	for (size_t i = 0; i < result->nr && r == 0; i++) {
		r = restore_write(restores[i]);
		restore_close(restores[i]);
		restores[i] = NULL;
	}
	return r;
}

static int run(const struct group_request *request, struct tmc_repo *repo,
	       struct group_result *result)
{
	CLEANUP_FREE struct restore **restores = NULL;
	int r = plan(request, repo, result);

	if (r < 0)
		return r;
	restores = calloc(result->nr, sizeof(*restores));
	if (!restores)
		return failure_set(-ENOMEM, "restore: out of memory");
	r = open_all(repo, result, restores);
	if (r == 0)
		r = write_each(result, restores);
	for (size_t i = 0; i < result->nr; i++)
		restore_close(restores[i]);
	return r;
}

int group_restore_run(const struct group_request *request, struct group_result *ret_result)
{
	struct tmc_repo *repo;
	int r = tmc_repo_open(request->each.repository, &repo);

	*ret_result = (struct group_result){0};
	if (r < 0)
		return failure_set(r, "%s", tmc_error_text());
	r = run(request, repo, ret_result);
	tmc_repo_close(repo);
	return r;
}

void group_result_clear(struct group_result *result)
{
	for (size_t i = 0; i < result->nr; i++) {
		restore_result_clear(&result->members[i].result);
		free(result->members[i].target);
	}
	free(result->members);
	*result = (struct group_result){0};
}
