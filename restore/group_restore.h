/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * All volumes of one cut, each to a target of its own. No byte of any is touched before each
 * of them has been checked and is held open.
 */
#ifndef RESTORE_GROUP_RESTORE_H
#define RESTORE_GROUP_RESTORE_H

#include "restore/restore.h"

#include <stddef.h>

struct group_request {
	const char *group; /* as group_find() has it */
	char *const *places; /* one directory, or VOLUME=TARGET for each volume */
	size_t nr_places;
	struct restore_request each; /* without point, target and instant; its volume whole */
	void (*notice)(const char *text); /* things worth knowing; or NULL */
};

/* Of one volume. */
struct group_member {
	char *target;
	char point[TMC_ID_TEXT];
	struct restore_request request;
	struct restore_result result;
};

struct group_result {
	struct group_member *members; /* by the volume's name */
	size_t nr;
};

/**
 * ret_result is set in every case; cleared with group_result_clear(). What is done of each is
 * in its result: where one fails while it is written, those before it are complete, and those
 * behind it are untouched.
 * Errors, with a sentence: those of group_find() and restore_run(), -EINVAL (a volume without a
 * place, a place for no volume, two in the same place, a place that none can have).
 */
int group_restore_run(const struct group_request *request, struct group_result *ret_result);

void group_result_clear(struct group_result *result);

#endif
