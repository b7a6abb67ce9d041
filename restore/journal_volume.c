// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A journal of which no point has a moment is none that anything could be made from, so
 * points alone are asked.
 */
#include "restore/journal_volume.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIST_BYTES 512

/* The latest point of each volume that has a journal and is meant; they come first. */
static size_t choose(struct tmc_point *points, size_t nr_points, const char *name)
{
	size_t nr = 0;

	for (size_t i = 0; i < nr_points; i++) {
		const struct tmc_volume *volume = &points[i].volume;
		size_t known = 0;

		if (!points[i].moment.stretch || (name && strcmp(volume->name, name) != 0 &&
						  strcmp(volume->volume_id, name) != 0))
			continue;
		while (known < nr &&
		       strcmp(points[known].volume.volume_id, volume->volume_id) != 0)
			known++;
		points[known] = points[i];
		nr += known == nr;
	}
	return nr;
}

static void list_volumes(const struct tmc_point *points, size_t nr, char ret_text[LIST_BYTES])
{
	size_t used = 0;

	for (size_t i = 0; i < nr && used < LIST_BYTES; i++)
		used += (size_t)snprintf(ret_text + used, LIST_BYTES - used, "%s%s (%s)",
					 i ? ", " : "", points[i].volume.name,
					 points[i].volume.volume_id);
}

int journal_volume_find(struct tmc_repo *repo, const char *name, struct tmc_volume *ret_volume)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	char list[LIST_BYTES];
	size_t nr = 0;
	int damage = tmc_point_list(repo, &points, &nr);

	if (damage < 0 && damage != -EBADMSG)
		return failure_set(damage, "%s", tmc_error_text());
	nr = choose(points, nr, name);
	if (damage < 0 && (!nr || !name))
		return failure_set(damage, "%s", tmc_error_text());
	if (!nr && name)
		return failure_set(-ENOENT, "there is no journal of a volume \"%s\"", name);
	if (!nr)
		return failure_set(-ENOENT, "the repository has no journal of any volume");
	list_volumes(points, nr, list);
	if (nr > 1 && name)
		return failure_set(-ENOTUNIQ, "several volumes are called \"%s\", name one by its "
				   "identity: %s", name, list);
	if (nr > 1)
		return failure_set(-ENOTUNIQ, "the repository has journals of several volumes, name "
				   "one of them: %s", list);
	*ret_volume = points[0].volume;
	return 0;
}
