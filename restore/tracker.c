// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Both cuts are aborted as soon as their frozen set is read: the tracker goes on as if nobody
 * had looked, and no write waits for us. Closing the channel would do the same.
 */
#include "restore/tracker.h"
#include "agent/device.h"
#include "agent/volume_identity.h"
#include "common/bit_run.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A nonzero start would put chunk 0 of the point elsewhere than at the device's begin. */
static bool is_of(const struct attachment *attachment, dev_t device)
{
	return attachment->live == device && attachment->start_sector == 0;
}

int tracker_open(const char *path, struct tracker *ret_tracker)
{
	CLEANUP_FREE struct attachment *attachments = NULL;
	struct stat st;
	size_t nr = 0;
	int r;

	*ret_tracker = (struct tracker){.why = "the target is not attached"};
	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	r = device_list(&attachments, &nr);
	for (size_t i = 0; r == 0 && i < nr; i++) {
		if (!is_of(&attachments[i], st.st_rdev))
			continue;
		ret_tracker->attachment = attachments[i];
		return channel_open(&attachments[i], &ret_tracker->channel);
	}
	return r;
}

void tracker_close(struct tracker *tracker)
{
	channel_close(tracker->channel);
	free(tracker->dirty);
	tracker->channel = NULL;
	tracker->dirty = NULL;
}

int tracker_identify(const struct tracker *tracker, char ret_id[TMC_TEXT_BYTES])
{
	struct volume_extent extent = {
		.device = tracker->attachment.live,
		.nr_sectors = tracker->attachment.nr_sectors,
	};

	return volume_identity_read(&extent, ret_id);
}

/* --------------------------------------------------------------------- believe */

static __attribute__((format(printf, 2, 3))) bool
doubt(struct tracker *tracker, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(tracker->why, sizeof(tracker->why), format, args);
	va_end(args);
	return false;
}

static bool base_is_proven(struct tracker *tracker, struct tmc_repo *repo, const char *volume_id)
{
	const struct channel_info *info = channel_info(tracker->channel);
	struct tmc_id id;

	if (!info->has_base)
		return doubt(tracker, "the tracker has no base: no backup since it was attached");
	memcpy(id.bytes, info->base, sizeof(id.bytes));
	if (tmc_point_get(repo, &id, &tracker->base) < 0)
		return doubt(tracker, "the tracker's base is no point of this repository");
	if (strcmp(tracker->base.volume.volume_id, volume_id) != 0)
		return doubt(tracker, "the tracker's base is a point of another volume");
	if (tracker->base.volume.volume_bytes != info->volume_bytes ||
	    tracker->base.chunk_bytes != info->chunk_bytes)
		return doubt(tracker, "the tracker's base has another size, or other chunks");
	if (tracker->base.moment.settles_seq)
		return doubt(tracker, "the tracker's base is a scan, which is no image");
	if (tracker->base.unreadable_chunks)
		return doubt(tracker, "parts of the tracker's base could not be read");
	return true;
}

static bool point_suits(struct tracker *tracker, const struct tmc_point *point)
{
	const struct channel_info *info = channel_info(tracker->channel);

	if (point->volume.volume_bytes == info->volume_bytes &&
	    point->chunk_bytes == info->chunk_bytes)
		return true;
	return doubt(tracker, "the point has another size than the attachment, or other chunks");
}

/* ------------------------------------------------------------------------- cut */

/* The set of what is dirty, at an instant; what others wrote through the page cache is synced. */
static int read_dirty(struct tracker *tracker, uint64_t **ret_dirty)
{
	const struct channel_info *info = channel_info(tracker->channel);
	CLEANUP_FREE uint64_t *dirty = calloc(info->nr_chunks / 64 + 1, sizeof(*dirty));
	struct channel_cut_part part = {
		.channel = tracker->channel,
		.kind = CHANNEL_CUT_CHANGED,
		.stream = CHANNEL_STREAM_NOT,
	};
	int aborted, r;

	if (!dirty)
		return failure_set(-ENOMEM, "restore: out of memory");
	r = channel_check_device(tracker->channel);
	if (r == 0)
		r = channel_cut(&part, 1, &info->live, 1);
	if (r < 0)
		return r;
	r = channel_read_frozen(tracker->channel, 0, info->nr_chunks, dirty);
	aborted = channel_abort(tracker->channel, part.cut.epoch);
	if (r == 0)
		r = aborted;
	if (r < 0)
		return r;
	*ret_dirty = dirty;
	dirty = NULL;
	return 0;
}

static bool dirty_is_known(struct tracker *tracker)
{
	if (read_dirty(tracker, &tracker->dirty) < 0)
		return doubt(tracker, "%s", failure_text());
	if (!channel_has_settled(tracker->channel))
		return doubt(tracker, "the target was attached just now, and writes of before may "
			     "still be on their way");
	return true;
}

struct changed {
	uint64_t *bits;
	uint32_t chunk_bytes;
};

static int add_range(void *context, uint64_t offset, uint64_t bytes)
{
	struct changed *changed = context;
	uint64_t end = offset + bytes;

	bit_set(changed->bits, offset / changed->chunk_bytes,
		end / changed->chunk_bytes + (end % changed->chunk_bytes != 0));
	return 0;
}

int tracker_find_changed(struct tracker *tracker, struct tmc_repo *repo,
			 const struct tmc_point *point, const char *volume_id,
			 uint64_t *ret_changed)
{
	struct changed changed = {ret_changed, point->chunk_bytes};
	uint64_t nr_words, bytes;

	if (!tracker->channel)
		return 0;
	/* Also where the base is not proven, the second cut is compared with the dirty set. */
	if (!point_suits(tracker, point) || !dirty_is_known(tracker) ||
	    !base_is_proven(tracker, repo, volume_id))
		return 0;
	if (tmc_point_diff(repo, &tracker->base, point, add_range, &changed, &bytes) < 0)
		return doubt(tracker, "base and point cannot be compared: %s", tmc_error_text());
	nr_words = channel_info(tracker->channel)->nr_chunks / 64 + 1;
	for (uint64_t i = 0; i < nr_words; i++)
		ret_changed[i] |= tracker->dirty[i];
	return 1;
}

int tracker_check_alone(struct tracker *tracker, const uint64_t *written)
{
	const struct channel_info *info = tracker->channel ? channel_info(tracker->channel) : NULL;
	CLEANUP_FREE uint64_t *dirty = NULL;
	int r;

	if (!info || !tracker->dirty)
		return 0;
	r = read_dirty(tracker, &dirty);
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < info->nr_chunks / 64 + 1; i++) {
		uint64_t others = dirty[i] & ~tracker->dirty[i] & ~written[i];

		if (others)
			return failure_set(-ESTALE, "%s: somebody else has written to the device "
					   "meanwhile, at byte %" PRIu64 " to begin with; run it "
					   "again",
					   tracker->attachment.name,
					   (i * 64 + (uint64_t)__builtin_ctzll(others)) *
					   info->chunk_bytes);
	}
	return 0;
}
