// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Points of a cut are missing where the backup failed between two of them, where it has not
 * made all of them yet, and where one was forgotten or is damaged.
 */
#include "restore/group.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/time_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_DIGITS     32
#define MISSING_BYTES 400

struct list {
	struct tmc_point *points; /* the oldest cut first */
	size_t nr;
	int damage; /* -EBADMSG, or 0 */
};

bool group_parse(const struct tmc_point *point, unsigned long *ret_nr_volumes,
		 const char **ret_name)
{
	const char *number = point->group + ID_DIGITS + 1;
	char *end;

	if (strspn(point->group, "0123456789abcdef") != ID_DIGITS ||
	    point->group[ID_DIGITS] != '-' || *number < '1' || *number > '9')
		return false;
	*ret_nr_volumes = strtoul(number, &end, 10);
	*ret_name = *end == '-' ? end + 1 : "";
	return *end == '-' || *end == '\0';
}

static bool is_named(const struct tmc_point *point, const char *name)
{
	const char *found;
	unsigned long nr;

	return group_parse(point, &nr, &found) && *found && strcmp(found, name) == 0;
}

static bool has_name(const struct list *list, const char *name)
{
	for (size_t i = 0; i < list->nr; i++)
		if (is_named(&list->points[i], name))
			return true;
	return false;
}

/* ---------------------------------------------------------------------- one cut */

static int compare_volumes(const void *a, const void *b)
{
	const struct tmc_point *point_a = a, *point_b = b;

	return strcmp(point_a->volume.name, point_b->volume.name);
}

/* Those that there are. */
static int take_cut(const struct list *list, const struct tmc_point *member,
		    struct group_points *ret_points)
{
	struct tmc_point *points = calloc(list->nr, sizeof(*points));

	if (!points)
		return failure_set(-ENOMEM, "restore: out of memory");
	group_points_clear(ret_points);
	ret_points->points = points;
	for (size_t i = 0; i < list->nr; i++)
		if (strcmp(list->points[i].group, member->group) == 0)
			points[ret_points->nr++] = list->points[i];
	qsort(points, ret_points->nr, sizeof(*points), compare_volumes);
	return 0;
}

static bool is_complete(const struct group_points *points)
{
	const char *name;
	unsigned long nr;

	return group_parse(&points->points[0], &nr, &name) && points->nr == nr;
}

/* "the cut of 2026-11-27 15:04:05 has points of pgdata alone, and was made over 2 volumes" */
static void describe_missing(const struct group_points *points, char ret_text[MISSING_BYTES])
{
	char when[TIME_TEXT_BYTES];
	const char *name;
	unsigned long nr = 0;
	size_t used;

	group_parse(&points->points[0], &nr, &name);
	used = (size_t)snprintf(ret_text, MISSING_BYTES, "the cut of %s was made over %lu "
				"volumes, and has points of these alone:",
				time_text_format(points->points[0].cut_time_ns, when), nr);
	for (size_t i = 0; i < points->nr && used < MISSING_BYTES; i++)
		used += (size_t)snprintf(ret_text + used, MISSING_BYTES - used, "%s %s",
					 i ? "," : "", points->points[i].volume.name);
}

/* ------------------------------------------------------------------------ by name */

static void note_skipped(struct group_points *points, const char *skipped)
{
	char when[TIME_TEXT_BYTES];

	if (*skipped)
		snprintf(points->skipped, sizeof(points->skipped), "%s; the cut of %s is taken",
			 skipped, time_text_format(points->points[0].cut_time_ns, when));
}

static int find_latest(const struct list *list, const char *name, struct group_points *ret_points)
{
	char skipped[MISSING_BYTES] = "";

	for (size_t i = list->nr; i-- > 0;) {
		const struct tmc_point *point = &list->points[i];
		int r;

		if (!is_named(point, name) ||
		    (ret_points->nr && strcmp(point->group, ret_points->points[0].group) == 0))
			continue;
		r = take_cut(list, point, ret_points);
		if (r < 0)
			return r;
		if (is_complete(ret_points)) {
			note_skipped(ret_points, skipped);
			return 0;
		}
		if (!*skipped)
			describe_missing(ret_points, skipped);
	}
	if (list->damage < 0)
		return failure_set(list->damage, "%s", tmc_error_text());
	if (*skipped)
		return failure_set(-ENOENT, "no cut of the group %s is complete: %s", name, skipped);
	return failure_set(-ENOENT, "there is no cut of a group %s; \"tidemark points\" shows the "
			   "groups, and @POINT means the cut that a point is of", name);
}

/* ----------------------------------------------------------------------- by point */

static int find_of_point(struct tmc_repo *repo, const struct list *list, const char *text,
			 const char *name, struct group_points *ret_points)
{
	char missing[MISSING_BYTES];
	struct tmc_point point;
	int r = tmc_point_find(repo, text, NULL, &point);

	if (r < 0)
		return failure_set(r, "%s", tmc_error_text());
	if (!point.group[0])
		return failure_set(-ENOENT, "restore point %s is of the volume %s alone; restore it "
				   "without --group", text, point.volume.name);
	if (*name && !is_named(&point, name))
		return failure_set(-ENOENT, "restore point %s is not of the group %s", text, name);
	r = take_cut(list, &point, ret_points);
	if (r < 0 || (ret_points->nr && is_complete(ret_points)))
		return r;
	if (!ret_points->nr)
		return failure_set(-ENOENT, "there is no restore point %s any more", text);
	describe_missing(ret_points, missing);
	return failure_set(-ENOENT, "%s; restore those one by one, without --group", missing);
}

static int find(struct tmc_repo *repo, const struct list *list, const char *text,
		struct group_points *ret_points)
{
	CLEANUP_FREE char *name = strdup(text);
	char *at = name ? strrchr(name, '@') : NULL;

	if (!name)
		return failure_set(-ENOMEM, "restore: out of memory");
	if (!at || has_name(list, name))
		return find_latest(list, name, ret_points);
	*at = '\0';
	return find_of_point(repo, list, at + 1, name, ret_points);
}

int group_find(struct tmc_repo *repo, const char *text, struct group_points *ret_points)
{
	struct list list = {0};
	int r;

	*ret_points = (struct group_points){0};
	list.damage = tmc_point_list(repo, &list.points, &list.nr);
	r = list.damage;
	if (r < 0 && r != -EBADMSG)
		r = failure_set(r, "%s", tmc_error_text());
	else
		r = find(repo, &list, text, ret_points);
	free(list.points);
	if (r < 0)
		group_points_clear(ret_points);
	return r;
}

void group_points_clear(struct group_points *points)
{
	free(points->points);
	*points = (struct group_points){0};
}
