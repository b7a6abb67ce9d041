// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The thread that gives records to the journal. Its numbers are the journal's: the
 * module counts anew with each channel, and one RESCAN record becomes as many rereads as
 * its sectors need.
 *
 * After a reread instants are not to be had before all records are in that the module had
 * numbered when the read returned (docs/journal.md): until then each segment says so. Where
 * the stream has ended meanwhile none is had any more.
 */
#include "agent/recorder.h"
#include "agent/catalog_failure.h"
#include "agent/channel.h"
#include "agent/record_batch.h"
#include "common/cleanup.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/lock_scope.h"
#include "common/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uapi/tidemark.h>
#include <unistd.h>

#define SECTOR_BYTES TIDEMARK_SECTOR_BYTES

struct keeper {
	struct recorder *recorder;
	struct tmc_journal *journal; /* NULL: no stretch */
	uint64_t seq;                /* the journal's, of the latest record */
	uint64_t unsettled_until;    /* the module's seq; 0: settled */
	uint8_t *buffer;             /* of a reread */
};

/* In a thread of the journal. */
static void on_durable(void *context, const struct tmc_id *segment, uint64_t last_seq)
{
	struct recorder *recorder = context;

	{
		LOCK_SCOPE(&recorder->lock);
		recorder->status.durable_segment = *segment;
		recorder->status.durable_seq = last_seq;
		backlog_drop(&recorder->backlog, last_seq);
		recorder_hand_over_locked(recorder);
	}
	recorder_announce(recorder);
}

/* -------------------------------------------------------------------- stretches */

/* A failure stays. */
static void set_state_locked(struct recorder *recorder, enum recorder_state state)
{
	if (recorder->status.state != RECORDER_FAILED)
		recorder->status.state = state;
}

static int begin_stretch(struct keeper *keeper)
{
	struct recorder *recorder = keeper->recorder;
	struct tmc_journal_options options = {
		.first_seq = keeper->seq + 1,
		.durable = on_durable,
		.context = recorder,
	};
	int r = tmc_journal_begin(recorder->request.repo, recorder->request.volume, &options,
				  &keeper->journal);

	if (r < 0)
		return catalog_failure(r);
	keeper->unsettled_until = 0;
	LOCK_SCOPE(&recorder->lock);
	set_state_locked(recorder, RECORDER_RECORDING);
	recorder->status.nr_stretches++;
	recorder->status.stretch = tmc_journal_stretch(keeper->journal);
	recorder->status.first_seq = options.first_seq;
	return 0;
}

static int end_journal(struct keeper *keeper)
{
	int r = keeper->journal ? tmc_journal_end(keeper->journal) : 0;

	keeper->journal = NULL;
	return r < 0 ? catalog_failure(r) : 0;
}

/* Nobody goes on in a stretch that has ended. */
static int end_stretch(struct keeper *keeper)
{
	struct recorder *recorder = keeper->recorder;
	int r = end_journal(keeper);

	LOCK_SCOPE(&recorder->lock);
	recorder->hands_over = false;
	handover_erase(channel_handover(recorder->request.channel));
	if (r == 0)
		set_state_locked(recorder, RECORDER_IDLE);
	return r;
}

int recorder_continue(struct recorder *recorder)
{
	const struct handover *handover = recorder->request.handover;
	struct tmc_journal_options options = {
		.first_seq = handover->seq + 1,
		.stretch = handover->stretch,
		.previous = handover->segment,
		.durable = on_durable,
		.context = recorder,
	};
	int r = tmc_journal_begin(recorder->request.repo, recorder->request.volume, &options,
				  &recorder->continued);

	if (r < 0)
		return catalog_failure(r);
	if (handover->unsettled_until)
		tmc_journal_settle(recorder->continued, UINT64_MAX);
	recorder->status = (struct recorder_status){
		.state = RECORDER_RECORDING,
		.nr_stretches = 1,
		.stretch = handover->stretch,
		.first_seq = handover->first_seq,
		.seq = handover->seq,
		.module_seq = handover->module_seq,
		.durable_seq = handover->seq,
		.durable_segment = handover->segment,
	};
	recorder->taken = *handover;
	recorder->hands_over = true;
	return 0;
}

/* ---------------------------------------------------------------------- records */

static enum tmc_record_type type_of(const struct ring_record *record)
{
	switch (record->type) {
	case TIDEMARK_RECORD_WRITE:
		return TMC_RECORD_WRITE;
	case TIDEMARK_RECORD_DISCARD:
		return TMC_RECORD_DISCARD;
	case TIDEMARK_RECORD_ZEROES:
		return TMC_RECORD_ZEROES;
	case TIDEMARK_RECORD_FLUSH:
		return TMC_RECORD_FLUSH;
	case TIDEMARK_RECORD_MARK:
		return TMC_RECORD_MARK;
	default:
		return TMC_RECORD_CUT;
	}
}

static unsigned int flags_of(const struct ring_record *record)
{
	return (record->flags & TIDEMARK_RECORD_PREFLUSH ? TMC_RECORD_PREFLUSH : 0) |
	       (record->flags & TIDEMARK_RECORD_FUA ? TMC_RECORD_FUA : 0) |
	       (record->flags & TIDEMARK_RECORD_MORE ? TMC_RECORD_MORE : 0);
}

static int append(struct keeper *keeper, struct tmc_record *record)
{
	int r;

	record->seq = keeper->seq + 1;
	r = tmc_journal_append(keeper->journal, record);
	if (r == -EINVAL)
		return failure_set(-EPROTO, "ring of the module: %s; this is a bug, please report it",
				   tmc_error_text());
	if (r < 0)
		return catalog_failure(r);
	keeper->seq++;
	return 0;
}

/* A page's alignment is more than any disk asks for. */
static int reread_part(struct keeper *keeper, uint64_t sector, uint32_t bytes, uint64_t time_ns)
{
	const struct chunk_source *source = &keeper->recorder->request.source;
	uint64_t at = (source->info->start_sector + sector) * SECTOR_BYTES;
	struct tmc_record record = {
		.type = TMC_RECORD_REREAD,
		.time_ns = time_ns,
		.offset = sector * SECTOR_BYTES,
		.bytes = bytes,
		.payload = keeper->buffer,
		.payload_bytes = bytes,
	};
	ssize_t got = pread(source->fd, keeper->buffer, bytes, (off_t)at);

	if (got != (ssize_t)bytes) {
		record.payload = NULL;
		record.payload_bytes = 0;
	}
	return append(keeper, &record);
}

static int reread(struct keeper *keeper, const struct ring_record *rescan)
{
	struct recorder *recorder = keeper->recorder;
	uint64_t sector = rescan->sector, left = rescan->nr_sectors;
	int r = 0;

	tmc_journal_settle(keeper->journal, UINT64_MAX);
	while (r == 0 && left) {
		uint64_t part = TMC_RECORD_BYTES_MAX / SECTOR_BYTES;

		part = left < part ? left : part;
		r = reread_part(keeper, sector, (uint32_t)(part * SECTOR_BYTES), rescan->time_ns);
		sector += part;
		left -= part;
	}
	if (r == 0)
		r = channel_last_seq(recorder->request.channel, &keeper->unsettled_until);
	/* What was read may be of a write that no record tells: it settles never. */
	if (!ring_stream_is_on(channel_ring(recorder->request.channel)))
		keeper->unsettled_until = UINT64_MAX;
	LOCK_SCOPE(&recorder->lock);
	recorder->status.nr_rereads++;
	return r;
}

static int check_range(const struct keeper *keeper, const struct ring_record *record)
{
	uint64_t sectors = keeper->recorder->request.source.info->volume_bytes / SECTOR_BYTES;

	if (record->sector <= sectors && record->nr_sectors <= sectors - record->sector)
		return 0;
	return failure_set(-EPROTO, "ring of the module: sector %" PRIu64 " and %" PRIu64 " more make no "
			   "sense; this is a bug, please report it", record->sector,
			   record->nr_sectors);
}

static int keep_record(struct keeper *keeper, const struct ring_record *record)
{
	struct recorder *recorder = keeper->recorder;
	struct tmc_record kept = {
		.type = type_of(record),
		.flags = flags_of(record),
		.time_ns = record->time_ns,
		.payload = record->payload_bytes ? record->payload : NULL,
		.payload_bytes = record->payload_bytes,
	};
	int r = check_range(keeper, record);

	if (r < 0)
		return r;
	if (record->type == TIDEMARK_RECORD_RESCAN)
		return reread(keeper, record);
	if (kept.type == TMC_RECORD_WRITE || kept.type == TMC_RECORD_DISCARD ||
	    kept.type == TMC_RECORD_ZEROES) {
		kept.offset = record->sector * SECTOR_BYTES;
		kept.bytes = record->nr_sectors * SECTOR_BYTES;
	}
	r = append(keeper, &kept);
	if (r < 0 || record->type != TIDEMARK_RECORD_CUT)
		return r;
	LOCK_SCOPE(&recorder->lock);
	recorder->status.cut_epoch = record->epoch;
	recorder->status.cut_seq = keeper->seq;
	return 0;
}

/* What comes without a stretch is of a cut that was given up. */
static int take_record(struct keeper *keeper, const struct ring_record *record)
{
	bool starts = record->type == TIDEMARK_RECORD_CUT && record->flags & TIDEMARK_RECORD_STARTS;
	int r = 0;

	if (record->type == TIDEMARK_RECORD_PRESERVED || record->type == TIDEMARK_RECORD_UNREADABLE)
		return 0;
	if (starts)
		r = end_stretch(keeper);
	if (starts && r == 0)
		r = begin_stretch(keeper);
	return r == 0 && keeper->journal ? keep_record(keeper, record) : r;
}

static void settle(struct keeper *keeper, uint64_t module_seq)
{
	if (!keeper->unsettled_until || module_seq < keeper->unsettled_until)
		return;
	if (keeper->journal)
		tmc_journal_settle(keeper->journal, keeper->seq);
	keeper->unsettled_until = 0;
}

static int seal(struct keeper *keeper)
{
	int r = keeper->journal ? tmc_journal_seal(keeper->journal) : 0;

	return r < 0 ? catalog_failure(r) : 0;
}

/* Before the journal has any of them: it may take its time. */
static void note_backlog(struct recorder *recorder, const struct record_batch *batch)
{
	struct ring_record first;
	size_t at = 0;

	if (!record_batch_next(batch, &at, &first))
		return;
	LOCK_SCOPE(&recorder->lock);
	backlog_open(&recorder->backlog, first.time_ns);
}

/* Between stretches there is none: each one's end waits until it is durable. */
static void settle_backlog_locked(struct keeper *keeper)
{
	struct recorder *recorder = keeper->recorder;

	backlog_close(&recorder->backlog, keeper->seq);
	backlog_drop(&recorder->backlog,
		     keeper->journal ? recorder->status.durable_seq : keeper->seq);
}

static int take_batch(struct keeper *keeper, const struct record_batch *batch)
{
	struct recorder *recorder = keeper->recorder;
	struct ring_record record;
	uint64_t bytes = 0;
	size_t at = 0;
	int r = 0;

	note_backlog(recorder, batch);
	while (r == 0 && record_batch_next(batch, &at, &record)) {
		r = take_record(keeper, &record);
		bytes += record.payload_bytes;
	}
	if (r == 0)
		settle(keeper, batch->last_seq);
	if (r == 0 && batch->seal)
		r = seal(keeper);
	if (r == 0 && batch->ends)
		r = end_stretch(keeper);
	if (r < 0)
		return r;
	{
		LOCK_SCOPE(&recorder->lock);
		settle_backlog_locked(keeper);
		recorder->status.seq = keeper->seq;
		recorder->status.module_seq = batch->last_seq;
		recorder->status.nr_bytes += bytes;
		recorder->taken.seq = keeper->seq;
		recorder->taken.module_seq = batch->last_seq;
		recorder->taken.position = batch->position;
		recorder->taken.unsettled_until = keeper->unsettled_until;
		recorder_hand_over_locked(recorder);
	}
	recorder_announce(recorder);
	return 0;
}

void *recorder_keep(void *argument)
{
	struct recorder *recorder = argument;
	struct keeper keeper = {
		.recorder = recorder,
		.journal = recorder->continued,
		.seq = recorder->status.seq,
		.unsettled_until = recorder->taken.unsettled_until,
		.buffer = aligned_alloc(4096, TMC_RECORD_BYTES_MAX),
	};
	struct record_batch *batch;
	int r = keeper.buffer ? 0 : failure_set(-ENOMEM, "out of memory");

	recorder->continued = NULL;
	if (r < 0)
		recorder_fail(recorder, r);
	while ((batch = queue_pop(recorder->full))) {
		if (r == 0) {
			r = take_batch(&keeper, batch);
			if (r < 0)
				recorder_fail(recorder, r);
		}
		queue_push(recorder->empty, batch);
	}
	if (r == 0) {
		r = end_journal(&keeper);
		if (r < 0)
			recorder_fail(recorder, r);
	}
	tmc_journal_abort(keeper.journal);
	free(keeper.buffer);
	return NULL;
}
