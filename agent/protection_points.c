// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Restore points from the journal, without a look at the device; and what is kept of the
 * journal no longer.
 */
#include "agent/protection.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/size_text.h"
#include "common/time_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_NS (24 * 3600 * 1000000000ull) /* outlasts what a network file system remembers */

static int keep(struct protection *p, uint64_t seq, struct tmc_point *ret_point)
{
	struct tmc_when when = {.kind = TMC_WHEN_SEQ, .seq = seq};
	struct tmc_instant instant;
	int r = tmc_instant_find(p->repo, p->live.volume.volume_id, &when, &instant);

	if (r == 0)
		r = tmc_instant_keep(p->repo, &instant, 0, ret_point);
	return r < 0 ? catalog_failure(r) : 0;
}

static uint64_t age_of(const struct tmc_point *point)
{
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);

	return now_ns > point->cut_time_ns ? now_ns - point->cut_time_ns : 0;
}

/* Else a process that is often followed by another one would never make any. */
void protection_plan_point(struct protection *p)
{
	uint64_t points_ns = p->settings->points_ns, age_ns = points_ns;
	struct tmc_point point;

	p->next_point_ns = clock_ns(CLOCK_MONOTONIC);
	if (!points_ns || protection_open_repo(p) < 0)
		return;
	if (tmc_point_find(p->repo, "latest", p->live.volume.volume_id, &point) == 0) {
		protection_note_point(p, &point, point.cut_time_ns);
		age_ns = age_of(&point);
	}
	protection_close_repo(p);
	if (age_ns < points_ns)
		p->next_point_ns += points_ns - age_ns;
}

int protection_make_point(struct protection *p, const struct recorder_status *recorder)
{
	uint64_t checked_ns = clock_ns(CLOCK_REALTIME);
	struct tmc_point point;
	int r = protection_open_repo(p);

	if (r < 0)
		return r;
	r = keep(p, recorder->durable_seq, &point);
	protection_close_repo(p);
	if (r == 0)
		protection_note_point(p, &point, checked_ns);
	return r;
}

/* ------------------------------------------------------------------ scan points */

/* The first instant of a stretch that can be had; 0: none. */
static uint64_t first_instant(const struct tmc_interval *intervals, size_t nr, uint64_t stretch)
{
	uint64_t seq = 0;

	for (size_t i = 0; i < nr; i++)
		if (intervals[i].stretch == stretch && (!seq || intervals[i].first_seq < seq))
			seq = intervals[i].first_seq;
	return seq;
}

/* One that makes nothing whole, of a stretch that has ended, is good for nothing. */
static int replace(struct protection *p, const struct tmc_point *scan, uint64_t seq,
		   uint64_t stretch)
{
	uint64_t checked_ns = clock_ns(CLOCK_REALTIME);
	struct tmc_point point;
	int r = 0;

	if (seq)
		r = keep(p, seq, &point);
	else if (scan->moment.stretch == stretch)
		return -ENOENT;
	if (r < 0)
		return r;
	if (seq)
		protection_note_point(p, &point, checked_ns);
	r = tmc_forget(p->repo, &scan->id, 1);
	return r < 0 ? catalog_failure(r) : 0;
}

static int replace_all(struct protection *p, uint64_t stretch)
{
	CLEANUP_FREE struct tmc_interval *intervals = NULL;
	CLEANUP_FREE struct tmc_point *points = NULL;
	size_t nr_intervals = 0, nr_points = 0;
	int r = tmc_interval_list(p->repo, p->live.volume.volume_id, &intervals, &nr_intervals);

	if (r == 0 || r == -EBADMSG)
		r = tmc_point_list(p->repo, &points, &nr_points);
	if (r < 0 && r != -EBADMSG)
		return catalog_failure(r);
	r = 0;
	for (size_t i = 0; i < nr_points && r == 0; i++) {
		const struct tmc_point *scan = &points[i];

		if (scan->moment.settles_seq &&
		    strcmp(scan->volume.volume_id, p->live.volume.volume_id) == 0)
			r = replace(p, scan, first_instant(intervals, nr_intervals,
							   scan->moment.stretch), stretch);
	}
	return r;
}

int protection_replace_scan_points(struct protection *p, uint64_t stretch)
{
	int r = protection_open_repo(p);

	if (r < 0)
		return r;
	r = replace_all(p, stretch);
	protection_close_repo(p);
	return r;
}

/* ---------------------------------------------------------------------- journal */

static void say_forgotten(struct protection *p, const struct tmc_journal_forgotten *forgotten)
{
	char size[SIZE_TEXT_BYTES], when[TIME_TEXT_BYTES];

	if (forgotten->segments)
		protection_say(p, PROTECTION_INFO, "journal: %" PRIu64 " segments, %s, up to %s "
			       "given up; \"tidemark prune\" frees them", forgotten->segments,
			       size_text_format(forgotten->bytes, size),
			       time_text_format(forgotten->last_time_ns, when));
}

/* A prune that is at work frees it as well. */
static int free_forgotten(struct protection *p)
{
	uint64_t bytes;
	int r = tmc_journal_sweep(p->repo, GRACE_NS, &bytes);

	return r == -EBUSY ? 0 : r;
}

int protection_forget_journal(struct protection *p)
{
	struct tmc_journal_forgotten forgotten;
	int r = protection_open_repo(p);

	if (r < 0)
		return r;
	r = tmc_journal_forget(p->repo, p->live.volume.volume_id, p->settings->keep_journal_ns,
			       false, &forgotten);
	if (r == 0) {
		say_forgotten(p, &forgotten);
		r = free_forgotten(p);
	}
	if (r < 0)
		r = catalog_failure(r);
	protection_close_repo(p);
	return r;
}
