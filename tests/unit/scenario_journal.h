/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What scenarios do with the journal: the content of each record follows from its seq.
 */
#ifndef TESTS_UNIT_SCENARIO_JOURNAL_H
#define TESTS_UNIT_SCENARIO_JOURNAL_H

#include "scenario.h"

#define SCENARIO_RECORD_BYTES 1024u

/** What the record of that seq is. */
struct tmc_record scenario_record(uint64_t seq, uint8_t ret_data[SCENARIO_RECORD_BYTES]);

/** A stretch of three segments, which ends well: the latest, in the world. */
int scenario_write_stretch(struct world *world);
/** Two of which only what was durable counts. */
int scenario_abort_stretch(struct world *world);
/** An exact point of the latest stretch, at the end of its first segment, or of the second. */
int scenario_keep_first(struct world *world);
int scenario_keep_second(struct world *world);
/** Give up what no young instant needs, by itself. */
int scenario_forget_segments(struct world *world);
/** What the step that gives up by a prune takes. */
void scenario_note_pruned(struct world *world);
/** Each segment that was told is there, and reads back. */
int scenario_read_segments(struct world *world);

/**
 * Each segment that is there has its predecessor, but for what was given up, and reads back;
 * each that was told to be durable by one of the nr_done steps is there, if it was not given up.
 */
void scenario_expect_segments(const struct world *world, struct tmc_repo *repo,
			      unsigned int nr_done, const char *where);

#endif
