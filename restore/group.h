/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The points of one cut over several volumes: "tidemark points" calls what they share their
 * group, docs/format.md. Here they are found by the group's name in the config, or by one of
 * them.
 */
#ifndef RESTORE_GROUP_H
#define RESTORE_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <tidemark.h>

/** What point->group says. name is a part of it, empty where it has none. False: nothing. */
bool group_parse(const struct tmc_point *point, unsigned long *ret_nr_volumes,
		 const char **ret_name);

struct group_points {
	struct tmc_point *points; /* one of each volume of the cut, by the volume's name */
	size_t nr;
	char skipped[512]; /* why a later cut is not meant; empty: there is none */
};

/**
 * text: "NAME", the latest cut of the group of that name of which all volumes have a point;
 * "NAME@POINT" or "@POINT", the cut that the point is of. POINT: as tmc_point_find() has it.
 * Errors, with a sentence: those of tmc_point_find() and tmc_point_list(), -ENOENT (no group of
 * that name, a point of another, or points of the cut are missing).
 */
int group_find(struct tmc_repo *repo, const char *text, struct group_points *ret_points);

void group_points_clear(struct group_points *points);

#endif
