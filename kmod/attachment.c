// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A range of a live block device that is being tracked: made, found, taken apart.
 *
 * The device is opened read-only and without a holder: it is mounted, and a write
 * open can collide with it. What the hook cannot see is refused here.
 *
 * Lock order: attachments_mutex -> attachment mutex -> the interposer's.
 */
#include "attachment.h"

#include <linux/device-mapper.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/log2.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "channel.h"
#include "cut.h"
#include "interposer.h"
#include "ring.h"

/*
 * Whatever was on its way when the attachment was made, in no queue that could be
 * drained, has landed by then: twice the default timeout of a SCSI or NVMe command.
 */
static unsigned int settle_ms = 60000;
module_param(settle_ms, uint, 0644);
MODULE_PARM_DESC(settle_ms, "how long an attachment takes writes of before it to be on their way");

static DEFINE_MUTEX(attachments_mutex);
static LIST_HEAD(attachments); /* attachments_mutex */

/* ---------------------------------------------------------------------- lifetime */

static void free_attachment(struct kref *ref)
{
	struct tm_attachment *a = container_of(ref, struct tm_attachment, ref);

	tm_stream_destroy(a);
	tm_preserve_destroy(a);
	tm_tracker_destroy(&a->tracker);
	if (a->live_file)
		bdev_fput(a->live_file);
	kfree(a);
}

void tm_attachment_put(struct tm_attachment *a)
{
	kref_put(&a->ref, free_attachment);
}

/* Those in "dmsetup wait", and udev. */
static void tell(struct tm_attachment *a, const char *cut, const char *stream)
{
	char cut_word[32], stream_word[32];
	char *words[] = { cut_word, stream_word, NULL };

	snprintf(cut_word, sizeof(cut_word), "TIDEMARK_CUT=%s", cut);
	snprintf(stream_word, sizeof(stream_word), "TIDEMARK_STREAM=%s", stream);
	mutex_lock(&attachments_mutex);
	if (a->event_target)
		dm_table_event(a->event_target->table);
	if (a->nr_targets)
		kobject_uevent_env(&disk_to_dev(dm_disk(a->md))->kobj, KOBJ_CHANGE, words);
	mutex_unlock(&attachments_mutex);
}

static bool cut_was_lost(struct tm_attachment *a)
{
	s64 nr_lost = atomic64_read(&a->nr_lost);
	bool lost = nr_lost != a->nr_lost_told;

	a->nr_lost_told = nr_lost;
	return lost;
}

/*
 * A cut or the stream changed its state. An agent may have ended the lost cut, or begun
 * the stream anew, before this runs; that is told as well, after what it was.
 */
static void send_event(struct work_struct *work)
{
	struct tm_attachment *a = container_of(work, struct tm_attachment, event);
	bool lost = cut_was_lost(a), gap = tm_stream_had_gap(a);
	const char *cut = tm_cut_state_name(a), *stream = tm_stream_state_name(a);
	const char *cut_was = lost ? "lost" : cut, *stream_was = gap ? "behind" : stream;

	tell(a, cut_was, stream_was);
	if (strcmp(cut_was, cut) || strcmp(stream_was, stream))
		tell(a, cut, stream);
}

/* A path, or major:minor as the table is printed. */
static int find_device(const char *text, dev_t *ret_dev)
{
	unsigned int major, minor;
	char dummy;

	if (sscanf(text, "%u:%u%c", &major, &minor, &dummy) != 2)
		return lookup_bdev(text, ret_dev);
	*ret_dev = MKDEV(major, minor);
	return 0;
}

static int open_live(struct tm_attachment *a, const char *path, const char **ret_error)
{
	struct file *file;
	dev_t dev;
	int r = find_device(path, &dev);

	*ret_error = "there is no such block device";
	if (r)
		return r;
	*ret_error = "cannot open the device";
	file = bdev_file_open_by_dev(dev, BLK_OPEN_READ, NULL, NULL);
	if (IS_ERR(file))
		return PTR_ERR(file);
	a->live_file = file;
	a->live = file_bdev(file);
	return 0;
}

static int check_live(const struct tm_attachment *a, const struct tm_geometry *g,
		      const char **ret_error)
{
	sector_t size = bdev_nr_sectors(a->live);

	*ret_error = "zoned devices are not supported";
	if (bdev_is_zoned(a->live))
		return -EOPNOTSUPP;
	*ret_error = "this device can be mapped into memory (DAX): such writes cannot be seen";
	if (blk_queue_dax(bdev_get_queue(a->live)))
		return -EOPNOTSUPP;
	*ret_error = "this device takes pages past the block layer: its writes cannot be seen";
	if (tm_disk_bypasses_bios(a->live->bd_disk))
		return -EOPNOTSUPP;
	*ret_error = "a mapped device cannot track itself";
	if (a->live->bd_disk == dm_disk(a->md))
		return -EINVAL;
	*ret_error = "the range goes beyond the end of the device";
	if (g->start_sector >= size || g->nr_sectors > size - g->start_sector)
		return -ERANGE;
	*ret_error = "start and length must be multiples of the device's blocks";
	if (((g->start_sector | g->nr_sectors) << SECTOR_SHIFT) &
	    (bdev_logical_block_size(a->live) - 1))
		return -EINVAL;
	*ret_error = NULL;
	return 0;
}

static int fill(struct tm_attachment *a, const struct tm_geometry *g, const char **ret_error)
{
	int r = open_live(a, g->path, ret_error);

	if (!r)
		r = check_live(a, g, ret_error);
	if (r)
		return r;
	a->start_sector = g->start_sector;
	a->first_sector = g->start_sector + get_start_sect(a->live);
	a->nr_sectors = g->nr_sectors;
	a->reaches_end = g->start_sector + g->nr_sectors == bdev_nr_sectors(a->live);
	a->chunk_shift = ilog2(g->chunk_sectors);
	a->stacked = g->stacked;
	a->settled_at = ktime_add_ms(ktime_get(), READ_ONCE(settle_ms));
	a->stall_ms = g->stall_ms;
	a->epoch = 1;
	get_random_bytes(a->tracker_id, sizeof(a->tracker_id));
	*ret_error = "not enough memory";
	a->stream.allowed = g->stream;
	r = tm_preserve_create(a);
	if (!r)
		r = tm_stream_create(a);
	if (r)
		return r;
	return tm_tracker_create(&a->tracker,
				 (g->nr_sectors + g->chunk_sectors - 1) >> a->chunk_shift);
}

static struct tm_attachment *create(struct mapped_device *md, const struct tm_geometry *g,
				    const char **ret_error)
{
	struct tm_attachment *a = kzalloc(sizeof(*a), GFP_KERNEL);
	int r;

	*ret_error = "not enough memory";
	if (!a)
		return ERR_PTR(-ENOMEM);
	kref_init(&a->ref);
	mutex_init(&a->mutex);
	spin_lock_init(&a->base_lock);
	INIT_LIST_HEAD(&a->node);
	INIT_LIST_HEAD(&a->on_disk);
	INIT_WORK(&a->event, send_event);
	a->md = md;
	r = fill(a, g, ret_error);
	if (r) {
		tm_attachment_put(a);
		return ERR_PTR(r);
	}
	return a;
}

/* ----------------------------------------------------------------- attach, detach */

static struct tm_attachment *find_by_mapped(const struct mapped_device *md)
{
	struct tm_attachment *a;

	lockdep_assert_held(&attachments_mutex);
	list_for_each_entry(a, &attachments, node)
		if (a->md == md)
			return a;
	return NULL;
}

static bool range_is_taken(const struct tm_attachment *wanted)
{
	struct tm_attachment *a;

	lockdep_assert_held(&attachments_mutex);
	list_for_each_entry(a, &attachments, node)
		if (a->live->bd_disk == wanted->live->bd_disk &&
		    a->first_sector == wanted->first_sector &&
		    a->nr_sectors == wanted->nr_sectors)
			return true;
	return false;
}

static bool same_geometry(const struct tm_attachment *a, const struct tm_geometry *g)
{
	dev_t dev;

	return !find_device(g->path, &dev) && dev == a->live->bd_dev &&
	       g->start_sector == a->start_sector && g->nr_sectors == a->nr_sectors &&
	       g->stacked == a->stacked &&
	       ilog2(g->chunk_sectors) == a->chunk_shift;
}

static struct tm_attachment *attach_new(struct mapped_device *md, const struct tm_geometry *g,
					const char **ret_error)
{
	struct tm_attachment *a = create(md, g, ret_error);
	int r;

	if (IS_ERR(a))
		return a;
	*ret_error = "this range of the device is attached already";
	r = range_is_taken(a) ? -EBUSY : 0;
	if (!r) {
		*ret_error = "cannot hook submit_bio_noacct: ftrace is off (kernel.ftrace_enabled), "
			     "or a live patch or another product holds it";
		r = tm_interposer_attach(a);
		if (r == -ENOMEM)
			*ret_error = "not enough memory";
	}
	if (r) {
		tm_attachment_put(a);
		return ERR_PTR(r);
	}
	list_add_tail(&a->node, &attachments);
	return a;
}

static struct tm_attachment *attach_locked(struct mapped_device *md, const struct tm_geometry *g,
					   const char **ret_error)
{
	struct tm_attachment *a = find_by_mapped(md);

	if (!a)
		return attach_new(md, g, ret_error);
	if (!same_geometry(a, g)) {
		*ret_error = "a reload cannot change the device, the range, the chunk size or the way in";
		return ERR_PTR(-EINVAL);
	}
	return a;
}

struct tm_attachment *tm_attachment_attach(struct dm_target *ti, const struct tm_geometry *geometry,
					   const char **ret_error)
{
	struct tm_attachment *a;
	bool is_new = false;

	mutex_lock(&attachments_mutex);
	a = attach_locked(dm_table_get_md(ti->table), geometry, ret_error);
	if (!IS_ERR(a))
		is_new = a->nr_targets++ == 0;
	mutex_unlock(&attachments_mutex);
	/* Outside the mutex: a device that hangs must not take the other attachments along. */
	if (is_new)
		tm_interposer_drain(a->live->bd_disk);
	return a;
}

void tm_attachment_go_live(struct tm_attachment *a, struct dm_target *ti)
{
	mutex_lock(&attachments_mutex);
	a->event_target = ti;
	mutex_unlock(&attachments_mutex);
}

/* Make dead, wait for writes that are held, and leave the rest to the last reference. */
static void die(struct tm_attachment *a)
{
	mutex_lock(&a->mutex);
	tm_cut_abort_locked(a, 0);
	tm_stream_stop(a);
	WRITE_ONCE(a->dead, true);
	if (a->channel)
		tm_ring_wake(tm_channel_ring(a->channel));
	mutex_unlock(&a->mutex);
	tm_interposer_detach(a);
}

void tm_attachment_detach(struct tm_attachment *a, struct dm_target *ti)
{
	bool last;

	mutex_lock(&attachments_mutex);
	last = --a->nr_targets == 0;
	if (a->event_target == ti)
		a->event_target = NULL;
	if (last) {
		list_del(&a->node);
		die(a);
	}
	mutex_unlock(&attachments_mutex);
	if (last) {
		cancel_work_sync(&a->event);
		tm_attachment_put(a);
	}
}

struct tm_attachment *tm_attachment_get_by_mapped(dev_t mapped)
{
	struct tm_attachment *a, *found = ERR_PTR(-ENXIO);

	mutex_lock(&attachments_mutex);
	list_for_each_entry(a, &attachments, node) {
		if (disk_devt(dm_disk(a->md)) == mapped) {
			kref_get(&a->ref);
			found = a;
			break;
		}
	}
	mutex_unlock(&attachments_mutex);
	return found;
}

/* -------------------------------------------------------------------------- facts */

u32 tm_attachment_chunk_bytes(const struct tm_attachment *a, u64 chunk)
{
	sector_t left = a->nr_sectors - (chunk << a->chunk_shift);

	return min_t(sector_t, left, 1UL << a->chunk_shift) << SECTOR_SHIFT;
}

void tm_attachment_set_base(struct tm_attachment *a, const u8 base[TIDEMARK_BASE_BYTES])
{
	spin_lock(&a->base_lock);
	memcpy(a->base, base, sizeof(a->base));
	spin_unlock(&a->base_lock);
}

int tm_attachment_add_dirty(struct tm_attachment *a, u64 first_word, u64 nr_words,
			    const u64 *words)
{
	int r = 0;

	mutex_lock(&a->mutex);
	if (a->dead)
		r = -ENODEV;
	else
		tm_tracker_mark_words_dirty(&a->tracker, first_word, nr_words, words);
	mutex_unlock(&a->mutex);
	return r;
}

void tm_attachment_forget(struct tm_attachment *a)
{
	static const u8 none[TIDEMARK_BASE_BYTES];

	mutex_lock(&a->mutex);
	tm_attachment_set_base(a, none);
	tm_tracker_mark_all_dirty(&a->tracker);
	mutex_unlock(&a->mutex);
}

/* A disk that is being removed has lost its capacity; a partition keeps its own. */
u32 tm_attachment_live_state(const struct tm_attachment *a)
{
	sector_t disk_end = get_capacity(a->live->bd_disk);
	sector_t live_end = bdev_nr_sectors(a->live);
	sector_t end = a->start_sector + a->nr_sectors;

	if (!disk_end)
		return TIDEMARK_LIVE_GONE;
	if (end > live_end || a->first_sector + a->nr_sectors > disk_end)
		return TIDEMARK_LIVE_SHORT;
	return a->reaches_end && end < live_end ? TIDEMARK_LIVE_GROWN : TIDEMARK_LIVE_OK;
}

bool tm_attachment_is_settled(const struct tm_attachment *a, ktime_t at)
{
	return !ktime_before(at, READ_ONCE(a->settled_at));
}

static u32 settle_ms_left(const struct tm_attachment *a)
{
	ktime_t now = ktime_get();

	return tm_attachment_is_settled(a, now) ?
		       0 :
		       ktime_ms_delta(READ_ONCE(a->settled_at), now) + 1;
}

void tm_attachment_get_info(struct tm_attachment *a, struct tidemark_info *ret_info)
{
	*ret_info = (struct tidemark_info){
		.volume_bytes = a->nr_sectors << SECTOR_SHIFT,
		.start_sector = a->start_sector,
		.nr_chunks = a->tracker.nr_chunks,
		.dirty_chunks = tm_tracker_count_dirty(&a->tracker),
		.epoch = READ_ONCE(a->epoch),
		.live = { MAJOR(a->live->bd_dev), MINOR(a->live->bd_dev) },
		.chunk_bytes = 1U << (a->chunk_shift + SECTOR_SHIFT),
		.stall_ms = READ_ONCE(a->stall_ms),
		.live_state = tm_attachment_live_state(a),
		.settle_ms = settle_ms_left(a),
	};
	memcpy(ret_info->tracker_id, a->tracker_id, sizeof(a->tracker_id));
	spin_lock(&a->base_lock);
	memcpy(ret_info->base, a->base, sizeof(a->base));
	spin_unlock(&a->base_lock);
}
