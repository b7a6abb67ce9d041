/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What scenarios do with the journal: the content of each record follows from its seq.
 */
#ifndef TESTS_UNIT_SCENARIO_JOURNAL_H
#define TESTS_UNIT_SCENARIO_JOURNAL_H

#include "scenario.h"

/** A stretch of three segments, which ends well. */
int scenario_write_stretch(struct world *world);
/** Two of which only what was durable counts. */
int scenario_abort_stretch(struct world *world);
/** Each segment that was told is there, and reads back. */
int scenario_read_segments(struct world *world);

/**
 * Each segment that is there has its predecessor and reads back; each that was told to be
 * durable by one of the nr_done steps is there.
 */
void scenario_expect_segments(const struct world *world, struct tmc_repo *repo,
			      unsigned int nr_done, const char *where);

#endif
