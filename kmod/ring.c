// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Records on their way to the agent: many producers, one consumer in user space.
 *
 * A producer reserves under a short lock, which gives the order, copies outside of
 * it, and publishes; the position that the consumer sees moves on when everything
 * before it is published. The data area is mapped twice in a row, so that no copy
 * ever wraps.
 *
 * The consumer's page is the only thing that user space can write, and its
 * position is the only thing read from it: once per reservation, and checked. One
 * that makes no sense breaks the ring for good, because from then on nobody can
 * say what was read.
 *
 * Waiting for space is polling: the consumer moves its position by a plain store
 * and owes us no system call for it.
 */
#include "ring.h"

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <uapi/tidemark.h>

struct tm_ring {
	/* Set in create, then constant. */
	u32 bytes;
	unsigned int nr_pages;
	struct page **pages; /* the data area, then itself again */
	void *data;
	struct tidemark_ring_producer *producer;
	struct tidemark_ring_consumer *consumer;

	raw_spinlock_t lock; /* inside the gate */
	u64 reserved_pos;           /* lock */
	u64 published_pos;          /* lock */
	u64 consumed_pos;           /* lock; the last position that made sense */
	u64 seq;                    /* lock */
	bool broken;                /* lock; sticky */
	bool stream_is_open;        /* lock */
	wait_queue_head_t readers;
	/*
	 * lock; by position in units of the alignment: how many units the record there
	 * takes once it is complete, 0 while it is being written.
	 */
	u16 *complete_units;
};

/* What the stream leaves free, so that the record of a cut finds room. */
#define SPARE_BYTES 256

static void free_pages_of(struct tm_ring *ring)
{
	unsigned int i;

	for (i = 0; ring->pages && i < ring->nr_pages && ring->pages[i]; i++)
		__free_page(ring->pages[i]);
	kvfree(ring->pages);
}

/* A ring that does not fit is refused; nobody is killed to make room for it. */
static int alloc_pages_of(struct tm_ring *ring)
{
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN | __GFP_ZERO;
	unsigned int i;

	if (ring->nr_pages > totalram_pages() / 4)
		return -ENOMEM;
	ring->pages = kvcalloc(2 * ring->nr_pages, sizeof(*ring->pages), GFP_KERNEL);
	if (!ring->pages)
		return -ENOMEM;
	for (i = 0; i < ring->nr_pages; i++) {
		ring->pages[i] = alloc_page(gfp);
		if (!ring->pages[i])
			return -ENOMEM;
		ring->pages[i + ring->nr_pages] = ring->pages[i];
	}
	return 0;
}

struct tm_ring *tm_ring_create(u32 bytes)
{
	struct tm_ring *ring = kzalloc(sizeof(*ring), GFP_KERNEL);

	if (!ring)
		return ERR_PTR(-ENOMEM);
	ring->bytes = bytes;
	ring->nr_pages = bytes >> PAGE_SHIFT;
	raw_spin_lock_init(&ring->lock);
	init_waitqueue_head(&ring->readers);
	ring->producer = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	ring->consumer = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	ring->complete_units = kvcalloc(bytes / TIDEMARK_RECORD_ALIGN, sizeof(u16), GFP_KERNEL);
	if (!alloc_pages_of(ring))
		ring->data = vmap(ring->pages, 2 * ring->nr_pages, VM_MAP, PAGE_KERNEL);
	if (!ring->producer || !ring->consumer || !ring->complete_units || !ring->data) {
		tm_ring_destroy(ring);
		return ERR_PTR(-ENOMEM);
	}
	return ring;
}

void tm_ring_destroy(struct tm_ring *ring)
{
	/* For those who have reserved for the stream, up to their last look at the ring. */
	synchronize_rcu();
	vunmap(ring->data);
	kvfree(ring->complete_units);
	free_pages_of(ring);
	free_page((unsigned long)ring->producer);
	free_page((unsigned long)ring->consumer);
	kfree(ring);
}

/* The partner of acquire is the consumer's store: what it read may be overwritten. */
static int look_at_consumer_locked(struct tm_ring *ring)
{
	u64 pos = smp_load_acquire(&ring->consumer->consumer_pos);

	lockdep_assert_held(&ring->lock);
	if (pos - ring->consumed_pos > ring->published_pos - ring->consumed_pos ||
	    pos % TIDEMARK_RECORD_ALIGN)
		ring->broken = true;
	if (ring->broken)
		return -EPROTO;
	ring->consumed_pos = pos;
	return 0;
}

u64 tm_ring_room(struct tm_ring *ring)
{
	unsigned long flags;
	u64 room;

	raw_spin_lock_irqsave(&ring->lock, flags);
	look_at_consumer_locked(ring);
	room = ring->bytes - (ring->reserved_pos - ring->consumed_pos);
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	return room;
}

u32 tm_ring_part_bytes(const struct tm_ring *ring)
{
	return min_t(u32, ring->bytes / 4, SZ_1M);
}

static u16 *complete_units_at(struct tm_ring *ring, u64 pos)
{
	return ring->complete_units + (pos & (ring->bytes - 1)) / TIDEMARK_RECORD_ALIGN;
}

static u32 record_bytes(u32 payload_bytes)
{
	return ALIGN(sizeof(struct tidemark_record) + payload_bytes, TIDEMARK_RECORD_ALIGN);
}

static int reserve_locked(struct tm_ring *ring, u32 payload_bytes, u32 spare,
			  struct tm_reservation *ret)
{
	u32 bytes = record_bytes(payload_bytes);
	int r = look_at_consumer_locked(ring);

	if (r)
		return r;
	if (ring->reserved_pos + bytes + spare - ring->consumed_pos > ring->bytes)
		return -EAGAIN;
	*ret = (struct tm_reservation){
		.ring = ring,
		.pos = ring->reserved_pos,
		.seq = ++ring->seq,
		.bytes = bytes,
	};
	*complete_units_at(ring, ret->pos) = 0;
	ring->reserved_pos += bytes;
	return 0;
}

static int reserve_any(struct tm_ring *ring, u32 payload_bytes, struct tm_reservation *ret)
{
	unsigned long flags;
	int r;

	raw_spin_lock_irqsave(&ring->lock, flags);
	r = reserve_locked(ring, payload_bytes, 0, ret);
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	return r;
}

int tm_ring_reserve(struct tm_ring *ring, u32 payload_bytes, struct tm_reservation *ret)
{
	unsigned long flags;
	int r = -ESHUTDOWN;

	raw_spin_lock_irqsave(&ring->lock, flags);
	if (ring->stream_is_open)
		r = reserve_locked(ring, payload_bytes, SPARE_BYTES, ret);
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	return r;
}

static void publish(const struct tm_reservation *done)
{
	struct tm_ring *ring = done->ring;
	unsigned long flags;
	u16 units;

	raw_spin_lock_irqsave(&ring->lock, flags);
	*complete_units_at(ring, done->pos) = done->bytes / TIDEMARK_RECORD_ALIGN;
	while (ring->published_pos != ring->reserved_pos &&
	       (units = *complete_units_at(ring, ring->published_pos)))
		ring->published_pos += units * TIDEMARK_RECORD_ALIGN;
	/* Partner: the consumer's acquiring load. */
	smp_store_release(&ring->producer->producer_pos, ring->published_pos);
	raw_spin_unlock_irqrestore(&ring->lock, flags);
}

void tm_ring_publish(const struct tm_reservation *done)
{
	publish(done);
	tm_ring_wake(done->ring);
}

void *tm_ring_fill(const struct tm_reservation *at, const struct tm_record *record)
{
	struct tm_ring *ring = at->ring;
	struct tidemark_record *header = ring->data + (at->pos & (ring->bytes - 1));

	*header = (struct tidemark_record){
		.record_bytes = at->bytes,
		.type = record->type,
		.seq = at->seq,
		.epoch = record->epoch,
		.time_ns = ktime_get_real_ns(),
		.chunk = record->chunk,
		.sector = record->sector,
		.nr_sectors = record->nr_sectors,
		.payload_bytes = record->payload_bytes,
		.flags = record->flags,
	};
	if (record->payload)
		memcpy(header + 1, record->payload, record->payload_bytes);
	return header + 1;
}

int tm_ring_append_now(struct tm_ring *ring, const struct tm_record *record)
{
	struct tm_reservation at;
	int r = reserve_any(ring, record->payload_bytes, &at);

	if (r)
		return r;
	tm_ring_fill(&at, record);
	publish(&at);
	return 0;
}

int tm_ring_append(struct tm_ring *ring, const struct tm_record *record, ktime_t deadline,
		   bool (*keep_waiting)(void *context), void *context)
{
	int r;

	while ((r = tm_ring_append_now(ring, record)) == -EAGAIN) {
		if (!keep_waiting(context))
			return -ECANCELED;
		if (ktime_after(ktime_get(), deadline))
			return -ETIMEDOUT;
		usleep_range(200, 1000);
	}
	if (!r)
		tm_ring_wake(ring);
	return r;
}

void tm_ring_set_stream(struct tm_ring *ring, u32 stream_state, u32 behind_reason)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ring->lock, flags);
	ring->stream_is_open = stream_state == TIDEMARK_STREAM_ON;
	WRITE_ONCE(ring->producer->stream_last_seq, ring->seq);
	WRITE_ONCE(ring->producer->behind_reason, behind_reason);
	/* Partner: the consumer's acquiring load; the others belong to the state. */
	smp_store_release(&ring->producer->stream_state, stream_state);
	raw_spin_unlock_irqrestore(&ring->lock, flags);
}

void tm_ring_show_cut(struct tm_ring *ring, u32 cut_state, u32 lost_reason)
{
	WRITE_ONCE(ring->producer->lost_reason, lost_reason);
	/* Partner: the consumer's acquiring load; the reason belongs to the state. */
	smp_store_release(&ring->producer->cut_state, cut_state);
}

void tm_ring_wake(struct tm_ring *ring)
{
	if (wq_has_sleeper(&ring->readers))
		wake_up_interruptible(&ring->readers);
}

static int map_pages(struct vm_area_struct *vma, struct page **pages, unsigned long nr_pages)
{
	unsigned long i;
	int r;

	if (vma_pages(vma) != nr_pages)
		return -EINVAL;
	for (i = 0; i < nr_pages; i++) {
		r = vm_insert_page(vma, vma->vm_start + (i << PAGE_SHIFT), pages[i]);
		if (r)
			return r;
	}
	return 0;
}

int tm_ring_mmap(struct tm_ring *ring, struct vm_area_struct *vma)
{
	struct page *consumer = virt_to_page(ring->consumer);
	struct page *producer = virt_to_page(ring->producer);

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY);
	if (vma->vm_pgoff == 0)
		return map_pages(vma, &consumer, 1);
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	vm_flags_clear(vma, VM_MAYWRITE);
	if (vma->vm_pgoff == 1)
		return map_pages(vma, &producer, 1);
	if (vma->vm_pgoff == 2)
		return map_pages(vma, ring->pages, 2 * ring->nr_pages);
	return -EINVAL;
}

__poll_t tm_ring_poll(struct tm_ring *ring, struct file *file, struct poll_table_struct *wait)
{
	unsigned long flags;
	__poll_t events = 0;

	poll_wait(file, &ring->readers, wait);
	raw_spin_lock_irqsave(&ring->lock, flags);
	if (!look_at_consumer_locked(ring) && ring->consumed_pos != ring->published_pos)
		events |= EPOLLIN | EPOLLRDNORM;
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	/* User space cannot write the producer page: what stands there is ours. */
	if (READ_ONCE(ring->producer->cut_state) == TIDEMARK_CUT_LOST ||
	    READ_ONCE(ring->producer->stream_state) == TIDEMARK_STREAM_BEHIND)
		events |= EPOLLPRI;
	return events;
}
