/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_ATTACHMENT_H
#define TM_ATTACHMENT_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <uapi/tidemark.h>

#include "preserve.h"
#include "stream.h"
#include "tracker.h"

struct dm_target;
struct file;
struct mapped_device;
struct tm_channel;
struct tm_disk;

/*
 * A range of a live block device that is being tracked. Made by the first target
 * that names it, gone with the last; a reloaded table of the same mapped device
 * shares it, so that no write is missed while tables change.
 *
 * Lock order: mutex -> gate.
 */
struct tm_attachment {
	struct kref ref;          /* targets, channel */
	unsigned int nr_targets;  /* attachments_mutex */
	struct list_head node;    /* attachments_mutex: all attachments */
	struct list_head on_disk; /* gate: disk->attachments */

	/* Set in create, then constant. */
	struct mapped_device *md;
	struct file *live_file;
	struct block_device *live;
	struct tm_disk *disk;
	u32 serial; /* ascends along disk->attachments */
	sector_t start_sector; /* on live */
	sector_t first_sector; /* on the whole disk */
	sector_t nr_sectors;
	bool reaches_end; /* of live, when it was attached */
	unsigned int chunk_shift; /* sectors to chunks */
	bool stacked;             /* its writes come through the mapped device, not the hook */
	u8 tracker_id[TIDEMARK_ID_BYTES];

	struct tm_tracker tracker;
	struct tm_preserve preserve;
	struct tm_stream stream;
	unsigned int stall_ms; /* read and written once at a time */

	struct mutex mutex;         /* serializes bind, cut, end, death */
	ktime_t settled_at;         /* mutex; writes from before the attachment have landed by then */
	struct tm_channel *channel; /* mutex; the bound one */
	bool dead;                  /* mutex; no target left */
	spinlock_t base_lock;
	u8 base[TIDEMARK_BASE_BYTES]; /* base_lock */
	u64 epoch;                  /* mutex; the cut's instant raises it */
	u64 cut_seq;                /* gate: of this attachment's latest cut */
	ktime_t cut_at;             /* mutex; the latest cut's instant */
	bool cut_preserves;         /* gate; the latest cut's: it is not fuzzy */
	int cut_state;              /* TIDEMARK_CUT_*; cut.c has the transitions */
	atomic64_t nr_lost;         /* cuts, since attach */

	struct dm_target *event_target; /* attachments_mutex; of the live table */
	struct work_struct event;       /* tells device-mapper's waiters and udev */
	s64 nr_lost_told;               /* by the event work alone */
};

struct tm_geometry {
	const char *path;
	sector_t start_sector;
	sector_t nr_sectors;
	unsigned int chunk_sectors;
	unsigned int stall_ms;
	bool stacked;
	bool stream; /* the mode */
};

/*
 * Find the attachment of this mapped device, or attach. The writes are tracked
 * when it returns. *ret_error gets a sentence for ti->error. May sleep.
 * Errors: -EBUSY (range attached by another mapped device; hook taken), -ERANGE
 * (beyond the end), -EOPNOTSUPP (the hook cannot see this device's writes),
 * -EINVAL (reload with another geometry), -ENOMEM, and those of opening.
 */
struct tm_attachment *tm_attachment_attach(struct dm_target *ti, const struct tm_geometry *geometry,
					   const char **ret_error);
/* This target's table is live: what happens is told to those who wait for its events. May sleep. */
void tm_attachment_go_live(struct tm_attachment *a, struct dm_target *ti);
/* The counterpart. After the last target's nothing of the range is tracked. May sleep. */
void tm_attachment_detach(struct tm_attachment *a, struct dm_target *ti);

/* By mapped device; takes a reference. -ENXIO. */
struct tm_attachment *tm_attachment_get_by_mapped(dev_t mapped);
void tm_attachment_put(struct tm_attachment *a);

/* A sector range of the whole disk, cut to the attachment, from its start; false: none. */
static inline bool tm_attachment_sectors(const struct tm_attachment *a, sector_t sector,
					 sector_t nr_sectors,
			   u64 *ret_sector, u64 *ret_nr_sectors)
{
	sector_t first = max(sector, a->first_sector);
	sector_t end = min(sector + nr_sectors, a->first_sector + a->nr_sectors);

	if (first >= end)
		return false;
	*ret_sector = first - a->first_sector;
	*ret_nr_sectors = end - first;
	return true;
}

/* Chunks of a sector range of the whole disk, cut to the attachment; false: none. */
static inline bool tm_attachment_chunks(const struct tm_attachment *a, sector_t sector,
					sector_t nr_sectors, u64 *ret_first, u64 *ret_last)
{
	u64 first, nr;

	if (!tm_attachment_sectors(a, sector, nr_sectors, &first, &nr))
		return false;
	*ret_first = first >> a->chunk_shift;
	*ret_last = (first + nr - 1) >> a->chunk_shift;
	return true;
}

u32 tm_attachment_chunk_bytes(const struct tm_attachment *a, u64 chunk);
void tm_attachment_set_base(struct tm_attachment *a, const u8 base[TIDEMARK_BASE_BYTES]);
/*
 * Bit n of word w: chunk 64 * (first_word + w) + n is dirty as well; none of them is
 * outside the volume. May sleep. -ENODEV.
 */
int tm_attachment_add_dirty(struct tm_attachment *a, u64 first_word, u64 nr_words,
			    const u64 *words);
/* Everything is dirty, and the base is none: the next backup reads all. */
void tm_attachment_forget(struct tm_attachment *a);
/* Have the writes landed, by then, that passed before the attachment was there? */
bool tm_attachment_is_settled(const struct tm_attachment *a, ktime_t at);
/* TIDEMARK_LIVE_* */
u32 tm_attachment_live_state(const struct tm_attachment *a);
void tm_attachment_get_info(struct tm_attachment *a, struct tidemark_info *ret_info);

#endif
