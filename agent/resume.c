// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Saving                                        Resuming, behind the attaching
 *
 *   S1  what was saved before is removed          R1  the state is read and removed
 *   S2  the node's page cache is written          R2  a cut freezes everything
 *   S3  the proof is read; what GRUB may          R3  the proof is read and compared
 *       write at boot becomes dirty
 *   S4  a cut tells the dirty set; it is put      R4  the saved dirty set is added
 *       back, and the state written               R5  the cut is committed, with the base
 *
 * A write between S3 and S4 is in the saved set; one behind S4 is not, and changes what R3
 * will read. A write before R2 changes what R3 reads; one behind it is in the new epoch,
 * which is the dirty set after R5. Up to R5 everything is frozen, and goes back into the
 * dirty set when the channel is closed, by us or by our death.
 */
#include "agent/resume.h"
#include "agent/channel.h"
#include "agent/grub_environment.h"
#include "agent/saved_state.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void cleanup_channel(struct channel **channel)
{
	channel_close(*channel);
}

static void tell_why(struct resume_report *report)
{
	snprintf(report->reason, sizeof(report->reason), "%s", failure_text());
}

static void tell_dirty(struct resume_report *report, const struct saved_state *state)
{
	uint64_t bytes = chunk_runs_count(&state->dirty) * state->chunk_bytes;

	report->done = true;
	report->dirty_bytes = bytes < state->volume_bytes ? bytes : state->volume_bytes;
}

/* --------------------------------------------------------------------------- saving */

static int read_windows(struct channel *channel, struct chunk_runs *dirty)
{
	CLEANUP_FREE struct chunk_window *window = malloc(sizeof(*window));
	uint64_t nr_chunks = channel_info(channel)->nr_chunks;
	int r = 0;

	if (!window)
		return failure_set(-ENOMEM, "reading what is dirty: out of memory");
	for (uint64_t first = 0; r == 0 && first < nr_chunks; first += CHUNK_WINDOW_CHUNKS) {
		uint64_t left = nr_chunks - first;

		window->first_chunk = first;
		window->nr_chunks = left < CHUNK_WINDOW_CHUNKS ? left : CHUNK_WINDOW_CHUNKS;
		r = channel_read_frozen(channel, first, window->nr_chunks, window->words);
		if (r == 0 && chunk_runs_add_window(dirty, window) < 0)
			r = failure_set(-ENOMEM, "reading what is dirty: out of memory");
	}
	return r;
}

/* The cut is only to look: it ends with nothing forgotten. */
static int read_dirty(struct channel *channel, struct chunk_runs *dirty)
{
	struct channel_cut_part part = {
		.channel = channel,
		.kind = CHANNEL_CUT_CHANGED,
		.stream = CHANNEL_STREAM_GOES_ON,
	};
	int r = channel_cut(&part, 1, NULL, 0);

	if (r == 0)
		r = read_windows(channel, dirty);
	return r == 0 ? channel_abort(channel, part.cut.epoch) : r;
}

static void describe(const struct channel_info *info, const struct resume_volume *volume,
		     struct saved_state *state)
{
	state->volume_bytes = info->volume_bytes;
	state->nr_chunks = info->nr_chunks;
	state->chunk_bytes = info->chunk_bytes;
	memcpy(state->base, info->base, sizeof(state->base));
	memcpy(state->volume_id, volume->volume_id, sizeof(state->volume_id));
}

static int save_proved(struct channel *channel, const struct resume_volume *volume,
		       struct saved_state *state, struct resume_report *report)
{
	int r;

	describe(channel_info(channel), volume, state);
	r = read_dirty(channel, &state->dirty);
	if (r == 0)
		r = saved_state_write(volume->directory, state);
	if (r == 0)
		tell_dirty(report, state);
	return r;
}

/*
 * ext4 changes its superblock when it is remounted to be written to, xfs changes nothing. Looked
 * at behind the proof: a mount behind this changes that.
 */
static bool remount_would_show(const struct resume_volume *volume, const struct proof *proof)
{
	return proof->kind == PROOF_EXT4 || !resume_volume_is_in_use(volume);
}

/* Errors: also -ENODATA, it proves nothing. */
static int prove(const struct resume_volume *volume, struct proof *ret_proof)
{
	int r;

	if (fsync(volume->source.fd) < 0)
		return failure_set(-errno, "its cache cannot be written: %s", strerror(errno));
	r = proof_read(&volume->source, ret_proof);
	if (r == 0 && ret_proof->kind == PROOF_NONE)
		return -ENODATA;
	if (r == 0 && !remount_would_show(volume, ret_proof))
		return failure_set(-ENODATA, "its file system is still mounted, and a remount of it "
				   "would leave no trace");
	return r;
}

int resume_save(const struct attachment *attachment, const struct resume_volume *volume,
		struct resume_report *ret_report)
{
	CLEANUP(cleanup_channel) struct channel *channel = NULL;
	CLEANUP(saved_state_clear) struct saved_state state = {0};
	int r = channel_open(attachment, &channel);

	*ret_report = (struct resume_report){0};
	if (r == 0)
		r = saved_state_remove(volume->directory, volume->volume_id);
	if (r < 0)
		return r;
	if (!channel_info(channel)->has_base) {
		failure_set(-ENODATA, "no backup was made since it was attached");
		tell_why(ret_report);
		return 0;
	}
	if (prove(volume, &state.proof) < 0 || grub_environment_mark_dirty(channel, volume) < 0) {
		tell_why(ret_report);
		return 0;
	}
	return save_proved(channel, volume, &state, ret_report);
}

/* ------------------------------------------------------------------------- resuming */

/* R1: used once, whatever becomes of it. */
static int take_state(const struct resume_volume *volume, struct saved_state *state)
{
	int r = saved_state_read(volume->directory, volume->volume_id, state);
	char why[RESUME_REASON_BYTES];
	int removed;

	snprintf(why, sizeof(why), "%s", failure_text());
	removed = r == -ENOENT ? 0 : saved_state_remove(volume->directory, volume->volume_id);
	if (removed < 0)
		return removed;
	return r < 0 ? failure_set(r, "%s", why) : 0;
}

static int check_same(const struct channel_info *info, const struct saved_state *state)
{
	if (info->volume_bytes != state->volume_bytes)
		return failure_set(-ESTALE, "it has another size than when it was saved");
	if (info->chunk_bytes != state->chunk_bytes)
		return failure_set(-ESTALE, "it was tracked in chunks of another size");
	return 0;
}

/* The device itself is in the freeze list: nobody has mounted it, so its writes have landed. */
static int freeze_everything(struct channel *channel, const struct attachment *attachment,
			     uint64_t *ret_epoch)
{
	struct channel_cut_part part = {
		.channel = channel,
		.kind = CHANNEL_CUT_FULL,
		.stream = CHANNEL_STREAM_GOES_ON,
	};
	int r = channel_cut(&part, 1, &attachment->live, 1);

	*ret_epoch = part.cut.epoch;
	return r;
}

static int check_proof(const struct resume_volume *volume, const struct saved_state *state)
{
	struct proof now;
	int r = proof_read(&volume->source, &now);

	if (r < 0 || now.kind == PROOF_NONE)
		return r < 0 ? r : -ESTALE;
	if (!proof_equal(&state->proof, &now))
		return failure_set(-ESTALE, "its file system was mounted, or changed, since it was "
				   "saved");
	return 0;
}

static int add_dirty(struct channel *channel, const struct saved_state *state)
{
	CLEANUP_FREE struct chunk_window *window = malloc(sizeof(*window));
	uint64_t from = 0;
	int r = 0;

	if (!window)
		return failure_set(-ENOMEM, "telling what is dirty: out of memory");
	while (r == 0 && chunk_runs_window(&state->dirty, from, state->nr_chunks, window)) {
		r = channel_add_dirty(channel, window->first_chunk, window->nr_chunks,
				      window->words);
		from = window->first_chunk + window->nr_chunks;
	}
	return r;
}

static int take_up(struct channel *channel, const struct attachment *attachment,
		   const struct resume_volume *volume, const struct saved_state *state)
{
	uint64_t epoch = 0;
	int r = check_same(channel_info(channel), state);

	if (r == 0)
		r = freeze_everything(channel, attachment, &epoch);
	if (r == 0)
		r = check_proof(volume, state);
	if (r == 0)
		r = add_dirty(channel, state);
	return r == 0 ? channel_commit(channel, epoch, state->base) : r;
}

void resume_take_up(const struct attachment *attachment, const struct resume_volume *volume,
		    struct resume_report *ret_report)
{
	CLEANUP(cleanup_channel) struct channel *channel = NULL;
	CLEANUP(saved_state_clear) struct saved_state state = {0};
	int r = take_state(volume, &state);

	*ret_report = (struct resume_report){0};
	if (r == 0)
		r = channel_open(attachment, &channel);
	if (r == 0)
		r = take_up(channel, attachment, volume, &state);
	if (r == 0)
		tell_dirty(ret_report, &state);
	else
		tell_why(ret_report);
}
