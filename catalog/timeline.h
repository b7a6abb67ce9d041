/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What there is of a volume's journal, in its order, and which instants of it can be had:
 * docs/journal.md, "Points and the journal". From tails alone; tables are read for times.
 */
#ifndef CATALOG_TIMELINE_H
#define CATALOG_TIMELINE_H

#include "tidemark.h"

struct tmc_repo;

struct tmc_timeline {
	/**
	 * By seq. An exact point whose record is not there stands for it: one without an id,
	 * from seq to seq. No instant behind it needs what is before it.
	 */
	struct tmc_segment *segments;
	size_t nr_segments;
	struct tmc_point *points; /**< that have a moment, by its seq */
	size_t nr_points;
	struct tmc_interval *intervals; /**< by seq; their times are not set */
	size_t nr_intervals;
	int damage; /**< -EBADMSG: what is damaged was left out; or 0 */
};

int tmc_timeline_load(struct tmc_repo *repo, const char *volume_id,
		      struct tmc_timeline *ret_timeline);
void tmc_timeline_clear(struct tmc_timeline *timeline);

/**
 * The same of segments and points that have been put into it by the caller, in any order; the
 * arrays are the timeline's.
 */
int tmc_timeline_complete(struct tmc_timeline *timeline);

/** Whether a segment goes on where the one before it ends. */
bool tmc_timeline_continues(const struct tmc_timeline *timeline, size_t nth);

/** Where the record is; NULL: not there. */
const struct tmc_segment *tmc_timeline_segment(const struct tmc_timeline *timeline,
					       uint64_t stretch, uint64_t seq);

/** The interval that has the instant; NULL: it cannot be had. stretch 0: of any. */
const struct tmc_interval *tmc_timeline_interval(const struct tmc_timeline *timeline,
						 uint64_t stretch, uint64_t seq);

/** What an instant that can be had is made from. */
const struct tmc_point *tmc_timeline_base(const struct tmc_timeline *timeline, uint64_t stretch,
					  uint64_t seq);

/** When the record was. Errors: -EBADMSG (then about when), -ENOENT. */
int tmc_timeline_time(struct tmc_repo *repo, const struct tmc_timeline *timeline, uint64_t stretch,
		      uint64_t seq, uint64_t *ret_time_ns);

#endif
