// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/schedule.h"
#include "common/duration_text.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS  1000000000u
#define INTERVAL_MIN_S 60
#define INTERVAL_MAX_S (10ll * 366 * 86400)
#define PAUSE_MIN_S  60
#define PAUSE_MAX_S  1800
#define DOUBLINGS_MAX 5 /* from the one to the other */

int schedule_parse(const char *text, struct schedule *ret_schedule)
{
	struct schedule schedule = {0};
	uint64_t ns;

	if (duration_text_parse(text, &ns) < 0) {
		if (calendar_parse(text, &schedule.calendar) < 0)
			return -EINVAL;
	} else {
		schedule.interval_s = (int64_t)(ns / SECOND_NS);
		if (schedule.interval_s < INTERVAL_MIN_S || schedule.interval_s > INTERVAL_MAX_S)
			return -EINVAL;
	}
	*ret_schedule = schedule;
	return 0;
}

void schedule_spread(struct schedule *schedule, int64_t jitter_s, const char *name)
{
	char text[512] = "";
	unsigned char digest[EVP_MAX_MD_SIZE];
	uint64_t number;
	size_t length;

	if (jitter_s <= 0)
		return;
	gethostname(text, sizeof(text) / 2);
	length = strlen(text) + 1; /* what stands between the two is in no name */
	strncat(text + length, name, sizeof(text) - length - 1);
	if (EVP_Digest(text, length + strlen(text + length), digest, NULL, EVP_sha256(), NULL) != 1)
		return; /* in time is not wrong */
	memcpy(&number, digest, sizeof(number));
	schedule->late_s = (int64_t)(number % (uint64_t)jitter_s);
}

/* The first slot behind that time. */
static int64_t next_slot(const struct schedule *schedule, int64_t after_s)
{
	int64_t slot_s;

	if (schedule->interval_s)
		return after_s - after_s % schedule->interval_s + schedule->interval_s;
	slot_s = calendar_next(&schedule->calendar, after_s);
	return slot_s ? slot_s : INT64_MAX - schedule->late_s;
}

static int64_t after_failures(const struct schedule_past *past, int64_t now_s)
{
	unsigned int doublings = past->failures - 1;
	int64_t pause_s = PAUSE_MIN_S << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
	int64_t due_s;

	if (pause_s > PAUSE_MAX_S)
		pause_s = PAUSE_MAX_S;
	due_s = past->failed_s + pause_s;
	/* The clock was set back since. */
	return due_s > now_s + pause_s ? now_s + pause_s : due_s;
}

int64_t schedule_due(const struct schedule *schedule, const struct schedule_past *past,
		     int64_t now_s)
{
	int64_t settled_s = past->settled_s, due_s;

	if (past->failures)
		due_s = after_failures(past, now_s);
	else if (!settled_s)
		due_s = now_s;
	else
		/* The clock was set back since: what lies ahead is not settled. */
		due_s = next_slot(schedule, settled_s < now_s ? settled_s : now_s) +
			schedule->late_s;
	return due_s > now_s ? due_s : now_s;
}

/* Up to the slot that it is late for, so that the next one is not taken for settled. */
void schedule_settle(const struct schedule *schedule, struct schedule_past *past, int64_t began_s)
{
	past->settled_s = began_s - schedule->late_s;
	past->failures = 0;
}

void schedule_note_failure(struct schedule_past *past, int64_t now_s)
{
	past->failed_s = now_s;
	past->failures++;
}
