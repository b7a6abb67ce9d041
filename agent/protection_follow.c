// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * While the stream goes on: every so often a cut, which lets the module forget what is
 * durable once its own record is, and a restore point, after which the journal is cut back.
 */
#include "agent/protection.h"
#include "common/clock_ns.h"
#include "common/failure.h"

#include <errno.h>

#define TRY_AGAIN_NS   60000000000u
#define LOOK_AGAIN_NS    1000000000u
#define SETTLE_NS_MAX   30000000000u
#define FORGET_NS_MAX 3600000000000u
#define FORGET_PARTS  48u /* of the span that the journal is kept for */

int protection_end_cut(struct protection *p, const struct tmc_id *base)
{
	uint64_t epoch = p->cut_epoch;
	int r;

	if (!epoch)
		return 0;
	p->cut_epoch = 0;
	if (!base)
		return channel_abort(p->live.channel, epoch);
	r = channel_commit(p->live.channel, epoch, base->bytes);
	if (r == 0) {
		p->has_base = true;
		p->base = *base;
	}
	return r;
}

static int begin_cut(struct protection *p)
{
	struct channel_cut_part part = {
		.channel = p->live.channel,
		.kind = CHANNEL_CUT_CHANGED,
		.stream = CHANNEL_STREAM_GOES_ON,
	};
	int r = channel_cut(&part, 1, NULL, 0);

	if (r == 0)
		p->cut_epoch = part.cut.epoch;
	return r;
}

static bool cut_is_durable(const struct protection *p, const struct recorder_status *recorder)
{
	return p->cut_epoch && recorder->cut_epoch == p->cut_epoch &&
	       recorder->durable_seq >= recorder->cut_seq;
}

/*
 * Not at each point where there are many: each time makes a doom. What fails is tried again
 * the next time; the stream does not depend on it.
 */
static void forget_journal_if_due(struct protection *p)
{
	uint64_t part_ns = p->settings->keep_journal_ns / FORGET_PARTS;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (!p->settings->keep_journal_ns || now_ns < p->next_forget_ns)
		return;
	p->next_forget_ns = now_ns + (part_ns < FORGET_NS_MAX ? part_ns : FORGET_NS_MAX);
	if (protection_forget_journal(p) < 0)
		protection_say(p, PROTECTION_WARNING, "nothing of the journal could be given up: "
			       "%s", failure_text());
}

/*
 * An instant that is unsettled, just now, is no failure: the next one will do. And the stream
 * does not depend on points.
 */
static void make_point_if_due(struct protection *p, const struct recorder_status *recorder)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	int r;

	if (now_ns < p->next_try_ns)
		return;
	if (p->has_scan_points)
		r = protection_replace_scan_points(p, recorder->stretch);
	else if (p->settings->points_ns && now_ns >= p->next_point_ns)
		r = protection_make_point(p, recorder);
	else
		return;
	p->next_try_ns = now_ns + (r == -ENOENT ? LOOK_AGAIN_NS : r < 0 ? TRY_AGAIN_NS : 0);
	if (r == -ENOENT)
		return;
	if (r == 0 && !p->has_scan_points)
		p->next_point_ns = now_ns + p->settings->points_ns;
	if (r == 0)
		p->has_scan_points = false;
	if (r < 0)
		protection_say(p, PROTECTION_WARNING, "no restore point could be made: %s; the "
			       "writes are kept all the same", failure_text());
	else if (p->settings->points_ns)
		forget_journal_if_due(p);
}

/* A cut is a record, and becomes a segment: of an idle volume there would be no end of them. */
static bool has_news(const struct recorder_status *recorder)
{
	return recorder->seq != recorder->cut_seq;
}

static int acknowledge_if_due(struct protection *p, const struct recorder_status *recorder)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (cut_is_durable(p, recorder))
		return protection_end_cut(p, &recorder->durable_segment);
	if (p->cut_epoch || now_ns < p->next_cut_ns || !has_news(recorder))
		return 0;
	p->next_cut_ns = now_ns + p->settings->acknowledge_ns;
	return begin_cut(p);
}

/* The stream has ended; everything that it had is durable. */
static void leave(struct protection *p, const struct recorder_status *recorder)
{
	p->stands = false;
	protection_end_cut(p, cut_is_durable(p, recorder) ? &recorder->durable_segment : NULL);
}

int protection_follow(struct protection *p)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	struct recorder_status recorder;
	int r = 0;

	protection_set_state(p, PROTECTION_STREAMING);
	protection_say(p, PROTECTION_INFO, "protected: every write is kept");
	protection_keep_channel(p);
	recorder_hand_over(p->recorder);
	p->next_cut_ns = now_ns + p->settings->acknowledge_ns;
	while (r == 0) {
		r = protection_wait(p, LOOK_AGAIN_NS);
		recorder_get_status(p->recorder, &recorder);
		if (r == 0 && recorder.state == RECORDER_IDLE) {
			leave(p, &recorder);
			return 0;
		}
		if (r == 0)
			r = acknowledge_if_due(p, &recorder);
		if (r == 0)
			make_point_if_due(p, &recorder);
		if (r == 0 && !p->settings->points_ns)
			forget_journal_if_due(p);
	}
	return r;
}

/* True: the open cut has been committed. */
static bool settle_cut(struct protection *p, uint64_t end_ns)
{
	struct timespec nap = {.tv_nsec = 20000000};
	struct recorder_status recorder;

	do {
		recorder_hurry(p->recorder);
		nanosleep(&nap, NULL);
		recorder_get_status(p->recorder, &recorder);
	} while (!cut_is_durable(p, &recorder) && recorder.state == RECORDER_RECORDING &&
		 clock_ns(CLOCK_MONOTONIC) < end_ns);
	return cut_is_durable(p, &recorder) &&
	       protection_end_cut(p, &recorder.durable_segment) == 0;
}

/*
 * One cut more than the one that may be open, so that only what is written after it has to be
 * read by who comes next. It is worth some seconds, not more: without it a little more is read.
 */
void protection_settle(struct protection *p)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + SETTLE_NS_MAX;
	struct recorder_status recorder;

	recorder_get_status(p->recorder, &recorder);
	if (recorder.state == RECORDER_RECORDING && p->stands &&
	    (!p->cut_epoch || settle_cut(p, end_ns)) && begin_cut(p) == 0)
		settle_cut(p, end_ns);
	protection_end_cut(p, NULL);
}
