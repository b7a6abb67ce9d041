// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Disks with attachments, and every write to them.
 *
 * A disk is a record per gendisk with the attachments on it, as absolute sector
 * ranges: a write is seen whichever node it came through. A write is looked at in
 * its submitter's context, in three steps: its sectors become those of the whole
 * disk, a flight is put on it, and inside the gate each attachment that it touches
 * takes note. Then it goes on along its own path, or is held if one of its chunks
 * is frozen (preserve.c).
 *
 * "Seen" is: carries a flight of the disk that it is submitted to. Remainders of a
 * split carry theirs along; a driver that passes the bio on to another disk, or that
 * puts its own completion over ours, has it seen afresh there, with a flight on top.
 * In doubt a bio is seen twice, never missed. Remapping a partition's sectors is what
 * blk_partition_remap() does, and the core does not do it again; it also skips its
 * end-of-device check then, so bios beyond the end are left to it.
 *
 * A flight takes over bi_end_io until the bio completes, as stacking drivers do
 * (flight.c: where they come from, without waiting). Where there is none to be had,
 * the bio goes to a worker that can wait: flights come back as writes complete, which
 * needs nothing from us.
 *
 * Not seen: passthrough requests, DAX, and devices that take pages past the block
 * layer; refused at attach where they can be recognised (attachment.c).
 */
#include "interposer.h"

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/device-mapper.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "attachment.h"
#include "chain.h"
#include "cut.h"
#include "flight.h"
#include "gate.h"
#include "hook.h"
#include "stream.h"

/*
 * Lives until its last flight has landed, which can be after its last attachment
 * is gone: a detach never waits for the device.
 */
struct tm_disk {
	struct hlist_node node; /* disks: gate; read under RCU */
	struct gendisk *gendisk;      /* NULL once the last attachment is gone */
	struct list_head attachments; /* gate */
	unsigned int nr_users;        /* disks_mutex: attachments and those on their way */
	struct tm_flights flights;
	struct workqueue_struct *queue; /* one per disk: disks can be stacked */
	spinlock_t intake_lock;
	struct bio_list intake; /* intake_lock: writes that wait for a flight */
	struct work_struct take_in;
	struct work_struct free;
};

static DEFINE_HASHTABLE(disks, 6); /* gate; read under RCU */
static DEFINE_MUTEX(disks_mutex);
static u32 latest_serial; /* disks_mutex */
static atomic_t nr_disks = ATOMIC_INIT(0); /* records not freed yet */
static DECLARE_WAIT_QUEUE_HEAD(no_disks);

static u64 latest_cut_seq; /* gate */

static struct workqueue_struct *free_queue;

static __always_inline struct hlist_head *bucket(const struct gendisk *gendisk)
{
	return &disks[hash_ptr(gendisk, HASH_BITS(disks))];
}

/* notrace, and no call that could be traced: this runs inside an ftrace callback. */
static __always_inline struct tm_disk *find_disk(const struct gendisk *gendisk)
{
	struct tm_disk *disk;

	hlist_for_each_entry_rcu_notrace(disk, bucket(gendisk), node)
		if (READ_ONCE(disk->gendisk) == gendisk)
			return disk;
	return NULL;
}

static void land(struct bio *bio);

static __always_inline bool is_seen(const struct bio *bio, const struct gendisk *gendisk)
{
	const struct tm_flight *flight = bio->bi_private;

	return bio->bi_end_io == land && READ_ONCE(flight->disk->gendisk) == gendisk;
}

static __always_inline bool beyond_end(const struct bio *bio)
{
	return bio_end_sector(bio) > tm_bio_node_sectors(bio);
}

notrace bool tm_interposer_wants(struct bio *bio)
{
	const struct gendisk *gendisk = tm_bio_disk(bio);
	bool wants;

	if (!op_is_write(bio_op(bio)) || is_seen(bio, gendisk))
		return false;
	if (!bio_sectors(bio) && !(bio->bi_opf & REQ_PREFLUSH))
		return false;
	rcu_read_lock_sched_notrace();
	wants = find_disk(gendisk) && !beyond_end(bio);
	rcu_read_unlock_sched_notrace();
	return wants;
}

static __always_inline bool touches(const struct tm_attachment *a, const struct tm_flight *flight,
				    u64 *ret_first, u64 *ret_last)
{
	return tm_attachment_chunks(a, flight->sector, flight->nr_sectors, ret_first, ret_last);
}

/*
 * A cut was made while this write was in flight. Its effect may or may not be in
 * the image, so it belongs to the epoch after the cut as well. Where the numbers
 * are equal no cut came between: the write completed before the next one, which
 * reads the device after its instant and so sees it.
 *
 * A stream that has no record of the write because it began later, or one of a write
 * that failed, is told to read it again.
 */
static noinline void look_back(const struct tm_flight *flight, bool failed)
{
	unsigned long flags = tm_gate_enter();
	struct tm_attachment *a;
	u64 first, last;

	list_for_each_entry(a, &flight->disk->attachments, on_disk) {
		if (!touches(a, flight, &first, &last))
			continue;
		if (a->cut_seq > flight->cut_seq || failed)
			tm_tracker_mark_dirty_locked(&a->tracker, first, last);
		if (READ_ONCE(a->stream.on) &&
		    (a->stream.start_cut_seq > flight->cut_seq || failed))
			tm_stream_rescan_locked(a, flight);
	}
	tm_gate_exit(flags);
}

static void land(struct bio *bio)
{
	struct tm_flight *flight = bio->bi_private;
	struct tm_disk *disk = flight->disk;

	bio->bi_private = flight->private;
	bio->bi_end_io = flight->end_io;
	if (unlikely(flight->cut_seq != READ_ONCE(latest_cut_seq) || bio->bi_status))
		look_back(flight, bio->bi_status);
	tm_flights_give_back(&disk->flights, flight);
	if (unlikely(tm_chain_has(bio)))
		tm_chain_end(bio);
	else if (bio->bi_end_io)
		bio->bi_end_io(bio);
}

/*
 * A cut between this and the gate only makes the write look older than it is, and be
 * noted once more.
 */
static __always_inline void take_off(struct bio *bio, struct tm_flight *flight,
				     struct tm_disk *disk)
{
	flight->private = bio->bi_private;
	flight->end_io = bio->bi_end_io;
	flight->disk = disk;
	flight->sector = bio->bi_iter.bi_sector;
	flight->next_sector = flight->sector;
	flight->recorded_upto = 0;
	flight->waits_for_room = false;
	flight->nr_sectors = bio_sectors(bio);
	flight->cut_seq = READ_ONCE(latest_cut_seq);
	bio->bi_private = flight;
	bio->bi_end_io = land;
}

static __always_inline bool must_hold(const struct tm_attachment *a, u64 first, u64 last)
{
	return tm_cut_is_active(a) && a->cut_preserves &&
	       tm_tracker_any_frozen(&a->tracker, first, last);
}

/* Who wants more of a write than to have its chunks marked. */
struct notes {
	struct tm_attachment *stream; /* the first one that has no record of it yet */
	struct tm_attachment *holder; /* the first one in which a chunk is frozen */
	bool more_streams;
};

/* Each attachment that the write touches takes note (T1, S1). */
static __always_inline struct notes note_locked(const struct tm_flight *flight)
{
	struct notes notes = {};
	struct tm_attachment *a;
	u64 first, last;
	bool touched;

	list_for_each_entry(a, &flight->disk->attachments, on_disk) {
		touched = touches(a, flight, &first, &last);
		if (tm_stream_wants(&a->stream, a->serial, flight) &&
		    (touched || !flight->nr_sectors)) {
			notes.more_streams = notes.stream != NULL;
			notes.stream = notes.stream ?: a;
		}
		if (!touched)
			continue;
		tm_tracker_mark_dirty_locked(&a->tracker, first, last);
		if (unlikely(must_hold(a, first, last)) && !notes.holder)
			notes.holder = a;
	}
	return notes;
}

/*
 * One passage of the gate takes one record; where there is more to do the write is noted
 * once more, by those who have come meanwhile as well.
 */
static noinline enum tm_bio_fate see_closely(struct bio *bio)
{
	enum tm_stream_verdict verdict;
	struct notes notes;
	unsigned long flags;

	for (;;) {
		flags = tm_gate_enter();
		notes = note_locked(tm_flight_of(bio));
		if (!notes.stream)
			break;
		verdict = tm_stream_record(notes.stream, bio, flags);
		if (verdict == TM_STREAM_WAITS)
			return TM_BIO_HELD;
		if (verdict == TM_STREAM_RECORDED && !notes.more_streams && !notes.holder)
			return TM_BIO_PASSED;
	}
	if (notes.holder)
		tm_preserve_hold_locked(notes.holder, bio);
	tm_gate_exit(flags);
	return notes.holder ? TM_BIO_HELD : TM_BIO_PASSED;
}

/* Inside the gate, which it leaves. What most writes need is done in one passage. */
static __always_inline enum tm_bio_fate see(struct bio *bio, const struct tm_flight *flight,
					    unsigned long flags)
{
	struct notes notes = note_locked(flight);
	enum tm_stream_verdict verdict;

	if (likely(!notes.stream && !notes.holder)) {
		tm_gate_exit(flags);
		return TM_BIO_PASSED;
	}
	if (notes.holder || notes.more_streams) {
		tm_gate_exit(flags);
		return see_closely(bio);
	}
	verdict = tm_stream_record(notes.stream, bio, flags);
	if (unlikely(verdict == TM_STREAM_GOES_ON))
		return see_closely(bio);
	return verdict == TM_STREAM_WAITS ? TM_BIO_HELD : TM_BIO_PASSED;
}

static enum tm_bio_fate see_write(struct bio *bio)
{
	return see(bio, tm_flight_of(bio), tm_gate_enter());
}

enum tm_bio_fate tm_interposer_resubmit(struct bio *bio)
{
	enum tm_bio_fate fate = see_write(bio);

	if (fate == TM_BIO_PASSED)
		submit_bio_noacct(bio);
	return fate;
}

/*
 * A record in the table is not dying: it is taken out, and a grace period passes,
 * before its references are killed.
 */
static struct tm_disk *get_disk(const struct gendisk *gendisk)
{
	struct tm_disk *disk;

	rcu_read_lock();
	disk = find_disk(gendisk);
	if (disk)
		percpu_ref_get(&disk->flights.ref);
	rcu_read_unlock();
	return disk;
}

static struct bio *next_intake(struct tm_disk *disk)
{
	struct bio *bio;

	spin_lock_irq(&disk->intake_lock);
	bio = bio_list_pop(&disk->intake);
	spin_unlock_irq(&disk->intake_lock);
	return bio;
}

static void take_in(struct work_struct *work)
{
	struct tm_disk *disk = container_of(work, struct tm_disk, take_in);
	struct tm_flight *flight;
	struct bio *bio;

	while ((bio = next_intake(disk))) {
		flight = tm_flights_make(&disk->flights, GFP_NOIO);
		take_off(bio, flight, disk);
		tm_interposer_resubmit(bio);
	}
}

/* The reference that the caller holds on the disk goes to the bio's flight. */
static void queue_for_intake(struct tm_disk *disk, struct bio *bio)
{
	unsigned long flags;

	bio_clear_polled(bio);
	spin_lock_irqsave(&disk->intake_lock, flags);
	bio_list_add(&disk->intake, bio);
	spin_unlock_irqrestore(&disk->intake_lock, flags);
	queue_work(disk->queue, &disk->take_in);
}

/* No flight rests here. */
static noinline enum tm_bio_fate submit_with_new_flight(struct bio *bio)
{
	struct tm_disk *disk = get_disk(tm_bio_disk(bio));
	struct tm_flight *flight;

	/* Detached since the hook looked: it will not want this bio again. */
	if (!disk)
		return TM_BIO_PASSED;
	if (!tm_bio_is_remapped(bio))
		tm_bio_remap(bio);
	flight = tm_flights_make(&disk->flights, GFP_NOWAIT | __GFP_NOWARN);
	if (!flight) {
		queue_for_intake(disk, bio);
		return TM_BIO_HELD;
	}
	take_off(bio, flight, disk);
	return see_write(bio);
}

enum tm_bio_fate tm_interposer_submit(struct bio *bio)
{
	unsigned long flags = tm_gate_enter();
	/* The gate is closed for whoever changes the table. */
	struct tm_disk *disk = find_disk(tm_bio_disk(bio));
	struct tm_flight *flight = disk ? tm_flights_take(&disk->flights) : NULL;

	if (unlikely(!flight)) {
		tm_gate_exit(flags);
		return submit_with_new_flight(bio);
	}
	if (!tm_bio_is_remapped(bio))
		tm_bio_remap(bio);
	take_off(bio, flight, disk);
	return see(bio, flight, flags);
}

u64 tm_interposer_next_cut_locked(void)
{
	tm_gate_assert_held();
	WRITE_ONCE(latest_cut_seq, latest_cut_seq + 1);
	return latest_cut_seq;
}

static void free_disk(struct work_struct *work)
{
	struct tm_disk *disk = container_of(work, struct tm_disk, free);

	destroy_workqueue(disk->queue);
	tm_flights_destroy(&disk->flights);
	kfree(disk);
	if (atomic_dec_and_test(&nr_disks))
		wake_up_all(&no_disks);
}

static void last_flight_landed(struct percpu_ref *ref)
{
	struct tm_disk *disk = container_of(ref, struct tm_disk, flights.ref);

	queue_work(free_queue, &disk->free);
}

static struct tm_disk *create_disk(struct gendisk *gendisk)
{
	struct tm_disk *disk = kzalloc(sizeof(*disk), GFP_KERNEL);

	if (!disk)
		return NULL;
	disk->gendisk = gendisk;
	INIT_LIST_HEAD(&disk->attachments);
	spin_lock_init(&disk->intake_lock);
	bio_list_init(&disk->intake);
	INIT_WORK(&disk->take_in, take_in);
	INIT_WORK(&disk->free, free_disk);
	disk->queue = alloc_workqueue("tidemark-%s", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_PERCPU, 0,
				      gendisk->disk_name);
	if (!disk->queue)
		goto out_with_disk;
	if (tm_flights_create(&disk->flights, last_flight_landed))
		goto out_with_queue;
	atomic_inc(&nr_disks);
	return disk;

out_with_queue:
	destroy_workqueue(disk->queue);
out_with_disk:
	kfree(disk);
	return NULL;
}

/* Exported, but declared only in drivers/md/dm.h. */
void dm_internal_suspend_fast(struct mapped_device *md);
void dm_internal_resume_fast(struct mapped_device *md);

void tm_interposer_drain(struct gendisk *gendisk)
{
	struct mapped_device *mapped;
	unsigned int memory;

	if (queue_is_mq(gendisk->queue)) {
		memory = blk_mq_freeze_queue(gendisk->queue);
		blk_mq_unfreeze_queue(gendisk->queue, memory);
		return;
	}
	mapped = dm_get_md(disk_devt(gendisk));
	if (!mapped)
		return;
	dm_internal_suspend_fast(mapped);
	dm_internal_resume_fast(mapped);
	dm_put(mapped);
}

static struct tm_disk *find_or_create_disk(struct gendisk *gendisk)
{
	struct tm_disk *disk;

	lockdep_assert_held(&disks_mutex);
	rcu_read_lock();
	disk = find_disk(gendisk);
	rcu_read_unlock();
	return disk ?: create_disk(gendisk);
}

int tm_interposer_attach(struct tm_attachment *a)
{
	struct gendisk *gendisk = a->live->bd_disk;
	struct tm_disk *disk;
	unsigned long flags;
	int r = 0;

	mutex_lock(&disks_mutex);
	if (!a->stacked)
		r = tm_hook_start();
	if (r)
		goto out;
	disk = find_or_create_disk(gendisk);
	if (!disk) {
		if (!a->stacked)
			tm_hook_stop();
		r = -ENOMEM;
		goto out;
	}
	a->disk = disk;
	a->serial = ++latest_serial;
	flags = tm_gate_close();
	list_add_tail(&a->on_disk, &disk->attachments);
	if (disk->nr_users++ == 0)
		hlist_add_head_rcu(&disk->node, bucket(gendisk));
	tm_gate_open(flags);
out:
	mutex_unlock(&disks_mutex);
	return r;
}

void tm_interposer_detach(struct tm_attachment *a)
{
	struct tm_disk *disk = a->disk;
	unsigned long flags;
	bool last;

	mutex_lock(&disks_mutex);
	flags = tm_gate_close();
	list_del_init(&a->on_disk);
	last = --disk->nr_users == 0;
	if (last) {
		hlist_del_rcu(&disk->node);
		/* What still flies is not seen by the next who attach. */
		WRITE_ONCE(disk->gendisk, NULL);
	}
	tm_gate_open(flags);
	if (last) {
		synchronize_rcu(); /* for get_disk() */
		tm_flights_close(&disk->flights);
	}
	if (!a->stacked)
		tm_hook_stop();
	mutex_unlock(&disks_mutex);
}

int tm_interposer_init(void)
{
	int r = tm_flights_init();

	if (r)
		return r;
	tm_chain_init();
	free_queue = alloc_workqueue("tidemark_free", WQ_PERCPU, 0);
	if (!free_queue) {
		tm_flights_exit();
		return -ENOMEM;
	}
	return 0;
}

void tm_interposer_exit(void)
{
	wait_event(no_disks, atomic_read(&nr_disks) == 0);
	destroy_workqueue(free_queue);
	/*
	 * land() may still be on its last instructions, after it gave its reference
	 * back: in interrupt context or preempted in a task.
	 */
	synchronize_rcu();
	synchronize_rcu_tasks();
	tm_flights_exit();
}
