/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a prune has decided, and what came of it.
 */
#ifndef CLI_PRUNE_REPORT_H
#define CLI_PRUNE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tidemark.h>

/* Beside the bits of enum tmc_keep: the point stays, for no rule is about it. */
#define PRUNE_NO_RULE (1u << 31)

struct prune_plan {
	struct tmc_point *points;
	uint32_t *reasons; /* by point; 0: it goes */
	size_t nr;
	uint64_t grace_ns;
	bool keeps_journal; /* for a span; else it is left alone */
	const char *journal_volume_id; /* that of the points; NULL: of every volume */
	bool dry_run;
};

/** The points that rules are about, then the sums. */
void prune_report_text(const struct prune_plan *plan, const struct tmc_prune_result *result);

void prune_report_json(const struct prune_plan *plan, const struct tmc_prune_result *result);

#endif
