/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which segments of the journal are kept no longer: docs/journal.md, "What is given up".
 */
#ifndef CATALOG_EXPIRY_H
#define CATALOG_EXPIRY_H

#include "catalog/doom.h"
#include "tidemark.h"

struct tmc_repo;

struct tmc_expiry {
	const char *volume_id; /**< NULL: every volume */
	uint64_t keep_ns;
	uint64_t now_ns;       /**< by the store's clock */
	const struct tmc_id_list *points; /**< that go as well, so count for nothing; sorted */
};

/**
 * Of each stretch the oldest ones, without a hole, none that a doom lists. Within a session.
 * ret_segments is sorted, and valid as ret_result is when this returns 0. Errors: -EBADMSG
 * (anything that could count is damaged).
 */
int tmc_expiry_choose(struct tmc_repo *repo, const struct tmc_expiry *expiry,
		      struct tmc_id_list *ret_segments, struct tmc_journal_forgotten *ret_result);

#endif
