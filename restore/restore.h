/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Put a restore point, or a volume as it was at an instant, back on a device or into a file.
 */
#ifndef RESTORE_RESTORE_H
#define RESTORE_RESTORE_H

#include "restore/target_check.h"

#include <stddef.h>
#include <stdint.h>
#include <tidemark.h>

struct restore_request {
	const char *repository;
	const char *point;  /* first digits of an id, or "latest" */
	const struct tmc_when *when; /* an instant in place of a point; NULL: none */
	const char *volume; /* of the instant: journal_volume_find() */
	const char *target;
	enum target_force force;
	bool progress;
};

struct restore_range {
	uint64_t offset;
	uint64_t bytes;
};

struct restore_result {
	struct tmc_point point;     /* of an instant: only its volume */
	struct tmc_instant instant; /* where one was asked for */
	uint64_t elapsed_ms;
	struct restore_range *unreadable; /* zeros there: could not be read at the backup */
	size_t nr_unreadable;
};

void restore_result_clear(struct restore_result *result);

/**
 * Errors, each with a sentence in failure_text(): those of target_check() and
 * target_open(), -ENOENT (no such point, or it is a scan), -ENOTUNIQ, -EMEDIUMTYPE (no
 * repository), those of journal_volume_find() and tmc_instant_find(),
 * -EBADMSG (the repository is damaged; the target is incomplete).
 */
int restore_run(const struct restore_request *request, struct restore_result *ret_result);

#endif
