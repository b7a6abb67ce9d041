// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The beginning of a stretch: the cut that turns the stream on, the scan of what it froze,
 * the scan point, the module's commit.
 */
#include "agent/protection.h"
#include "agent/freeze_set.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/lock_scope.h"
#include "common/size_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_NS 1000000000u

/* The beginning of one stretch. */
struct beginning {
	struct protection *p;
	struct tmc_point parent;
	bool has_parent;
	bool whole; /* everything is read, not only what the base lacks */
	uint64_t *also; /* by chunk: what of the base nobody has read; NULL: nothing */
	bool is_part; /* the scan has been stopped */
	uint64_t nr_before; /* stretches of the recorder */
	struct channel_cut cut;
	struct tmc_backup *draft; /* NULL: none, or its point is made */
	uint64_t settles_seq;
};

static int stream_has_ended(void)
{
	return failure_set(-EAGAIN, "the stream has ended");
}

/* The recorder is in the stretch that this one began, and no hole has come since. */
static int check_stretch(struct beginning *b)
{
	struct protection *p = b->p;
	struct recorder_status recorder;

	recorder_get_status(p->recorder, &recorder);
	if (recorder.nr_stretches == b->nr_before + 1 && recorder.state == RECORDER_RECORDING)
		return 0;
	return stream_has_ended();
}

static int keep_on(void *context)
{
	struct beginning *b = context;
	int r = protection_look(b->p);

	return r < 0 ? r : check_stretch(b);
}

/* --------------------------------------------------------------------------- base */

static int note_unread(void *context, uint64_t first_chunk, uint64_t nr_chunks)
{
	struct beginning *b = context;

	for (uint64_t i = first_chunk; i < first_chunk + nr_chunks; i++)
		b->also[i / 64] |= 1ull << i % 64;
	return 0;
}

/* What is missing in the image that the dirty set is relative to is read like what is dirty. */
static int find_unread(struct beginning *b)
{
	struct protection *p = b->p;
	int r;

	if (b->whole || !b->parent.unreadable_chunks)
		return 0;
	b->also = calloc((p->live.info->nr_chunks + 63) / 64, sizeof(*b->also));
	if (!b->also)
		return failure_set(-ENOMEM, "out of memory");
	r = tmc_point_unreadable(p->repo, &b->parent, note_unread, b);
	return r < 0 ? catalog_failure(r) : 0;
}

/* ---------------------------------------------------------------------------- cut */

/* A freeze is what lets a stream begin right after attaching; later none is needed. */
static int find_freeze_set(struct protection *p, struct freeze_set *ret_set)
{
	CLEANUP(block_tree_close) struct block_tree tree = {0};
	int r;

	if (channel_has_settled(p->live.channel))
		return 0;
	r = block_tree_open_system(&tree);
	if (r == 0)
		r = freeze_set_find(&tree, &p->live.range, 1, ret_set);
	if (r == 0)
		freeze_set_sync(&tree, &p->live.range);
	return r;
}

static int cut(struct beginning *b)
{
	CLEANUP(freeze_set_clear) struct freeze_set set = {0};
	struct protection *p = b->p;
	struct channel_cut_part part = {
		.channel = p->live.channel,
		.kind = b->whole ? CHANNEL_CUT_FULL : CHANNEL_CUT_CHANGED,
		.stream = CHANNEL_STREAM_STARTS,
	};
	struct recorder_status recorder;
	int r = find_freeze_set(p, &set);

	if (r < 0)
		return r;
	recorder_get_status(p->recorder, &recorder);
	b->nr_before = recorder.nr_stretches;
	r = channel_cut(&part, 1, set.devices, set.nr);
	if (r < 0)
		return r;
	b->cut = part.cut;
	p->cut_epoch = part.cut.epoch;
	do {
		r = protection_wait(p, LOOK_AGAIN_NS);
		recorder_get_status(p->recorder, &recorder);
	} while (r == 0 && recorder.nr_stretches == b->nr_before);
	return r;
}

/* --------------------------------------------------------------------------- scan */

static int begin_draft(struct beginning *b)
{
	struct protection *p = b->p;
	int r = tmc_backup_begin(p->repo, &p->live.volume, b->has_parent ? &b->parent : NULL, 0,
				 &b->draft);

	if ((r == -EBADMSG || r == -ENOENT) && b->has_parent) {
		protection_say(p, PROTECTION_WARNING, "the point to build on is damaged (%s); reading "
			       "everything, run \"tidemark verify\"", tmc_error_text());
		b->has_parent = false;
		b->whole = true;
		r = tmc_backup_begin(p->repo, &p->live.volume, NULL, 0, &b->draft);
	}
	return r < 0 ? catalog_failure(r) : 0;
}

static void say_scan(struct beginning *b, uint64_t bytes)
{
	struct protection *p = b->p;
	char size[SIZE_TEXT_BYTES];

	{
		LOCK_SCOPE(&p->lock);
		p->status.scan_bytes = bytes;
	}
	protection_set_state(p, PROTECTION_SCANNING);
	protection_say(p, PROTECTION_INFO, "streaming; reading %s, %s", size_text_format(bytes, size),
		       b->whole ? "everything" :
		       b->also ? "what was not read yet, or written since" :
				 "what was written since the last segment");
}

static int scan(struct beginning *b)
{
	struct protection *p = b->p;
	struct scan_request request = {
		.channel = p->live.channel,
		.source = {.fd = p->live.fd, .info = p->live.info},
		.backup = b->draft,
		.also = b->also,
		.bytes_per_second = p->settings->scan_bytes_per_second,
		.keep_on = keep_on,
		.context = b,
	};
	uint64_t nr_chunks;
	int r;

	atomic_store(&p->scan.read_bytes, 0);
	atomic_store(&p->scan.unreadable_chunks, 0);
	r = scan_count(&request, &nr_chunks);
	if (r < 0)
		return r;
	say_scan(b, nr_chunks * p->live.info->chunk_bytes);
	return scan_run(&request, &p->scan, &b->is_part);
}

/*
 * All records that a read can have run into are in the journal, and durable. The stream has to
 * be on behind the last read, for the recorder is told of its end later; what ends it from then
 * on is in no read.
 */
static int wait_until_settled(struct beginning *b)
{
	struct protection *p = b->p;
	struct recorder_status recorder;
	uint64_t last_seq = 0;
	int r = channel_last_seq(p->live.channel, &last_seq);

	if (r == 0 && !ring_stream_is_on(channel_ring(p->live.channel)))
		r = stream_has_ended();
	p->whole_ns = clock_ns(CLOCK_REALTIME);
	while (r == 0) {
		recorder_get_status(p->recorder, &recorder);
		if (!b->settles_seq && recorder.module_seq >= last_seq)
			b->settles_seq = recorder.seq;
		if (b->settles_seq && recorder.durable_seq >= b->settles_seq)
			return 0;
		recorder_hurry(p->recorder);
		r = protection_wait(p, LOOK_AGAIN_NS);
	}
	return r;
}

/* ------------------------------------------------------------------------- points */

static int commit_draft(struct beginning *b, struct tmc_point *ret_point)
{
	struct protection *p = b->p;
	struct recorder_status recorder;
	struct tmc_moment moment;
	struct tmc_backup *draft = b->draft;
	int r;

	recorder_get_status(p->recorder, &recorder);
	moment = (struct tmc_moment){.stretch = recorder.stretch, .seq = recorder.first_seq};
	if (b->is_part)
		moment.settles_seq = UINT64_MAX; /* no instant is made from it */
	else if (b->settles_seq > moment.seq)
		moment.settles_seq = b->settles_seq;
	tmc_backup_set_moment(draft, &moment);
	b->draft = NULL; /* commit takes it in every case */
	r = tmc_backup_commit(draft, b->cut.time_ns, atomic_load(&p->scan.read_bytes), ret_point);
	return r < 0 ? catalog_failure(r) : 0;
}

static int make_scan_point(struct beginning *b)
{
	struct protection *p = b->p;
	struct recorder_status recorder;
	struct tmc_point point;
	int r = wait_until_settled(b);

	if (r == 0)
		r = commit_draft(b, &point);
	if (r < 0)
		return r;
	p->has_scan_points = true; /* this one, or one that a killed agent left */
	recorder_get_status(p->recorder, &recorder);
	r = protection_end_cut(p, &recorder.durable_segment);
	p->stands = r == 0;
	p->next_point_ns = clock_ns(CLOCK_MONOTONIC) + p->settings->points_ns;
	return r;
}

/*
 * Of a chunk that has been read, and has not been written to since the cut, the content is what
 * it was at the cut: the image that the module is told to be relative to. The others are dirty,
 * or missing in it.
 */
static void keep_part(struct beginning *b)
{
	struct tmc_point part;

	if (commit_draft(b, &part) == 0 && protection_end_cut(b->p, &part.id) == 0)
		protection_say(b->p, PROTECTION_INFO, "what was read so far is kept");
}

/* Keeps the sentence of what went wrong. */
static void give_up(struct beginning *b, int error)
{
	char reason[1024];

	snprintf(reason, sizeof(reason), "%s", failure_text());
	if (b->is_part)
		keep_part(b);
	/* The catalog says why it gives no more buffers when it is asked to commit. */
	if (error == -EPIPE && b->draft) {
		struct tmc_point point;
		struct tmc_backup *draft = b->draft;

		b->draft = NULL;
		if (tmc_backup_commit(draft, 0, 0, &point) < 0)
			snprintf(reason, sizeof(reason), "%s", tmc_error_text());
	}
	tmc_backup_abort(b->draft);
	protection_end_cut(b->p, NULL);
	failure_set(error, "%s", reason);
}

int protection_begin_stretch(struct protection *p)
{
	struct beginning b = {.p = p};
	int r = protection_open_repo(p);

	if (r < 0)
		return r;
	p->stands = false;
	r = protection_find_base(p, &b.parent, &b.has_parent);
	b.whole = r == 0;
	if (r >= 0)
		r = begin_draft(&b);
	if (r == 0)
		r = find_unread(&b);
	if (r == 0)
		r = cut(&b);
	if (r == 0)
		r = scan(&b);
	if (r == 0)
		r = make_scan_point(&b);
	if (r < 0)
		give_up(&b, r);
	protection_close_repo(p);
	free(b.also);
	return r == -EPIPE ? -EIO : r;
}
