// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Going on where another process, or another protection of this one, has left off: the
 * conditions of docs/journal.md, "Taking over". Where one does not hold the channel is closed
 * for good, and everything begins as if there had been none.
 */
#include "agent/protection.h"
#include "agent/channel.h"
#include "agent/channel_store.h"
#include "agent/handover.h"
#include "common/clock_ns.h"
#include "common/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define CLOSE_NAP_NS 20000000
#define CLOSE_NAPS   100u

/* Nobody could tell that this process lives where the page has no owner. */
void protection_keep_channel(struct protection *p)
{
	const struct channel_store *store = p->settings->store;

	if (store && handover_claim(channel_handover(p->live.channel)) == 0)
		store->put(store->context, p->settings->name, channel_fd(p->live.channel));
}

void protection_drop_channel(struct protection *p)
{
	const struct channel_store *store = p->settings->store;

	if (store)
		store->drop(store->context, p->settings->name);
}

bool protection_is_handed_over(struct protection *p)
{
	struct handover handover;

	return p->settings->store && p->live.channel &&
	       handover_read(channel_handover(p->live.channel), &handover) == 0 &&
	       handover.position == ring_consumed_position(channel_ring(p->live.channel));
}

/* ------------------------------------------------------------------------- begin */

static int check_handover(struct protection *p, const struct handover *handover)
{
	struct tmc_repo_info info;

	tmc_repo_get_info(p->journal_repo, &info);
	if (memcmp(&handover->repository, &info.id, sizeof(info.id)) != 0)
		return failure_set(-ESTALE, "the process before wrote to another repository");
	if (strcmp(handover->volume_id, p->live.volume.volume_id) != 0)
		return failure_set(-ESTALE, "the process before had another volume there");
	return 0;
}

static int check_seq(struct protection *p, const struct handover *handover)
{
	uint64_t last_seq = 0;
	int r = channel_last_seq(p->live.channel, &last_seq);

	if (r == 0 && last_seq < handover->module_seq)
		r = failure_set(-ESTALE, "the module has not come to record %" PRIu64 " yet",
				handover->module_seq);
	return r;
}

static int resume(struct protection *p, const struct handover *handover)
{
	int r = check_handover(p, handover);

	if (r == 0)
		r = check_seq(p, handover);
	if (r == 0)
		r = ring_resume(channel_ring(p->live.channel), handover->position,
				handover->module_seq);
	if (r == 0)
		r = channel_abort_any(p->live.channel);
	return r == 0 ? protection_start_recorder(p, handover) : r;
}

static int take(struct protection *p, int fd, const struct block_tree *tree)
{
	struct handover handover;
	int r = live_volume_take_over(&p->live, fd, p->attachment, p->settings->repository,
				      p->journal_repo, tree);

	if (r == 0)
		r = handover_read(channel_handover(p->live.channel), &handover);
	return r == 0 ? resume(p, &handover) : r;
}

static void begin_to_follow(struct protection *p)
{
	if (ring_stream_is_on(channel_ring(p->live.channel)))
		protection_say(p, PROTECTION_INFO, "took over: 0 bytes to read again");
	else
		protection_say(p, PROTECTION_INFO, "took over what was recorded before the ring "
			       "was full");
	p->stands = true;
	p->whole_ns = clock_ns(CLOCK_REALTIME); /* at the latest */
	p->has_scan_points = true; /* the process before may have left one */
	protection_plan_point(p);
}

/* Whoever keeps copies may close them a little after it has said so. */
static int open_when_closed(struct protection *p, const struct block_tree *tree)
{
	struct timespec nap = {.tv_nsec = CLOSE_NAP_NS};
	int r = -EBUSY;

	for (unsigned int i = 0; r == -EBUSY && i < CLOSE_NAPS; i++) {
		if (i)
			nanosleep(&nap, NULL);
		live_volume_close(&p->live);
		r = live_volume_open(&p->live, p->attachment, p->settings->repository,
				     p->journal_repo, tree);
	}
	return r;
}

int protection_open_live(struct protection *p, const struct block_tree *tree)
{
	const struct channel_store *store = p->settings->store;
	int fd = store ? store->take(store->context, p->settings->name) : -1;

	if (fd < 0)
		return live_volume_open(&p->live, p->attachment, p->settings->repository,
					p->journal_repo, tree);
	if (take(p, fd, tree) == 0) {
		begin_to_follow(p);
		return 0;
	}
	protection_say(p, PROTECTION_INFO, "not taken over: %s", failure_text());
	protection_drop_channel(p);
	return open_when_closed(p, tree);
}
