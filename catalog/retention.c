// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which points rules keep. What is asked for is what stays: where the rules leave room,
 * the answer is the one that loses less.
 *
 * Each volume by itself, from its newest point to its oldest. The newest always stays, and
 * ages are counted from it, not from now: of a volume that is not backed up any more, no
 * point goes because time goes by. The clock of this host decides one thing only, which
 * points are of the future. They stay and count nowhere, or somebody who may add points
 * could push the true ones out (docs/security.md); a host whose clock has fallen back
 * keeps all there is.
 *
 * The points of one cut over several volumes fit together, so all of them stay where a rule
 * keeps one. That one is the newest of its volume, or of the future, is no such rule: a
 * volume that is gone would hold a point of each of the others for good. A point that stays
 * for its group is not counted by any rule.
 *
 * A scan that the journal begins with is no image and is not for the rules: it stays, and
 * counts nowhere. Who keeps the journal gives it up.
 *
 * A point that does not say of which volume it is counts as a volume of its own.
 */
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <string.h>
#include <tidemark.h>
#include <time.h>

#define SECOND_NS 1000000000ull

/* Clocks of hosts differ. A point that is ahead by less counts, being the newest. */
#define CLOCK_SKEW_NS (5 * 60 * SECOND_NS)

enum period { HOUR, DAY, WEEK, MONTH, YEAR, NR_PERIODS };

#define KEPT_BY_A_RULE                                                                             \
	(TMC_KEEP_LAST | TMC_KEEP_HOURLY | TMC_KEEP_DAILY | TMC_KEEP_WEEKLY | TMC_KEEP_MONTHLY |   \
	 TMC_KEEP_YEARLY | TMC_KEEP_WITHIN | TMC_KEEP_TAG)

struct volume_walk {
	const struct tmc_retention *rules;
	const struct tmc_point *newest; /* NULL: not met yet */
	uint32_t left[NR_PERIODS];      /* periods of which a point may still be kept */
	uint64_t period[NR_PERIODS];    /* that of which the latest point has been met */
	uint32_t last_left;
};

/*
 * In which hour, day, ... a cut lies, as numbers that are the same within one and only
 * there. An hour of a zone that turns its clock back comes twice, and is two hours: so an
 * hour is told by the second, of UTC, in which it began. Three days on, the day of the
 * epoch is a Monday, and no zone's time is negative.
 */
static void find_periods(uint64_t cut_time_ns, uint64_t ret_period[NR_PERIODS])
{
	time_t utc = (time_t)(cut_time_ns / SECOND_NS);
	struct tm local = { 0 };
	uint64_t seconds, days;

	localtime_r(&utc, &local); /* fails beyond the year 2^31 only, which 2^64 ns is not */
	seconds = (uint64_t)(utc + local.tm_gmtoff) + 3 * 24 * 3600;
	days = seconds / (24 * 3600);
	ret_period[HOUR] = (uint64_t)utc - seconds % 3600;
	ret_period[DAY] = days;
	ret_period[WEEK] = days / 7;
	ret_period[MONTH] = (uint64_t)(12 * local.tm_year + local.tm_mon);
	ret_period[YEAR] = (uint64_t)local.tm_year;
}

static uint32_t count_periods(struct volume_walk *walk, uint64_t cut_time_ns)
{
	static const uint32_t reasons[NR_PERIODS] = {
		[HOUR] = TMC_KEEP_HOURLY,
		[DAY] = TMC_KEEP_DAILY,
		[WEEK] = TMC_KEEP_WEEKLY,
		[MONTH] = TMC_KEEP_MONTHLY,
		[YEAR] = TMC_KEEP_YEARLY,
	};
	uint64_t period[NR_PERIODS];
	uint32_t kept = 0;

	find_periods(cut_time_ns, period);
	for (int i = 0; i < NR_PERIODS; i++) {
		if (!walk->left[i] || period[i] == walk->period[i])
			continue;
		walk->period[i] = period[i];
		walk->left[i]--; /* UINT32_MAX is more than any walk takes */
		kept |= reasons[i];
	}
	return kept;
}

/* The next older point of the volume. */
static uint32_t keep_point(struct volume_walk *walk, const struct tmc_point *point)
{
	uint32_t kept = count_periods(walk, point->cut_time_ns);

	if (!walk->newest) {
		walk->newest = point;
		kept |= TMC_KEEP_NEWEST;
	}
	if (walk->last_left) {
		walk->last_left--;
		kept |= TMC_KEEP_LAST;
	}
	if (walk->rules->within_ns &&
	    walk->newest->cut_time_ns - point->cut_time_ns <= walk->rules->within_ns)
		kept |= TMC_KEEP_WITHIN;
	return kept;
}

static struct volume_walk begin_walk(const struct tmc_retention *rules)
{
	struct volume_walk walk = {
		.rules = rules,
		.last_left = rules->last,
		.left = {
			[HOUR] = rules->hourly,
			[DAY] = rules->daily,
			[WEEK] = rules->weekly,
			[MONTH] = rules->monthly,
			[YEAR] = rules->yearly,
		},
	};

	memset(walk.period, 0xff, sizeof(walk.period)); /* none */
	return walk;
}

static bool is_future(const struct tmc_point *point, uint64_t now_ns)
{
	return point->cut_time_ns > now_ns && point->cut_time_ns - now_ns > CLOCK_SKEW_NS;
}

static bool has_tag(const struct tmc_retention *rules, const struct tmc_note *note)
{
	for (size_t i = 0; i < rules->nr_tags; i++)
		if (tmc_note_has_tag(note, rules->tags[i]))
			return true;
	return false;
}

static bool has_rule(const struct tmc_retention *rules)
{
	return rules->last || rules->hourly || rules->daily || rules->weekly || rules->monthly ||
	       rules->yearly || rules->within_ns || rules->nr_tags;
}

static bool same_volume(const struct tmc_point *a, const struct tmc_point *b)
{
	return a->volume.volume_id[0] && !strcmp(a->volume.volume_id, b->volume.volume_id);
}

/* Volumes, and of each the newest point first. */
static int compare_in_volumes(const void *a, const void *b)
{
	const struct tmc_point *point_a = *(const struct tmc_point *const *)a;
	const struct tmc_point *point_b = *(const struct tmc_point *const *)b;
	int order = strcmp(point_a->volume.volume_id, point_b->volume.volume_id);

	if (order)
		return order;
	if (point_a->cut_time_ns != point_b->cut_time_ns)
		return point_a->cut_time_ns > point_b->cut_time_ns ? -1 : 1;
	return point_a > point_b ? -1 : 1;
}

static int compare_groups(const void *a, const void *b)
{
	return strcmp((*(const struct tmc_point *const *)a)->group,
		      (*(const struct tmc_point *const *)b)->group);
}

/* sorted: as compare_in_volumes() orders them. */
static void keep_in_volumes(const struct tmc_retention *rules, const struct tmc_point **sorted,
			    size_t nr, const struct tmc_point *points, uint64_t now_ns,
			    uint32_t *reasons)
{
	struct volume_walk walk;

	for (size_t i = 0; i < nr; i++) {
		if (!i || !same_volume(sorted[i - 1], sorted[i]))
			walk = begin_walk(rules);
		if (sorted[i]->moment.settles_seq)
			reasons[sorted[i] - points] = TMC_KEEP_SCAN;
		else if (is_future(sorted[i], now_ns))
			reasons[sorted[i] - points] = TMC_KEEP_FUTURE;
		else
			reasons[sorted[i] - points] = keep_point(&walk, sorted[i]);
	}
}

/* sorted: points of groups, as compare_groups() orders them. */
static void keep_groups(const struct tmc_point **sorted, size_t nr,
			const struct tmc_point *points, uint32_t *reasons)
{
	size_t end;

	for (size_t begin = 0; begin < nr; begin = end) {
		uint32_t kept = 0;

		for (end = begin; end < nr && !strcmp(sorted[begin]->group, sorted[end]->group);
		     end++)
			kept |= reasons[sorted[end] - points];
		for (size_t i = begin; i < end && (kept & KEPT_BY_A_RULE); i++)
			if (!(reasons[sorted[i] - points] & KEPT_BY_A_RULE))
				reasons[sorted[i] - points] |= TMC_KEEP_GROUP;
	}
}

int tmc_retention_apply(const struct tmc_retention *rules, const struct tmc_point *points,
			size_t nr, const struct tmc_note *notes, size_t nr_notes,
			uint64_t now_ns, uint32_t *ret_reasons)
{
	CLEANUP_FREE const struct tmc_point **sorted = NULL;
	size_t nr_grouped = 0;

	if (!has_rule(rules))
		return failure_set(-EINVAL, "no rule says which restore points to keep");
	sorted = calloc(nr + 1, sizeof(*sorted));
	if (!sorted)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++)
		sorted[i] = &points[i];
	qsort(sorted, nr, sizeof(*sorted), compare_in_volumes);
	keep_in_volumes(rules, sorted, nr, points, now_ns, ret_reasons);
	for (size_t i = 0; i < nr; i++) {
		if (has_tag(rules, tmc_note_of(notes, nr_notes, &points[i])))
			ret_reasons[i] |= TMC_KEEP_TAG;
		if (points[i].group[0])
			sorted[nr_grouped++] = &points[i];
	}
	qsort(sorted, nr_grouped, sizeof(*sorted), compare_groups);
	keep_groups(sorted, nr_grouped, points, ret_reasons);
	return 0;
}
