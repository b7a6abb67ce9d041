// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Segments that follow each other without a hole are a run. Of a run all instants can be
 * had from that on where the first usable point in it counts, less those that a reread
 * makes doubtful. Seqs of a volume only grow, so their order is that of the journal,
 * whatever its clocks said.
 */
#include "catalog/timeline.h"

#include "catalog/id.h"
#include "catalog/repo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <string.h>

/* From which seq on instants can be made from the point. */
static uint64_t counts_from(const struct tmc_point *point)
{
	return point->moment.settles_seq ? point->moment.settles_seq : point->moment.seq;
}

static bool is_exact(const struct tmc_point *point)
{
	return !point->moment.settles_seq;
}

static bool is_stand_in(const struct tmc_segment *segment)
{
	return tmc_id_equal(&segment->id, &tmc_id_zero);
}

/* ------------------------------------------------------------------------ load */

static int compare_points(const void *a, const void *b)
{
	const struct tmc_moment *left = &((const struct tmc_point *)a)->moment;
	const struct tmc_moment *right = &((const struct tmc_point *)b)->moment;

	if (left->seq != right->seq)
		return left->seq < right->seq ? -1 : 1;
	return (left->settles_seq < right->settles_seq) - (left->settles_seq > right->settles_seq);
}

static int compare_segments(const void *a, const void *b)
{
	const struct tmc_segment *left = a, *right = b;

	if (left->first_seq != right->first_seq)
		return left->first_seq < right->first_seq ? -1 : 1;
	return (left->stretch > right->stretch) - (left->stretch < right->stretch);
}

static int load_points(struct tmc_repo *repo, const char *volume_id, struct tmc_timeline *timeline)
{
	size_t nr_all;
	int ret = tmc_point_list(repo, &timeline->points, &nr_all);

	if (ret == -EBADMSG)
		timeline->damage = ret;
	else if (ret < 0)
		return ret;
	for (size_t i = 0; i < nr_all; i++) {
		struct tmc_point *point = &timeline->points[i];

		if (point->moment.stretch && !strcmp(point->volume.volume_id, volume_id))
			timeline->points[timeline->nr_points++] = *point;
	}
	return 0;
}

static int load_segments(struct tmc_repo *repo, const char *volume_id,
			 struct tmc_timeline *timeline)
{
	size_t nr_all;
	int ret = tmc_segment_list(repo, volume_id, &timeline->segments, &nr_all);

	if (ret == -EBADMSG)
		timeline->damage = ret;
	else if (ret < 0)
		return ret;
	for (size_t i = 0; i < nr_all; i++)
		if (timeline->segments[i].last_seq < UINT64_MAX) /* else forged: none follows */
			timeline->segments[timeline->nr_segments++] = timeline->segments[i];
	return 0;
}

static int add_stand_ins(struct tmc_timeline *timeline)
{
	size_t nr = timeline->nr_segments;
	struct tmc_segment *grown = reallocarray(timeline->segments, nr + timeline->nr_points + 1,
						 sizeof(*grown));

	if (!grown)
		return failure_set(-ENOMEM, "out of memory");
	timeline->segments = grown;
	for (size_t i = 0; i < timeline->nr_points; i++) {
		const struct tmc_point *point = &timeline->points[i];
		const struct tmc_moment *moment = &point->moment;

		if (!is_exact(point) ||
		    tmc_timeline_segment(timeline, moment->stretch, moment->seq))
			continue;
		timeline->segments[timeline->nr_segments++] = (struct tmc_segment){
			.stretch = moment->stretch,
			.first_seq = moment->seq,
			.last_seq = moment->seq,
			.first_time_ns = point->cut_time_ns,
			.last_time_ns = point->cut_time_ns,
		};
	}
	return 0;
}

static void sort(struct tmc_timeline *timeline)
{
	if (timeline->nr_points)
		qsort(timeline->points, timeline->nr_points, sizeof(*timeline->points),
		      compare_points);
	if (timeline->nr_segments)
		qsort(timeline->segments, timeline->nr_segments, sizeof(*timeline->segments),
		      compare_segments);
}

/* ------------------------------------------------------------------- intervals */

bool tmc_timeline_continues(const struct tmc_timeline *timeline, size_t nth)
{
	const struct tmc_segment *segment = &timeline->segments[nth];
	const struct tmc_segment *before = segment - 1;

	if (!nth || nth >= timeline->nr_segments || before->stretch != segment->stretch ||
	    before->last_seq + 1 != segment->first_seq)
		return false;
	return is_stand_in(before) || is_stand_in(segment) ||
	       tmc_id_equal(&segment->previous, &before->id);
}

/* There is room: see make_intervals(). */
static void add_interval(struct tmc_timeline *timeline, uint64_t stretch, uint64_t first,
			 uint64_t last)
{
	struct tmc_interval *latest = timeline->intervals + timeline->nr_intervals - 1;

	if (timeline->nr_intervals && latest->stretch == stretch && latest->last_seq + 1 >= first) {
		latest->last_seq = last;
		return;
	}
	timeline->intervals[timeline->nr_intervals++] = (struct tmc_interval){
		.stretch = stretch, .first_seq = first, .last_seq = last,
	};
}

/* What the device gave at a cut is right, however long a reread took. */
static void add_exact_points(struct tmc_timeline *timeline, uint64_t stretch, uint64_t first,
			     uint64_t end)
{
	for (size_t i = 0; i < timeline->nr_points; i++) {
		const struct tmc_point *point = &timeline->points[i];
		uint64_t seq = point->moment.seq;

		if (is_exact(point) && point->moment.stretch == stretch && seq >= first && seq < end)
			add_interval(timeline, stretch, seq, seq);
	}
}

/* The first seq behind what of a segment is unsettled; at most end. */
static uint64_t settled_from(const struct tmc_segment *segment, uint64_t end)
{
	uint64_t seq = segment->last_seq + 1;

	seq = segment->settles_seq < seq ? segment->settles_seq : seq;
	return seq < end ? seq : end;
}

static void add_settled(struct tmc_timeline *timeline, uint64_t stretch, uint64_t first,
			uint64_t last)
{
	for (size_t i = 0; i < timeline->nr_segments; i++) {
		const struct tmc_segment *segment = &timeline->segments[i];
		uint64_t end = settled_from(segment, last + 1);

		if (segment->stretch != stretch || end <= first ||
		    segment->settles_seq <= segment->first_seq || segment->first_seq > last)
			continue;
		if (segment->first_seq > first) {
			add_interval(timeline, stretch, first, segment->first_seq - 1);
			first = segment->first_seq;
		}
		add_exact_points(timeline, stretch, first, end);
		first = end;
	}
	if (first <= last)
		add_interval(timeline, stretch, first, last);
}

static void add_run(struct tmc_timeline *timeline, const struct tmc_segment *begin,
		    const struct tmc_segment *end)
{
	uint64_t first = UINT64_MAX, last = end[-1].last_seq;

	for (size_t i = 0; i < timeline->nr_points; i++) {
		const struct tmc_point *point = &timeline->points[i];

		if (point->moment.stretch == begin->stretch &&
		    point->moment.seq + 1 >= begin->first_seq && counts_from(point) < first)
			first = counts_from(point);
	}
	if (first <= last)
		add_settled(timeline, begin->stretch, first, last);
}

static int make_intervals(struct tmc_timeline *timeline)
{
	size_t nr = timeline->nr_segments, end;

	/* Each segment ends one at most, each point is one at most. */
	timeline->intervals = calloc(2 * nr + timeline->nr_points + 1, sizeof(*timeline->intervals));
	if (!timeline->intervals)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t begin = 0; begin < nr; begin = end) {
		for (end = begin + 1; tmc_timeline_continues(timeline, end); end++)
			;
		add_run(timeline, timeline->segments + begin, timeline->segments + end);
	}
	return 0;
}

int tmc_timeline_complete(struct tmc_timeline *timeline)
{
	int ret = add_stand_ins(timeline);

	if (ret < 0)
		return ret;
	sort(timeline);
	return make_intervals(timeline);
}

int tmc_timeline_load(struct tmc_repo *repo, const char *volume_id,
		      struct tmc_timeline *ret_timeline)
{
	int ret;

	memset(ret_timeline, 0, sizeof(*ret_timeline));
	tmc_repo_enter(repo, "restore");
	ret = load_segments(repo, volume_id, ret_timeline);
	if (!ret)
		ret = load_points(repo, volume_id, ret_timeline);
	if (!ret)
		ret = tmc_timeline_complete(ret_timeline);
	if (ret < 0)
		tmc_timeline_clear(ret_timeline);
	return ret;
}

void tmc_timeline_clear(struct tmc_timeline *timeline)
{
	free(timeline->segments);
	free(timeline->points);
	free(timeline->intervals);
	memset(timeline, 0, sizeof(*timeline));
}

/* ---------------------------------------------------------------------- lookup */

const struct tmc_segment *tmc_timeline_segment(const struct tmc_timeline *timeline,
					       uint64_t stretch, uint64_t seq)
{
	for (size_t i = timeline->nr_segments; i--;) {
		const struct tmc_segment *segment = &timeline->segments[i];

		if (segment->stretch == stretch && segment->first_seq <= seq &&
		    segment->last_seq >= seq)
			return segment;
	}
	return NULL;
}

const struct tmc_interval *tmc_timeline_interval(const struct tmc_timeline *timeline,
						 uint64_t stretch, uint64_t seq)
{
	for (size_t i = timeline->nr_intervals; i--;) {
		const struct tmc_interval *interval = &timeline->intervals[i];

		if ((!stretch || interval->stretch == stretch) && interval->first_seq <= seq &&
		    interval->last_seq >= seq)
			return interval;
	}
	return NULL;
}

/*
 * The nearest one: where the interval has the instant, all records behind the nearest point
 * are there, for those behind some point are. Exact points come last among those of a seq.
 */
const struct tmc_point *tmc_timeline_base(const struct tmc_timeline *timeline, uint64_t stretch,
					  uint64_t seq)
{
	for (size_t i = timeline->nr_points; i--;) {
		const struct tmc_point *point = &timeline->points[i];

		if (point->moment.stretch == stretch && point->moment.seq <= seq &&
		    counts_from(point) <= seq)
			return point;
	}
	return NULL;
}

struct time_search {
	uint64_t seq, time_ns;
};

static int find_time(void *context, const struct tmc_record *record)
{
	struct time_search *search = context;

	search->time_ns = record->time_ns;
	return record->seq == search->seq ? -ECANCELED : 0; /* that is all */
}

int tmc_timeline_time(struct tmc_repo *repo, const struct tmc_timeline *timeline, uint64_t stretch,
		      uint64_t seq, uint64_t *ret_time_ns)
{
	const struct tmc_segment *segment = tmc_timeline_segment(timeline, stretch, seq);
	struct time_search search = { .seq = seq };
	int ret;

	if (!segment)
		return failure_set(-ENOENT, "record %llu is not in the journal",
				   (unsigned long long)seq);
	*ret_time_ns = seq == segment->last_seq ? segment->last_time_ns : segment->first_time_ns;
	if (seq == segment->last_seq || seq == segment->first_seq)
		return 0;
	ret = tmc_segment_read(repo, segment, find_time, &search);
	if (ret != -ECANCELED)
		return ret < 0 ? ret : failure_set(-EBADMSG, "record %llu is not in its segment",
						   (unsigned long long)seq);
	*ret_time_ns = search.time_ns;
	return 0;
}
