// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Cuts: from the freeze of the file systems to the end of the backup.
 *
 *            run()                   commit(), abort()
 *   NONE ------------> ACTIVE -------------------------> NONE
 *                        |  lose()          abort()       ^
 *                        +-----------> LOST --------------+
 *
 * Invariants
 *   C1  At the instant nobody is inside the gate: each write noted its chunks
 *       before it, with the old epoch, or after it, with the new one and with the
 *       frozen set in force.
 *   C2  A write noted before the instant and completed after it is noted again
 *       when it completes (interposer.c, look_back()).
 *   C3  The frozen set leaves the tracker only by a commit with every chunk done
 *       while the cut is active; in each other case it goes back into dirty.
 *       It also goes back after the commit of a cut that was made before the attachment
 *       had settled: a write of before it may have landed behind the reader.
 *   C4  While file systems are frozen nothing waits for user space, for I/O, or for
 *       memory.
 */
#include "cut.h"

#include <linux/device-mapper.h>
#include <linux/kdev_t.h>
#include <linux/slab.h>

#include "attachment.h"
#include "channel.h"
#include "gate.h"
#include "interposer.h"
#include "preserve.h"
#include "ring.h"

/* Keeps two cuts from locking the same attachments in a different order. */
static DEFINE_MUTEX(run_mutex);

const char *tm_cut_state_name(const struct tm_attachment *a)
{
	switch (READ_ONCE(a->cut_state)) {
	case TIDEMARK_CUT_ACTIVE:
		return "active";
	case TIDEMARK_CUT_LOST:
		return "lost";
	default:
		return "none";
	}
}

void tm_cut_lose(struct tm_attachment *a, int reason)
{
	/* Before the first write goes unpreserved: partner of release's second look (P2). */
	if (cmpxchg(&a->cut_state, TIDEMARK_CUT_ACTIVE, TIDEMARK_CUT_LOST) != TIDEMARK_CUT_ACTIVE)
		return;
	atomic64_inc(&a->nr_lost);
	tm_ring_show_cut(tm_channel_ring(a->channel), TIDEMARK_CUT_LOST, reason);
	tm_ring_wake(tm_channel_ring(a->channel));
	pr_warn("tidemark: %s: cut of epoch %llu lost: %s; the backup must retry, writes go on\n",
		dm_disk(a->md)->disk_name, a->epoch - 1,
		reason == TIDEMARK_LOST_STALLED ? "the agent did not drain the ring in time" :
						  "the agent broke the ring");
	schedule_work(&a->event);
}

/* ------------------------------------------------------------------ freezing */

static void thaw_all(struct file **files, unsigned int nr)
{
	while (nr--) {
		bdev_thaw(file_bdev(files[nr]));
		bdev_fput(files[nr]);
	}
}

static int freeze_one(const struct tidemark_devno *devno, struct file **ret_file)
{
	struct file *file = bdev_file_open_by_dev(MKDEV(devno->major, devno->minor), BLK_OPEN_READ,
						  NULL, NULL);
	int r;

	if (IS_ERR(file))
		return PTR_ERR(file) == -ENODEV ? -ENXIO : PTR_ERR(file);
	r = bdev_freeze(file_bdev(file));
	if (r)
		bdev_fput(file);
	else
		*ret_file = file;
	return r;
}

static int freeze_all(const struct tidemark_devno *devnos, unsigned int nr, struct file **ret_files)
{
	unsigned int i;
	int r;

	for (i = 0; i < nr; i++) {
		r = freeze_one(&devnos[i], &ret_files[i]);
		if (r) {
			thaw_all(ret_files, i);
			return r;
		}
	}
	return 0;
}

/* ----------------------------------------------------------------- the instant */

static void cut_one_locked(struct tm_cut_part *part, u64 cut_seq)
{
	struct tm_attachment *a = part->attachment;

	tm_tracker_cut_locked(&a->tracker, part->flags & TIDEMARK_CUT_FULL);
	a->cut_seq = cut_seq;
	tm_stream_cut_locked(a, part->flags & TIDEMARK_CUT_STREAM, a->epoch, cut_seq);
	a->cut_at = ktime_get();
	/* What is mounted there has completed all its writes, those of before the attachment too. */
	if (part->settles)
		WRITE_ONCE(a->settled_at, 0);
	a->cut_preserves = !(part->flags & TIDEMARK_CUT_FUZZY);
	part->ret_epoch = a->epoch;
	WRITE_ONCE(a->epoch, a->epoch + 1);
	tm_ring_show_cut(tm_channel_ring(a->channel), TIDEMARK_CUT_ACTIVE, TIDEMARK_LOST_NOT);
	WRITE_ONCE(a->cut_state, TIDEMARK_CUT_ACTIVE);
}

static u64 cut_all(struct tm_cut_part *parts, unsigned int nr)
{
	unsigned long flags = tm_gate_close();
	u64 cut_seq = tm_interposer_next_cut_locked();
	u64 time_ns = ktime_get_real_ns();
	unsigned int i;

	for (i = 0; i < nr; i++)
		cut_one_locked(&parts[i], cut_seq);
	tm_gate_open(flags);
	for (i = 0; i < nr; i++)
		tm_ring_wake(tm_channel_ring(parts[i].attachment->channel));
	return time_ns;
}

/* --------------------------------------------------------------------- running */

/* Does the freeze list have the device that a file system of its own is mounted from? */
static bool is_frozen_by(const struct tm_attachment *a, const struct tidemark_devno *devnos,
			 unsigned int nr)
{
	dev_t used = a->stacked ? disk_devt(dm_disk(a->md)) : a->live->bd_dev;

	while (nr--)
		if (MKDEV(devnos[nr].major, devnos[nr].minor) == used)
			return true;
	return false;
}

static int prepare_one(const struct tm_cut_part *part)
{
	struct tm_attachment *a = part->attachment;
	bool fuzzy = part->flags & TIDEMARK_CUT_FUZZY;
	int r = 0;

	lockdep_assert_held(&a->mutex);
	if (a->dead || !a->channel)
		return -ENODEV;
	if (READ_ONCE(a->cut_state) != TIDEMARK_CUT_NONE)
		return -EBUSY;
	if (part->flags & TIDEMARK_CUT_STREAM)
		r = part->settles || tm_attachment_is_settled(a, ktime_get()) ?
			    tm_stream_check_start(a) :
			    -EINPROGRESS;
	if (!r)
		r = tm_tracker_prepare_cut(&a->tracker, fuzzy);
	if (r || fuzzy)
		return r;
	r = tm_preserve_begin(a);
	if (r)
		tm_tracker_finish_cut(&a->tracker);
	return r;
}

static void unprepare(struct tm_cut_part *parts, unsigned int nr)
{
	while (nr--) {
		tm_preserve_finish(parts[nr].attachment);
		tm_tracker_finish_cut(&parts[nr].attachment->tracker);
	}
}

static int prepare_all(struct tm_cut_part *parts, unsigned int nr,
		       const struct tidemark_devno *freeze, unsigned int nr_freeze)
{
	unsigned int i;
	int r;

	for (i = 0; i < nr; i++) {
		parts[i].settles = is_frozen_by(parts[i].attachment, freeze, nr_freeze);
		r = prepare_one(&parts[i]);
		if (r) {
			unprepare(parts, i);
			return r;
		}
	}
	return 0;
}

static void count_all(struct tm_cut_part *parts, unsigned int nr)
{
	unsigned int i;
	u64 word;

	for (i = 0; i < nr; i++) {
		const struct tm_tracker *t = &parts[i].attachment->tracker;

		parts[i].ret_frozen_chunks = 0;
		for (word = 0; word < DIV_ROUND_UP_ULL(t->nr_chunks, 64); word++)
			parts[i].ret_frozen_chunks += hweight64(tm_tracker_frozen_word(t, word));
	}
}

static int run_locked(struct tm_cut_part *parts, unsigned int nr_parts,
		      const struct tidemark_devno *freeze, unsigned int nr_freeze, u64 *ret_time_ns)
{
	struct file **files = kcalloc(nr_freeze ?: 1, sizeof(*files), GFP_KERNEL);
	int r;

	if (!files)
		return -ENOMEM;
	r = prepare_all(parts, nr_parts, freeze, nr_freeze);
	if (r)
		goto out;
	r = freeze_all(freeze, nr_freeze, files);
	if (r) {
		unprepare(parts, nr_parts);
		goto out;
	}
	*ret_time_ns = cut_all(parts, nr_parts);
	thaw_all(files, nr_freeze);
	count_all(parts, nr_parts);
out:
	kfree(files);
	return r;
}

static void lock_parts(struct tm_cut_part *parts, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		mutex_lock_nest_lock(&parts[i].attachment->mutex, &run_mutex);
}

static void unlock_parts(struct tm_cut_part *parts, unsigned int nr)
{
	while (nr--)
		mutex_unlock(&parts[nr].attachment->mutex);
}

int tm_cut_run(struct tm_cut_part *parts, unsigned int nr_parts,
	       const struct tidemark_devno *freeze, unsigned int nr_freeze, u64 *ret_time_ns)
{
	int r;

	mutex_lock(&run_mutex);
	lock_parts(parts, nr_parts);
	r = run_locked(parts, nr_parts, freeze, nr_freeze, ret_time_ns);
	unlock_parts(parts, nr_parts);
	mutex_unlock(&run_mutex);
	return r;
}

/* --------------------------------------------------------------------- reading */

/* Is there a cut, and is it this one? Epoch 0: any. */
static int check_cut(const struct tm_attachment *a, u64 epoch)
{
	lockdep_assert_held(&a->mutex);
	if (a->dead)
		return -ENODEV;
	if (READ_ONCE(a->cut_state) == TIDEMARK_CUT_NONE || (epoch && epoch != a->epoch - 1))
		return -ENODATA;
	return 0;
}

int tm_cut_read_frozen(struct tm_attachment *a, u64 first_word, u64 nr_words, u64 *ret_words)
{
	u64 i;
	int r;

	mutex_lock(&a->mutex);
	r = check_cut(a, 0);
	for (i = 0; !r && i < nr_words; i++)
		ret_words[i] = tm_tracker_frozen_word(&a->tracker, first_word + i);
	mutex_unlock(&a->mutex);
	return r;
}

int tm_cut_release(struct tm_attachment *a, u64 epoch, u64 first, u32 nr_chunks, u64 *ret_words)
{
	u32 i;
	int r;

	memset(ret_words, 0, DIV_ROUND_UP(nr_chunks, 64) * sizeof(u64));
	mutex_lock(&a->mutex);
	r = check_cut(a, epoch);
	for (i = 0; !r && i < nr_chunks; i++)
		if (tm_tracker_claim(&a->tracker, first + i))
			ret_words[i / 64] |= 1ULL << i % 64;
	/* After the claims (P2): still active means that no write went before them. */
	if (!r && !tm_cut_is_active(a))
		r = -ESTALE;
	mutex_unlock(&a->mutex);
	return r;
}

/* ---------------------------------------------------------------------- ending */

/*
 * In this order: no new write is held, nobody inside the gate still means to hold
 * one, what is held was submitted and its memory is free.
 */
static void end_locked(struct tm_attachment *a)
{
	WRITE_ONCE(a->cut_state, TIDEMARK_CUT_NONE);
	tm_gate_sync();
	tm_preserve_finish(a);
	tm_ring_show_cut(tm_channel_ring(a->channel), TIDEMARK_CUT_NONE, TIDEMARK_LOST_NOT);
}

int tm_cut_commit(struct tm_attachment *a, u64 epoch, const u8 base[TIDEMARK_BASE_BYTES])
{
	int r;

	mutex_lock(&a->mutex);
	r = check_cut(a, epoch);
	if (!r && !tm_cut_is_active(a))
		r = -ESTALE;
	if (!r && tm_tracker_any_frozen(&a->tracker, 0, a->tracker.nr_chunks - 1))
		r = -EBUSY;
	if (!r) {
		end_locked(a);
		if (!tm_attachment_is_settled(a, a->cut_at))
			tm_tracker_undo_cut(&a->tracker);
		tm_tracker_finish_cut(&a->tracker);
		tm_attachment_set_base(a, base);
	}
	mutex_unlock(&a->mutex);
	return r;
}

int tm_cut_abort_locked(struct tm_attachment *a, u64 epoch)
{
	int r = check_cut(a, epoch);

	if (!r) {
		end_locked(a);
		tm_tracker_undo_cut(&a->tracker);
		tm_tracker_finish_cut(&a->tracker);
	}
	return r;
}

int tm_cut_abort(struct tm_attachment *a, u64 epoch)
{
	int r;

	mutex_lock(&a->mutex);
	r = tm_cut_abort_locked(a, epoch);
	mutex_unlock(&a->mutex);
	return r;
}
