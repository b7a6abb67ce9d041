/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which chunks of a target hold already what the point says: read by several threads, and
 * compared by hash.
 */
#ifndef RESTORE_TARGET_COMPARE_H
#define RESTORE_TARGET_COMPARE_H

#include "restore/target.h"

#include <stdint.h>
#include <tidemark.h>

struct target_compare {
	struct tmc_repo *repo;
	const struct tmc_point *point;
	struct target *target;
	uint64_t first_chunk, end_chunk;
	const uint64_t *chosen; /* by chunk: those to look at; NULL: all */
	uint64_t total_bytes;   /* of those; for progress */
	const char *verb;       /* "comparing"; of progress, too */
	bool progress;
	/* Chunks [first, first + nr) are the point's; from several threads. */
	void (*same)(void *context, uint64_t first, uint64_t nr);
	void *context;
};

/**
 * A chunk that the target cannot read is not the same. Errors, with a sentence: -ENXIO (the
 * device is gone), -EBADMSG (nodes of the point), -ENOMEM.
 */
int target_compare_run(const struct target_compare *compare);

#endif
