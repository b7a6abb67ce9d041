// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The volume at an instant: what records have not changed comes from the base point,
 * without being touched or, to make a point of it, even looked at; the rest is replayed.
 */
#include "catalog/extract.h"
#include "catalog/point.h"
#include "catalog/replay.h"
#include "catalog/repo.h"
#include "catalog/timeline.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* An instant on its way to whoever wants it. */
struct reading {
	struct tmc_timeline timeline;
	struct tmc_point base;
	struct tmc_tree tree; /* of the base */
	struct tmc_replay *replay;
};

static void close_reading(struct reading *reading)
{
	tmc_replay_end(reading->replay);
	tmc_timeline_clear(&reading->timeline);
}

static int is_gone(const struct tmc_instant *instant)
{
	return failure_set(-ENOENT, "the instant at seq %llu cannot be had any more: a restore "
			   "point or a part of the journal is gone", (unsigned long long)instant->seq);
}

/* The records from behind the base up to the instant; the interval has them all. */
static struct tmc_replay_span find_span(const struct reading *reading,
					const struct tmc_instant *instant)
{
	const struct tmc_timeline *timeline = &reading->timeline;
	struct tmc_replay_span span = {
		.base_seq = reading->base.moment.seq, .last_seq = instant->seq,
	};

	for (size_t i = 0; i < timeline->nr_segments; i++) {
		const struct tmc_segment *segment = &timeline->segments[i];

		if (segment->stretch != instant->stretch || segment->last_seq <= span.base_seq ||
		    segment->first_seq > span.last_seq)
			continue;
		if (!span.nr_segments)
			span.segments = segment;
		span.nr_segments = (size_t)(segment - span.segments) + 1;
	}
	return span;
}

/* The base is chosen anew: another one may be nearer by now, or the first one gone. */
static int open_reading(struct tmc_repo *repo, const struct tmc_instant *instant,
			struct reading *reading)
{
	const struct tmc_point *base;
	struct tmc_replay_span span;
	int ret;

	memset(reading, 0, sizeof(*reading));
	ret = tmc_timeline_load(repo, instant->volume.volume_id, &reading->timeline);
	if (ret < 0)
		return ret;
	if (!tmc_timeline_interval(&reading->timeline, instant->stretch, instant->seq))
		return is_gone(instant);
	base = tmc_timeline_base(&reading->timeline, instant->stretch, instant->seq);
	ret = tmc_point_load(repo, &base->id, &reading->base, &reading->tree);
	if (ret < 0)
		return ret;
	span = find_span(reading, instant);
	return tmc_replay_begin(repo, &reading->tree, &span, &reading->replay);
}

int tmc_instant_extract(struct tmc_repo *repo, const struct tmc_instant *instant,
			unsigned int nr_workers, const struct tmc_sink *sink)
{
	CLEANUP(close_reading) struct reading reading;
	struct tmc_part part = { .nr_chunks = UINT64_MAX };
	int ret = open_reading(repo, instant, &reading);

	if (!ret) {
		part.left_out = tmc_replay_changed(reading.replay);
		ret = tmc_extract(repo, &reading.tree, &part, nr_workers, sink);
	}
	return ret ? ret : tmc_replay_run(reading.replay, nr_workers, sink);
}

/* ------------------------------------------------------------------------- keep */

struct keeping {
	struct tmc_backup *backup;
	uint32_t chunk_bytes;
};

static uint64_t nr_chunks(const struct keeping *keeping, uint64_t bytes)
{
	return (bytes + keeping->chunk_bytes - 1) / keeping->chunk_bytes;
}

static int keep_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	struct keeping *keeping = context;
	void *buffer = tmc_backup_buffer(keeping->backup);

	if (!buffer)
		return -ECANCELED; /* commit knows why */
	memcpy(buffer, data, bytes);
	return tmc_backup_put(keeping->backup, offset / keeping->chunk_bytes,
			      (uint32_t)nr_chunks(keeping, bytes), buffer, NULL);
}

static int keep_zero(void *context, uint64_t offset, uint64_t bytes)
{
	struct keeping *keeping = context;

	return tmc_backup_put_zero(keeping->backup, offset / keeping->chunk_bytes,
				   nr_chunks(keeping, bytes));
}

static int keep_unreadable(void *context, uint64_t offset, uint64_t bytes)
{
	struct keeping *keeping = context;

	return tmc_backup_put_unreadable(keeping->backup, offset / keeping->chunk_bytes,
					 nr_chunks(keeping, bytes));
}

/* The reason is this one, not that it is given up. */
static int give_up(struct tmc_backup *backup, int error)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s", failure_text());
	tmc_backup_abort(backup);
	return failure_set(error, "%s", text);
}

static int keep(struct tmc_repo *repo, const struct tmc_instant *instant, struct reading *reading,
		unsigned int nr_workers, struct tmc_point *ret_point)
{
	struct tmc_moment moment = { .stretch = instant->stretch, .seq = instant->seq };
	struct keeping keeping = { .chunk_bytes = reading->tree.chunk_bytes };
	struct tmc_sink sink = {
		.data = keep_data,
		.zero = keep_zero,
		.unreadable = keep_unreadable,
		.context = &keeping,
	};
	int ret = tmc_backup_begin(repo, &reading->base.volume, &reading->base, nr_workers,
				   &keeping.backup);

	if (ret < 0)
		return ret;
	ret = tmc_replay_run(reading->replay, nr_workers, &sink);
	if (ret < 0 && ret != -ECANCELED)
		return give_up(keeping.backup, ret);
	tmc_backup_set_moment(keeping.backup, &moment);
	return tmc_backup_commit(keeping.backup, instant->time_ns,
				 tmc_replay_changed_bytes(reading->replay), ret_point);
}

int tmc_instant_keep(struct tmc_repo *repo, const struct tmc_instant *instant,
		     unsigned int nr_workers, struct tmc_point *ret_point)
{
	CLEANUP(close_reading) struct reading reading;
	int ret = open_reading(repo, instant, &reading);

	if (ret < 0)
		return ret;
	if (reading.base.moment.seq != instant->seq || reading.base.moment.settles_seq)
		return keep(repo, instant, &reading, nr_workers, ret_point);
	*ret_point = reading.base;
	return 0;
}
