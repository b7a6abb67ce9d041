// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Finding instants. What is looked for is found in the journal first and only then asked
 * for whether it can be had: an earlier instant is never given for one that cannot.
 *
 * Clocks can step back, so that a time comes twice: the later record counts. Segments are
 * told apart by the times of their first and last records; a clock that steps back and
 * forth again within one segment is not seen.
 */
#include "catalog/timeline.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/time_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A place in the journal. */
struct place {
	uint64_t stretch; /* 0: of whichever has the seq */
	uint64_t seq;
};

/* ---------------------------------------------------------------- what there is */

static void note_nearest(struct tmc_repo *repo, const struct tmc_timeline *timeline,
			 uint64_t stretch, uint64_t seq, char *text, size_t bytes)
{
	char when[TIME_TEXT_BYTES] = "?";
	uint64_t time_ns;

	if (!tmc_timeline_time(repo, timeline, stretch, seq, &time_ns))
		time_text_format(time_ns, when);
	snprintf(text, bytes, "%s (seq %llu)", when, (unsigned long long)seq);
}

/* The latest instant up to seq, or the first one behind it; empty: none. */
static void describe_nearest(struct tmc_repo *repo, const struct tmc_timeline *timeline,
			     uint64_t seq, bool behind, char *text, size_t bytes)
{
	const struct tmc_interval *found = NULL;

	*text = '\0';
	for (size_t i = 0; i < timeline->nr_intervals; i++) {
		const struct tmc_interval *interval = &timeline->intervals[i];

		if (!behind && interval->first_seq <= seq)
			found = interval;
		if (behind && !found && interval->last_seq > seq)
			found = interval;
	}
	if (!found)
		return;
	if (behind)
		seq = found->first_seq > seq ? found->first_seq : seq + 1;
	else
		seq = found->last_seq < seq ? found->last_seq : seq;
	note_nearest(repo, timeline, found->stretch, seq, text, bytes);
}

/* what: "2026-11-27 15:04:05.000", "record 7", ... */
static int no_instant(struct tmc_repo *repo, const struct tmc_timeline *timeline, uint64_t seq,
		      const char *what)
{
	const char *damage = timeline->damage ? "; parts of the repository are damaged" : "";
	char before[64 + TIME_TEXT_BYTES], behind[64 + TIME_TEXT_BYTES];

	describe_nearest(repo, timeline, seq, false, before, sizeof(before));
	describe_nearest(repo, timeline, seq, true, behind, sizeof(behind));
	if (!*before && !*behind)
		return failure_set(-ENOENT, "%s: no instant of this volume can be had; its journal "
				   "is empty, or no restore point belongs to it%s", what, damage);
	return failure_set(-ENOENT, "%s: this instant cannot be had; the nearest are %s%s%s%s", what,
			   before, *before && *behind ? " and " : "", behind, damage);
}

/* ---------------------------------------------------------------------- by time */

struct search {
	uint64_t time_ns;
	const char *mark;
	uint64_t end_seq; /* records from there on do not count */
	bool found;
	uint64_t seq;     /* of the last one that was found */
};

static int match_time(void *context, const struct tmc_record *record)
{
	struct search *search = context;

	if (record->time_ns > search->time_ns)
		return 0;
	search->found = true;
	search->seq = record->seq;
	return 0;
}

/* Whether the journal goes on behind the segment with what is not known. */
static bool ends_in_gap(const struct tmc_timeline *timeline, size_t nth)
{
	return nth + 1 < timeline->nr_segments && !tmc_timeline_continues(timeline, nth + 1);
}

static int unknown_end(const char *when, uint64_t last_seq)
{
	return failure_set(-EBADMSG, "%s: this is behind the last record that can be read, seq "
			   "%llu, and parts of the repository are damaged, which may be later ones; name "
			   "the instant by its seq if it is the one that is meant", when,
			   (unsigned long long)last_seq);
}

/* Whether any record may be so early: one that goes back in time has not its first earliest. */
static bool may_have(const struct tmc_segment *segment, uint64_t time_ns)
{
	return segment->first_time_ns <= time_ns || segment->last_time_ns <= time_ns ||
	       segment->first_time_ns > segment->last_time_ns;
}

/* Returns 1, 0 (no record is so early), or a negative errno. */
static int find_in_segment(struct tmc_repo *repo, const struct tmc_segment *segment,
			   uint64_t time_ns, struct place *ret_place)
{
	struct search search = { .time_ns = time_ns };
	int ret;

	ret_place->stretch = segment->stretch;
	ret_place->seq = segment->last_seq;
	if (segment->last_time_ns <= time_ns)
		return 1;
	if (!may_have(segment, time_ns))
		return 0;
	ret = tmc_segment_read(repo, segment, match_time, &search);
	ret_place->seq = search.seq;
	return ret < 0 ? ret : search.found;
}

static int find_time(struct tmc_repo *repo, const struct tmc_timeline *timeline, uint64_t time_ns,
		     struct place *ret_place)
{
	size_t nth = timeline->nr_segments;
	const struct tmc_segment *segment;
	char when[TIME_TEXT_BYTES];
	bool is_behind;
	int ret = 0;

	time_text_format(time_ns, when);
	while (nth && !ret)
		ret = find_in_segment(repo, &timeline->segments[--nth], time_ns, ret_place);
	if (ret < 0)
		return ret;
	if (!ret)
		return no_instant(repo, timeline, 0, when);
	segment = &timeline->segments[nth];
	is_behind = ret_place->seq == segment->last_seq && time_ns > segment->last_time_ns;
	if (is_behind && nth + 1 == timeline->nr_segments && timeline->damage)
		return unknown_end(when, segment->last_seq);
	if ((is_behind && ends_in_gap(timeline, nth)) ||
	    !tmc_timeline_interval(timeline, ret_place->stretch, ret_place->seq))
		return no_instant(repo, timeline, ret_place->seq, when);
	return 0;
}

/* ------------------------------------------------------------------- seq, mark */

static int find_seq(struct tmc_repo *repo, const struct tmc_timeline *timeline, uint64_t seq,
		    struct place *ret_place)
{
	const struct tmc_interval *interval = tmc_timeline_interval(timeline, 0, seq);
	char what[40];

	snprintf(what, sizeof(what), "record %llu", (unsigned long long)seq);
	if (!interval)
		return no_instant(repo, timeline, seq, what);
	*ret_place = (struct place){ .stretch = interval->stretch, .seq = seq };
	return 0;
}

static int match_mark(void *context, const struct tmc_record *record)
{
	struct search *search = context;

	if (record->type != TMC_RECORD_MARK || record->payload_bytes != strlen(search->mark) ||
	    memcmp(record->payload, search->mark, record->payload_bytes))
		return 0;
	search->found = true;
	search->seq = record->seq;
	return 0;
}

static int find_mark(struct tmc_repo *repo, const struct tmc_timeline *timeline, const char *mark,
		     struct place *ret_place)
{
	struct search search = { .mark = mark };
	char what[TMC_MARK_BYTES_MAX + 16];

	for (size_t nth = timeline->nr_segments; nth-- && !search.found;) {
		const struct tmc_segment *segment = &timeline->segments[nth];
		int ret = 0;

		if (segment->nr_marks)
			ret = tmc_segment_read(repo, segment, match_mark, &search);
		if (ret < 0)
			return ret;
		*ret_place = (struct place){ .stretch = segment->stretch, .seq = search.seq };
	}
	snprintf(what, sizeof(what), "mark \"%s\"", mark);
	if (!search.found)
		return failure_set(-ENOENT, "the journal of this volume has no %s%s", what,
				   timeline->damage ? "; parts of the repository are damaged" : "");
	if (!tmc_timeline_interval(timeline, ret_place->stretch, ret_place->seq))
		return no_instant(repo, timeline, ret_place->seq, what);
	return 0;
}

/* ----------------------------------------------------------------------- flush */

static int match_flush(void *context, const struct tmc_record *record)
{
	struct search *search = context;

	if (record->seq >= search->end_seq)
		return 0;
	if (record->type != TMC_RECORD_FLUSH &&
	    !(record->type == TMC_RECORD_WRITE && record->flags & TMC_RECORD_PREFLUSH))
		return 0;
	search->found = true;
	search->seq = record->seq;
	return 0;
}

/* Back to before the latest flush, which must have its instants in the same interval. */
static int go_before_flush(struct tmc_repo *repo, const struct tmc_timeline *timeline,
			   struct place *place)
{
	const struct tmc_interval *interval = tmc_timeline_interval(timeline, place->stretch,
								    place->seq);
	struct search search = { .end_seq = place->seq + 1 };

	for (size_t nth = timeline->nr_segments; nth-- && !search.found;) {
		const struct tmc_segment *segment = &timeline->segments[nth];
		int ret;

		if (segment->stretch != place->stretch || segment->first_seq > place->seq ||
		    segment->last_seq <= interval->first_seq || !segment->nr_flushes)
			continue;
		ret = tmc_segment_read(repo, segment, match_flush, &search);
		if (ret < 0)
			return ret;
	}
	if (!search.found || search.seq <= interval->first_seq)
		return failure_set(-ENOENT, "from seq %llu, where the instants begin that can be had, "
				   "up to seq %llu there is no flush",
				   (unsigned long long)interval->first_seq,
				   (unsigned long long)place->seq);
	place->seq = search.seq - 1;
	return 0;
}

/* ------------------------------------------------------------------------ calls */

static int find_place(struct tmc_repo *repo, const struct tmc_timeline *timeline,
		      const struct tmc_when *when, struct place *ret_place)
{
	switch (when->kind) {
	case TMC_WHEN_TIME:
		return find_time(repo, timeline, when->time_ns, ret_place);
	case TMC_WHEN_SEQ:
		return find_seq(repo, timeline, when->seq, ret_place);
	case TMC_WHEN_MARK:
		return find_mark(repo, timeline, when->mark, ret_place);
	}
	return failure_set(-EINVAL, "this is no way to name an instant");
}

static int describe_place(struct tmc_repo *repo, const struct tmc_timeline *timeline,
			  const struct place *place, struct tmc_instant *ret_instant)
{
	const struct tmc_point *base = tmc_timeline_base(timeline, place->stretch, place->seq);

	*ret_instant = (struct tmc_instant){
		.volume = base->volume,
		.stretch = place->stretch,
		.seq = place->seq,
		.base = base->id,
	};
	return tmc_timeline_time(repo, timeline, place->stretch, place->seq, &ret_instant->time_ns);
}

int tmc_instant_find(struct tmc_repo *repo, const char *volume_id, const struct tmc_when *when,
		     struct tmc_instant *ret_instant)
{
	CLEANUP(tmc_timeline_clear) struct tmc_timeline timeline = { 0 };
	struct tmc_instant instant;
	struct place place = { 0 };
	int ret = tmc_timeline_load(repo, volume_id, &timeline);

	if (!ret)
		ret = find_place(repo, &timeline, when, &place);
	if (!ret && when->before_flush)
		ret = go_before_flush(repo, &timeline, &place);
	if (!ret)
		ret = describe_place(repo, &timeline, &place, &instant);
	if (!ret)
		*ret_instant = instant;
	return ret;
}

/* A tail can be whole where the table is not: then it is known about when. */
static int set_times(struct tmc_repo *repo, struct tmc_timeline *timeline,
		     struct tmc_interval *interval)
{
	int first = tmc_timeline_time(repo, timeline, interval->stretch, interval->first_seq,
				      &interval->first_time_ns);
	int last = first && first != -EBADMSG ? first :
		   tmc_timeline_time(repo, timeline, interval->stretch, interval->last_seq,
				     &interval->last_time_ns);

	if (first == -EBADMSG || last == -EBADMSG)
		timeline->damage = -EBADMSG;
	return last == -EBADMSG ? 0 : last;
}

int tmc_interval_list(struct tmc_repo *repo, const char *volume_id,
		      struct tmc_interval **ret_intervals, size_t *ret_nr)
{
	CLEANUP(tmc_timeline_clear) struct tmc_timeline timeline = { 0 };
	int ret = tmc_timeline_load(repo, volume_id, &timeline);

	for (size_t i = 0; i < timeline.nr_intervals && !ret; i++)
		ret = set_times(repo, &timeline, &timeline.intervals[i]);
	if (ret < 0)
		return ret;
	*ret_intervals = timeline.intervals;
	*ret_nr = timeline.nr_intervals;
	timeline.intervals = NULL;
	return timeline.damage;
}

static bool begins_with(const struct tmc_interval *interval, const struct tmc_point *point)
{
	const struct tmc_moment *moment = &point->moment;

	return moment->stretch == interval->stretch && !moment->settles_seq &&
	       moment->seq == interval->first_seq && interval->last_seq > interval->first_seq;
}

/* Of the volume of that point. */
static int keep_of_volume(struct tmc_repo *repo, const struct tmc_point *first,
			  const struct tmc_point *end, uint32_t *reasons)
{
	CLEANUP(tmc_timeline_clear) struct tmc_timeline timeline = { 0 };
	int ret = tmc_timeline_load(repo, first->volume.volume_id, &timeline);

	if (!ret)
		ret = timeline.damage;
	for (const struct tmc_point *point = first; point < end && !ret; point++)
		for (size_t n = 0; n < timeline.nr_intervals; n++)
			if (begins_with(&timeline.intervals[n], point))
				reasons[point - first] |= TMC_KEEP_JOURNAL;
	return ret;
}

static bool is_first_of_volume(const struct tmc_point *points, size_t nth)
{
	for (size_t i = 0; i < nth; i++)
		if (points[i].moment.stretch &&
		    !strcmp(points[i].volume.volume_id, points[nth].volume.volume_id))
			return false;
	return points[nth].moment.stretch != 0;
}

int tmc_retention_keep_journal(struct tmc_repo *repo, const struct tmc_point *points, size_t nr,
			       uint32_t *reasons)
{
	int ret = 0;

	for (size_t i = 0; i < nr && !ret; i++)
		if (is_first_of_volume(points, i))
			ret = keep_of_volume(repo, &points[i], points + nr, &reasons[i]);
	return ret;
}
