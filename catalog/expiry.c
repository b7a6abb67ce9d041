// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Of each stretch all up to a limit goes. Segments are listed before points: a stretch that is
 * not the latest in that list has ended, and its scan point, if there ever will be one, is in
 * the list of points.
 *
 * Ages are those of files, by the store's clock; what hosts say of the time of their records
 * counts for nothing.
 */
#include "catalog/expiry.h"

#include "catalog/id.h"
#include "catalog/repo.h"
#include "catalog/segment.h"
#include "catalog/timeline.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct stretch {
	const struct tmc_segment *segments; /* by seq */
	size_t nr;
	char volume_id[TMC_TEXT_BYTES];
	bool is_latest; /* of its volume: it may be in the making */
	bool is_superseded; /* a later one stands, so that nobody's base is in this one */
};

struct decision {
	struct tmc_repo *repo;
	const struct tmc_expiry *expiry;
	struct tmc_segment *segments;
	size_t nr_segments;
	struct tmc_point *points; /* that stay and have a moment */
	size_t nr_points;
	struct stretch *stretches;
	size_t nr_stretches;
};

static uint64_t last_seq(const struct stretch *stretch)
{
	return stretch->segments[stretch->nr - 1].last_seq;
}

static bool is_exact(const struct tmc_point *point)
{
	return !point->moment.settles_seq;
}

/* ------------------------------------------------------------------------ load */

static int load_points(struct decision *decision)
{
	size_t nr_all = 0;
	int ret = tmc_point_list(decision->repo, &decision->points, &nr_all);

	for (size_t i = 0; i < nr_all && !ret; i++) {
		const struct tmc_point *point = &decision->points[i];

		if (point->moment.stretch && !tmc_id_list_has(decision->expiry->points, &point->id))
			decision->points[decision->nr_points++] = *point;
	}
	return ret;
}

/* The table is proved, as it is not by the list. */
static int find_volume(struct decision *decision, struct stretch *stretch)
{
	struct tmc_segment ignored;

	return tmc_segment_look(decision->repo, &stretch->segments[stretch->nr - 1].id, &ignored,
				stretch->volume_id);
}

static int find_stretches(struct decision *decision)
{
	size_t nr;
	int ret = 0;

	decision->stretches = calloc(decision->nr_segments + 1, sizeof(*decision->stretches));
	if (!decision->stretches)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < decision->nr_segments && !ret; i += nr) {
		const struct tmc_segment *first = &decision->segments[i];
		struct stretch *stretch = &decision->stretches[decision->nr_stretches++];

		for (nr = 1; i + nr < decision->nr_segments && first[nr].stretch == first->stretch;)
			nr++;
		stretch->segments = first;
		stretch->nr = nr;
		ret = find_volume(decision, stretch);
	}
	return ret;
}

static bool has_exact_point(const struct decision *decision, const struct stretch *stretch)
{
	for (size_t i = 0; i < decision->nr_points; i++)
		if (is_exact(&decision->points[i]) &&
		    decision->points[i].moment.stretch == stretch->segments->stretch)
			return true;
	return false;
}

static void find_later(struct decision *decision)
{
	for (size_t i = 0; i < decision->nr_stretches; i++) {
		struct stretch *stretch = &decision->stretches[i];

		stretch->is_latest = true;
		for (size_t n = 0; n < decision->nr_stretches; n++) {
			const struct stretch *other = &decision->stretches[n];

			if (last_seq(other) <= last_seq(stretch) ||
			    strcmp(other->volume_id, stretch->volume_id) != 0)
				continue;
			stretch->is_latest = false;
			if (has_exact_point(decision, other))
				stretch->is_superseded = true;
		}
	}
}

static int load(struct decision *decision)
{
	int ret = tmc_segment_list(decision->repo, decision->expiry->volume_id,
				   &decision->segments, &decision->nr_segments);

	if (!ret)
		ret = load_points(decision);
	if (!ret)
		ret = find_stretches(decision);
	if (!ret)
		find_later(decision);
	return ret;
}

static void clear(struct decision *decision)
{
	free(decision->segments);
	free(decision->points);
	free(decision->stretches);
}

/* ----------------------------------------------------------------------- limit */

/* Of one stretch, without the first nr_gone segments. */
static int make_timeline(const struct decision *decision, const struct stretch *stretch,
			 size_t nr_gone, struct tmc_timeline *timeline)
{
	size_t nr = stretch->nr - nr_gone;

	timeline->segments = calloc(nr + 1, sizeof(*timeline->segments));
	timeline->points = calloc(decision->nr_points + 1, sizeof(*timeline->points));
	if (!timeline->segments || !timeline->points)
		return failure_set(-ENOMEM, "out of memory");
	memcpy(timeline->segments, stretch->segments + nr_gone, nr * sizeof(*timeline->segments));
	timeline->nr_segments = nr;
	for (size_t i = 0; i < decision->nr_points; i++)
		if (decision->points[i].moment.stretch == stretch->segments->stretch)
			timeline->points[timeline->nr_points++] = decision->points[i];
	return tmc_timeline_complete(timeline);
}

/* The last record of the oldest segments that are all past their time; 0: none is. */
static int find_old_end(const struct decision *decision, const struct stretch *stretch,
			uint64_t *ret_seq)
{
	const struct tmc_expiry *expiry = decision->expiry;

	*ret_seq = 0;
	for (size_t i = 0; i < stretch->nr; i++) {
		uint64_t time_ns;
		int ret = tmc_store_time(decision->repo->store, TMC_STORE_JOURNAL,
					 &stretch->segments[i].id, &time_ns);

		if (ret < 0)
			return ret;
		if (expiry->keep_ns && (time_ns > expiry->now_ns ||
					expiry->now_ns - time_ns < expiry->keep_ns))
			return 0;
		*ret_seq = stretch->segments[i].last_seq;
	}
	return 0;
}

/* The latest exact point up to a seq; 0: none. */
static uint64_t latest_exact(const struct tmc_timeline *timeline, uint64_t seq)
{
	for (size_t i = timeline->nr_points; i--;) {
		const struct tmc_point *point = &timeline->points[i];

		if (is_exact(point) && point->moment.seq <= seq)
			return point->moment.seq;
	}
	return 0;
}

/* The first point that records behind it go on from: of what is before it no instant is made. */
static uint64_t first_base(const struct tmc_timeline *timeline, uint64_t first_seq)
{
	for (size_t i = 0; i < timeline->nr_points; i++)
		if (timeline->points[i].moment.seq + 1 >= first_seq)
			return timeline->points[i].moment.seq;
	return 0;
}

/* Whether instants are made from it that no exact point would do for. */
static bool is_needed_scan(const struct tmc_timeline *timeline, const struct tmc_point *point)
{
	uint64_t settles_seq = point->moment.settles_seq;

	if (is_exact(point))
		return false;
	for (size_t i = 0; i < timeline->nr_intervals; i++) {
		const struct tmc_interval *interval = &timeline->intervals[i];
		uint64_t first = interval->first_seq;

		if (interval->last_seq >= settles_seq)
			return !latest_exact(timeline, first > settles_seq ? first : settles_seq);
	}
	return true; /* a reread may be under way */
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Later instants than the old ones must not suffer: so it is a point that what is old goes up
 * to, not the last record that is old.
 */
static uint64_t choose_limit(const struct stretch *stretch, const struct tmc_timeline *timeline,
			     uint64_t old_end)
{
	uint64_t limit = latest_exact(timeline, old_end);
	uint64_t base = first_base(timeline, stretch->segments->first_seq);

	if (!timeline->nr_points)
		return stretch->is_latest ? 0 : old_end;
	if (stretch->is_superseded && old_end == last_seq(stretch))
		limit = old_end;
	if (base > limit)
		limit = lower(base, latest_exact(timeline, UINT64_MAX));
	for (size_t i = 0; i < timeline->nr_points; i++)
		if (is_needed_scan(timeline, &timeline->points[i]))
			limit = lower(limit, timeline->points[i].moment.seq);
	return limit;
}

static int find_limit(const struct decision *decision, const struct stretch *stretch,
		      uint64_t *ret_limit)
{
	CLEANUP(tmc_timeline_clear) struct tmc_timeline timeline = { 0 };
	int ret = make_timeline(decision, stretch, 0, &timeline);
	uint64_t old_end;

	if (!ret)
		ret = find_old_end(decision, stretch, &old_end);
	if (!ret)
		*ret_limit = choose_limit(stretch, &timeline, old_end);
	return ret;
}

/* ---------------------------------------------------------------------- choose */

static int count_kept(const struct decision *decision, const struct stretch *stretch,
		      size_t nr_gone, struct tmc_journal_forgotten *result)
{
	CLEANUP(tmc_timeline_clear) struct tmc_timeline timeline = { 0 };
	int ret = make_timeline(decision, stretch, nr_gone, &timeline);

	if (ret < 0)
		return ret;
	for (size_t i = nr_gone; i < stretch->nr; i++)
		result->kept_bytes += stretch->segments[i].bytes;
	result->kept_segments += stretch->nr - nr_gone;
	for (size_t i = 0; i < timeline.nr_intervals; i++)
		result->kept_instants += timeline.intervals[i].last_seq -
					 timeline.intervals[i].first_seq + 1;
	return 0;
}

static bool has_segments(const struct decision *decision, uint64_t stretch)
{
	for (size_t i = 0; i < decision->nr_stretches; i++)
		if (decision->stretches[i].segments->stretch == stretch)
			return true;
	return false;
}

static bool is_counted(const struct decision *decision, const struct tmc_point *point)
{
	const char *volume_id = decision->expiry->volume_id;

	if (!is_exact(point) || has_segments(decision, point->moment.stretch))
		return true;
	for (const struct tmc_point *other = decision->points; other < point; other++)
		if (is_exact(other) && other->moment.stretch == point->moment.stretch &&
		    other->moment.seq == point->moment.seq)
			return true;
	return volume_id && strcmp(point->volume.volume_id, volume_id);
}

/* Of stretches of which nothing else is left. */
static void count_bare_points(const struct decision *decision, struct tmc_journal_forgotten *result)
{
	for (size_t i = 0; i < decision->nr_points; i++)
		result->kept_instants += !is_counted(decision, &decision->points[i]);
}

static int take(const struct tmc_segment *segment, struct tmc_id_list *segments,
		struct tmc_journal_forgotten *result)
{
	result->segments++;
	result->bytes += segment->bytes;
	if (segment->last_time_ns > result->last_time_ns)
		result->last_time_ns = segment->last_time_ns;
	return tmc_id_list_add(segments, &segment->id);
}

/* The last one of a volume says which seqs have been used, and the module's base may name it. */
static int choose_of_stretch(const struct decision *decision, const struct stretch *stretch,
			     struct tmc_id_list *segments, struct tmc_journal_forgotten *result)
{
	size_t nr = stretch->nr - stretch->is_latest, nr_gone = 0;
	uint64_t limit;
	int ret = find_limit(decision, stretch, &limit);

	for (; nr_gone < nr && !ret && stretch->segments[nr_gone].last_seq <= limit; nr_gone++)
		ret = take(&stretch->segments[nr_gone], segments, result);
	return ret ? ret : count_kept(decision, stretch, nr_gone, result);
}

int tmc_expiry_choose(struct tmc_repo *repo, const struct tmc_expiry *expiry,
		      struct tmc_id_list *ret_segments, struct tmc_journal_forgotten *ret_result)
{
	CLEANUP(clear) struct decision decision = { .repo = repo, .expiry = expiry };
	int ret = load(&decision);

	*ret_result = (struct tmc_journal_forgotten){ 0 };
	for (size_t i = 0; i < decision.nr_stretches && !ret; i++)
		ret = choose_of_stretch(&decision, &decision.stretches[i], ret_segments,
					ret_result);
	count_bare_points(&decision, ret_result);
	tmc_id_list_sort(ret_segments);
	return ret;
}
