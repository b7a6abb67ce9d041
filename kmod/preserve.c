// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Read what a frozen chunk holds before a write overtakes the agent's reader.
 *
 * The submitter may be inside another driver's submit path and must never wait for
 * a bio of ours: the write is put on a list (no memory needed: bios have a link)
 * and a worker does the waiting. A worker takes one write, reads each of its chunks
 * that is still frozen, claims it, appends it to the ring, and lets the write go.
 * Eight workers per attachment; each has a buffer taken before the cut.
 *
 * A later write to a claimed chunk does not wait for the held one: between writes
 * in flight no block device promises an order.
 *
 * A discard of more frozen chunks than the ring has room for is completed without
 * being issued: it is a hint, and honouring it would cost the cut. The price is
 * space that the device gets back later: at the next trim that covers it.
 */
#include "preserve.h"

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "attachment.h"
#include "channel.h"
#include "cut.h"
#include "flight.h"
#include "gate.h"
#include "interposer.h"
#include "ring.h"

struct tm_preserver {
	struct work_struct work;
	struct tm_attachment *attachment;
	void *buffer;   /* one chunk, vmalloc */
	struct bio bio; /* reads into buffer */
	struct bio_vec *vecs;
	bool busy; /* preserve.lock */
};

static unsigned int chunk_pages(const struct tm_attachment *a)
{
	return tm_attachment_chunk_bytes(a, 0) >> PAGE_SHIFT ?: 1;
}

static int read_chunk(struct tm_preserver *p, u64 chunk)
{
	struct tm_attachment *a = p->attachment;
	u32 left = tm_attachment_chunk_bytes(a, chunk);
	void *at = p->buffer;
	int r;

	bio_init(&p->bio, a->live, p->vecs, chunk_pages(a), REQ_OP_READ);
	p->bio.bi_iter.bi_sector = a->start_sector + (chunk << a->chunk_shift);
	for (; left; left -= min_t(u32, left, PAGE_SIZE), at += PAGE_SIZE)
		__bio_add_page(&p->bio, vmalloc_to_page(at), min_t(u32, left, PAGE_SIZE), 0);
	r = submit_bio_wait(&p->bio);
	bio_uninit(&p->bio);
	invalidate_kernel_vmap_range(p->buffer, tm_attachment_chunk_bytes(a, chunk));
	return r;
}

static bool still_active(void *context)
{
	return tm_cut_is_active(context);
}

static void append(struct tm_attachment *a, const struct tm_record *record, ktime_t deadline)
{
	struct tm_ring *ring = tm_channel_ring(a->channel);

	switch (tm_ring_append(ring, record, deadline, still_active, a)) {
	case 0:
		atomic64_inc(&a->preserve.nr_preserved);
		break;
	case -ETIMEDOUT:
		tm_cut_lose(a, TIDEMARK_LOST_STALLED);
		break;
	case -EPROTO:
		tm_cut_lose(a, TIDEMARK_LOST_CONSUMER);
		break;
	}
}

static void preserve_chunk(struct tm_preserver *p, u64 chunk, ktime_t deadline)
{
	struct tm_attachment *a = p->attachment;
	struct tm_record record = { .epoch = a->epoch - 1, .chunk = chunk };

	if (read_chunk(p, chunk)) {
		record.type = TIDEMARK_RECORD_UNREADABLE;
	} else {
		record.type = TIDEMARK_RECORD_PRESERVED;
		record.payload = p->buffer;
		record.payload_bytes = tm_attachment_chunk_bytes(a, chunk);
	}
	/* Released by the agent, or preserved by another worker, while we read (T4). */
	if (tm_tracker_claim(&a->tracker, chunk))
		append(a, &record, deadline);
}

static bool too_much_for_a_hint(const struct tm_attachment *a, const struct bio *bio, u64 first,
				u64 last)
{
	u64 bytes;

	if (bio_op(bio) != REQ_OP_DISCARD)
		return false;
	bytes = tm_tracker_count_frozen(&a->tracker, first, last) *
		tm_attachment_chunk_bytes(a, 0);
	/* Each worker may be at a discard of its own. */
	return bytes > tm_ring_room(tm_channel_ring(a->channel)) / TM_NR_PRESERVERS;
}

static void release_write(struct tm_preserver *p, struct bio *bio)
{
	struct tm_attachment *a = p->attachment;
	struct tm_flight *flight = tm_flight_of(bio);
	ktime_t deadline = ktime_add_ms(flight->held_since, READ_ONCE(a->stall_ms));
	u64 first, last, chunk;

	tm_attachment_chunks(a, flight->sector, flight->nr_sectors, &first, &last);
	if (tm_cut_is_active(a) && too_much_for_a_hint(a, bio, first, last)) {
		atomic64_inc(&a->preserve.nr_discards_dropped);
		bio_endio(bio);
		return;
	}
	for (chunk = first; chunk <= last && tm_cut_is_active(a); chunk++)
		if (tm_tracker_any_frozen(&a->tracker, chunk, chunk))
			preserve_chunk(p, chunk, deadline);
	tm_interposer_resubmit(bio);
}

static struct bio *next_held(struct tm_preserver *p)
{
	struct tm_preserve *preserve = &p->attachment->preserve;
	struct bio *bio;

	raw_spin_lock_irq(&preserve->lock);
	bio = bio_list_pop(&preserve->held);
	if (!bio)
		p->busy = false;
	raw_spin_unlock_irq(&preserve->lock);
	return bio;
}

static void work_through_held(struct work_struct *work)
{
	struct tm_preserver *p = container_of(work, struct tm_preserver, work);
	struct bio *bio;

	while ((bio = next_held(p)))
		release_write(p, bio);
}

/*
 * While something is held a preserver is busy: whoever holds sees to it here, and
 * a preserver stops being busy only when it finds nothing.
 */
void tm_preserve_hold_locked(struct tm_attachment *a, struct bio *bio)
{
	struct tm_preserve *preserve = &a->preserve;
	unsigned int i;

	tm_gate_assert_held();
	tm_flight_of(bio)->held_since = ktime_get();
	atomic64_inc(&preserve->nr_held);
	/* It must complete by interrupt: who polls for it may have got no cookie, and sleeps. */
	bio_clear_polled(bio);
	raw_spin_lock(&preserve->lock);
	bio_list_add(&preserve->held, bio);
	for (i = 0; i < TM_NR_PRESERVERS && preserve->preservers[i].busy; i++)
		;
	if (i < TM_NR_PRESERVERS) {
		preserve->preservers[i].busy = true;
		queue_work(preserve->queue, &preserve->preservers[i].work);
	}
	raw_spin_unlock(&preserve->lock);
}

static void free_preservers(struct tm_preserver *preservers)
{
	unsigned int i;

	for (i = 0; i < TM_NR_PRESERVERS; i++) {
		vfree(preservers[i].buffer);
		kfree(preservers[i].vecs);
	}
	kfree(preservers);
}

static int init_preserver(struct tm_preserver *p, struct tm_attachment *a)
{
	INIT_WORK(&p->work, work_through_held);
	p->attachment = a;
	p->buffer = vmalloc(chunk_pages(a) << PAGE_SHIFT);
	p->vecs = kcalloc(chunk_pages(a), sizeof(*p->vecs), GFP_KERNEL);
	return p->buffer && p->vecs ? 0 : -ENOMEM;
}

int tm_preserve_begin(struct tm_attachment *a)
{
	struct tm_preserver *preservers;
	unsigned int i;

	lockdep_assert_held(&a->mutex);
	preservers = kcalloc(TM_NR_PRESERVERS, sizeof(*preservers), GFP_KERNEL);
	if (!preservers)
		return -ENOMEM;
	for (i = 0; i < TM_NR_PRESERVERS; i++) {
		if (init_preserver(&preservers[i], a)) {
			free_preservers(preservers);
			return -ENOMEM;
		}
	}
	a->preserve.preservers = preservers;
	return 0;
}

void tm_preserve_finish(struct tm_attachment *a)
{
	lockdep_assert_held(&a->mutex);
	if (!a->preserve.preservers)
		return;
	flush_workqueue(a->preserve.queue);
	WARN_ON_ONCE(!bio_list_empty(&a->preserve.held));
	free_preservers(a->preserve.preservers);
	a->preserve.preservers = NULL;
}

int tm_preserve_create(struct tm_attachment *a)
{
	struct tm_preserve *preserve = &a->preserve;

	raw_spin_lock_init(&preserve->lock);
	bio_list_init(&preserve->held);
	preserve->queue = alloc_workqueue("tidemark_preserve",
					  WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	return preserve->queue ? 0 : -ENOMEM;
}

void tm_preserve_destroy(struct tm_attachment *a)
{
	if (a->preserve.queue)
		destroy_workqueue(a->preserve.queue);
}
