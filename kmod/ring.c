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
 * position is the only thing read from it: when the room is needed, and checked. One
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
#include <linux/vmalloc.h>

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
	ring->time_jiffies = jiffies - 1;
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

static bool all_is_published(struct tm_ring *ring)
{
	unsigned long flags;
	bool all;

	raw_spin_lock_irqsave(&ring->lock, flags);
	all = ring->published_pos == ring->reserved_pos;
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	return all;
}

void tm_ring_destroy(struct tm_ring *ring)
{
	while (!all_is_published(ring))
		usleep_range(100, 1000);
	/* For who published last, up to its last look at the ring: tm_ring_publish(). */
	synchronize_rcu();
	vunmap(ring->data);
	kvfree(ring->complete_units);
	free_pages_of(ring);
	free_page((unsigned long)ring->producer);
	free_page((unsigned long)ring->consumer);
	kfree(ring);
}

u64 tm_ring_room(struct tm_ring *ring)
{
	unsigned long flags;
	u64 room;

	raw_spin_lock_irqsave(&ring->lock, flags);
	tm_ring_look_at_consumer_locked(ring);
	room = ring->bytes - (ring->reserved_pos - ring->consumed_pos);
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	return room;
}

u64 tm_ring_last_seq(struct tm_ring *ring)
{
	unsigned long flags;
	u64 seq;

	raw_spin_lock_irqsave(&ring->lock, flags);
	seq = ring->seq;
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	return seq;
}

u32 tm_ring_part_bytes(const struct tm_ring *ring)
{
	return min_t(u32, ring->bytes / 4, SZ_1M);
}

static s64 reserve(struct tm_ring *ring, u32 payload_bytes)
{
	unsigned long flags;
	s64 pos;

	raw_spin_lock_irqsave(&ring->lock, flags);
	pos = tm_ring_look_at_consumer_locked(ring);
	if (!pos)
		pos = tm_ring_reserve_locked(ring, payload_bytes, 0);
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	return pos;
}

/* What was published out of turn follows. */
void tm_ring_catch_up_locked(struct tm_ring *ring)
{
	u16 units;

	while (ring->published_pos != ring->reserved_pos &&
	       (units = *tm_ring_units_at(ring, ring->published_pos))) {
		*tm_ring_units_at(ring, ring->published_pos) = 0;
		ring->published_pos += units * TIDEMARK_RECORD_ALIGN;
	}
}

int tm_ring_append_now(struct tm_ring *ring, const struct tm_record *record)
{
	s64 pos = reserve(ring, record->payload_bytes);
	struct tidemark_record *header;

	if (pos < 0)
		return pos;
	header = tm_ring_record_at(ring, pos);
	header->type = record->type;
	header->flags = record->flags;
	header->epoch = record->epoch;
	header->chunk = record->chunk;
	header->sector = record->sector;
	header->nr_sectors = record->nr_sectors;
	if (record->payload_bytes)
		memcpy(header + 1, record->payload, record->payload_bytes);
	tm_ring_publish(ring, pos, tm_ring_record_bytes(record->payload_bytes), false);
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
	if (!tm_ring_look_at_consumer_locked(ring) && ring->consumed_pos != ring->published_pos)
		events |= EPOLLIN | EPOLLRDNORM;
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	/* User space cannot write the producer page: what stands there is ours. */
	if (READ_ONCE(ring->producer->cut_state) == TIDEMARK_CUT_LOST ||
	    READ_ONCE(ring->producer->stream_state) == TIDEMARK_STREAM_BEHIND)
		events |= EPOLLPRI;
	return events;
}
