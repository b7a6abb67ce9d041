// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Requests on their way to a server and back. The states are those of docs/serve.md, whose
 * invariants are cited by number.
 *
 * Bios are ended outside of the locks: an end may submit the next one.
 */
#include "serve.h"

#include <linux/bitmap.h>
#include <linux/device-mapper.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

/* How late a request that is too old may be noticed. */
#define EXPIRY_MS 250

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_SENT, SLOT_EMPTYING };

struct slot {
	enum slot_state state; /* the queue's lock */
	struct bio *bio;       /* not free: whose request it is */
};

struct tm_server {
	struct tm_serve *serve;
	struct tm_serve_queue *queue;
	void *data; /* the slots', mapped by user space as well */
	unsigned int nr_free; /* the queue's lock */
	struct slot slots[];
};

static struct workqueue_struct *expiry_queue; /* of its own: it has to run in reclaim */
static DEFINE_MUTEX(serves_mutex);
static LIST_HEAD(serves); /* serves_mutex */

static void free_serve(struct kref *ref)
{
	kfree(container_of(ref, struct tm_serve, ref));
}

static struct tm_serve_io *io_of(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct tm_serve_io));
}

static void end_all(struct tm_serve *serve, struct bio_list *bios)
{
	struct bio *bio;

	while ((bio = bio_list_pop(bios))) {
		atomic64_inc(&serve->nr_failed);
		bio->bi_status = BLK_STS_IOERR;
		bio_endio(bio);
	}
}

/* ------------------------------------------------------------------------ give up */

/* Invariant 4: to the head of the list, the oldest first. */
static void take_back_locked(struct tm_server *server)
{
	struct tm_serve_queue *queue = server->queue;
	struct bio_list back = BIO_EMPTY_LIST, others = BIO_EMPTY_LIST;
	unsigned int i, nr_tags = server->serve->features.nr_tags;

	lockdep_assert_held(&queue->lock);
	for (;;) {
		struct slot *oldest = NULL;

		for (i = 0; i < nr_tags; i++) {
			struct slot *slot = &server->slots[i];

			if (slot->state == SLOT_SENT &&
			    (!oldest || time_before(io_of(slot->bio)->since,
						    io_of(oldest->bio)->since)))
				oldest = slot;
		}
		if (!oldest)
			break;
		bio_list_add(&back, oldest->bio);
		oldest->bio = NULL;
		oldest->state = SLOT_FREE;
		server->nr_free++;
	}
	others = queue->waiting;
	bio_list_init(&queue->waiting);
	bio_list_merge(&queue->waiting, &back);
	bio_list_merge(&queue->waiting, &others);
}

static void give_up_locked(struct tm_serve_queue *queue)
{
	struct tm_server *server = queue->server;

	lockdep_assert_held(&queue->lock);
	queue->server = NULL;
	take_back_locked(server);
	wake_up_all(&queue->servers);
}

/* ------------------------------------------------------------------------- expiry */

static bool is_too_old(struct tm_serve *serve, struct bio *bio)
{
	return time_after(jiffies, io_of(bio)->since +
				   msecs_to_jiffies(serve->features.timeout_ms));
}

static bool hangs_locked(struct tm_server *server)
{
	unsigned int i;

	for (i = 0; i < server->serve->features.nr_tags; i++)
		if (server->slots[i].state == SLOT_SENT &&
		    is_too_old(server->serve, server->slots[i].bio))
			return true;
	return false;
}

static struct bio_list take_old_locked(struct tm_serve *serve, struct tm_serve_queue *queue)
{
	struct bio_list all = queue->waiting, old = BIO_EMPTY_LIST;
	struct bio *bio;

	bio_list_init(&queue->waiting);
	while ((bio = bio_list_pop(&all)))
		bio_list_add(is_too_old(serve, bio) ? &old : &queue->waiting, bio);
	return old;
}

static void expire_queue(struct tm_serve *serve, struct tm_serve_queue *queue)
{
	struct bio_list old;

	spin_lock_irq(&queue->lock);
	if (queue->server && hangs_locked(queue->server)) {
		pr_warn_ratelimited("tidemark-serve: %s: a server does not answer, it is given up\n",
				    dm_device_name(serve->md));
		give_up_locked(queue);
	}
	old = take_old_locked(serve, queue);
	spin_unlock_irq(&queue->lock);
	end_all(serve, &old);
}

static void expire(struct work_struct *work)
{
	struct tm_serve *serve = container_of(to_delayed_work(work), struct tm_serve, expiry);
	unsigned int i;

	for (i = 0; i < serve->features.nr_queues; i++)
		expire_queue(serve, &serve->queues[i]);
	queue_delayed_work(expiry_queue, &serve->expiry, msecs_to_jiffies(EXPIRY_MS));
}

/* ------------------------------------------------------------------------- device */

struct tm_serve *tm_serve_create(struct mapped_device *md, u64 nr_sectors,
				 const struct tm_serve_features *features)
{
	struct tm_serve *serve;
	unsigned int i;

	serve = kzalloc(struct_size(serve, queues, features->nr_queues), GFP_KERNEL);
	if (!serve)
		return NULL;
	kref_init(&serve->ref);
	serve->md = md;
	serve->nr_sectors = nr_sectors;
	serve->features = *features;
	INIT_DELAYED_WORK(&serve->expiry, expire);
	for (i = 0; i < features->nr_queues; i++) {
		struct tm_serve_queue *queue = &serve->queues[i];

		spin_lock_init(&queue->lock);
		bio_list_init(&queue->waiting);
		init_waitqueue_head(&queue->servers);
	}
	mutex_lock(&serves_mutex);
	list_add(&serve->node, &serves);
	mutex_unlock(&serves_mutex);
	queue_delayed_work(expiry_queue, &serve->expiry, msecs_to_jiffies(EXPIRY_MS));
	return serve;
}

void tm_serve_end(struct tm_serve *serve)
{
	unsigned int i;

	mutex_lock(&serves_mutex);
	list_del(&serve->node);
	mutex_unlock(&serves_mutex);
	cancel_delayed_work_sync(&serve->expiry);
	for (i = 0; i < serve->features.nr_queues; i++) {
		struct tm_serve_queue *queue = &serve->queues[i];

		spin_lock_irq(&queue->lock);
		serve->dead = true;
		queue->server = NULL;
		wake_up_all(&queue->servers);
		spin_unlock_irq(&queue->lock);
	}
	kref_put(&serve->ref, free_serve);
}

/* Of two tables of a device the one that was resumed last is the live one. */
void tm_serve_go_live(struct tm_serve *serve)
{
	struct tm_serve *other;

	mutex_lock(&serves_mutex);
	list_for_each_entry(other, &serves, node)
		if (other->md == serve->md)
			other->live = false;
	serve->live = true;
	mutex_unlock(&serves_mutex);
}

void tm_serve_submit(struct tm_serve *serve, struct bio *bio)
{
	struct tm_serve_queue *queue =
		&serve->queues[raw_smp_processor_id() % serve->features.nr_queues];
	struct bio_list refused = BIO_EMPTY_LIST;
	unsigned long flags;

	io_of(bio)->since = jiffies;
	spin_lock_irqsave(&queue->lock, flags);
	if (serve->fails && !queue->server)
		bio_list_add(&refused, bio);
	else
		bio_list_add(&queue->waiting, bio);
	wake_up(&queue->servers);
	spin_unlock_irqrestore(&queue->lock, flags);
	end_all(serve, &refused);
}

static void fail_queue(struct tm_serve *serve, struct tm_serve_queue *queue)
{
	struct bio_list waiting;

	spin_lock_irq(&queue->lock);
	serve->fails = true;
	if (queue->server)
		give_up_locked(queue);
	waiting = queue->waiting;
	bio_list_init(&queue->waiting);
	spin_unlock_irq(&queue->lock);
	end_all(serve, &waiting);
}

void tm_serve_fail(struct tm_serve *serve)
{
	unsigned int i;

	for (i = 0; i < serve->features.nr_queues; i++)
		fail_queue(serve, &serve->queues[i]);
}

void tm_serve_count(struct tm_serve *serve, struct tm_serve_counts *ret_counts)
{
	unsigned int i;

	*ret_counts = (struct tm_serve_counts){ .served = true };
	for (i = 0; i < serve->features.nr_queues; i++) {
		struct tm_serve_queue *queue = &serve->queues[i];

		spin_lock_irq(&queue->lock);
		ret_counts->nr_waiting += bio_list_size(&queue->waiting);
		if (queue->server)
			ret_counts->nr_sent += serve->features.nr_tags - queue->server->nr_free;
		else
			ret_counts->served = false;
		spin_unlock_irq(&queue->lock);
	}
}

/* ------------------------------------------------------------------------- server */

static struct tm_serve *get_serve(dev_t mapped)
{
	struct tm_serve *serve, *found = ERR_PTR(-ENXIO);

	mutex_lock(&serves_mutex);
	list_for_each_entry(serve, &serves, node) {
		if (!serve->live || disk_devt(dm_disk(serve->md)) != mapped)
			continue;
		kref_get(&serve->ref);
		found = serve;
		break;
	}
	mutex_unlock(&serves_mutex);
	return found;
}

static int take_queue(struct tm_server *server)
{
	struct tm_serve_queue *queue = server->queue;
	int r = 0;

	spin_lock_irq(&queue->lock);
	if (server->serve->dead)
		r = -ENXIO;
	else if (queue->server)
		r = -EBUSY;
	else
		queue->server = server;
	if (!r)
		server->serve->fails = false;
	spin_unlock_irq(&queue->lock);
	return r;
}

static struct tm_server *create_server(struct tm_serve *serve, unsigned int queue)
{
	const struct tm_serve_features *f = &serve->features;
	struct tm_server *server;

	if (queue >= f->nr_queues)
		return ERR_PTR(-EINVAL);
	server = kvzalloc(struct_size(server, slots, f->nr_tags), GFP_KERNEL);
	if (!server)
		return ERR_PTR(-ENOMEM);
	server->serve = serve;
	server->queue = &serve->queues[queue];
	server->nr_free = f->nr_tags;
	server->data = vmalloc_user((unsigned long)f->nr_tags * f->slot_sectors << SECTOR_SHIFT);
	if (server->data)
		return server;
	kvfree(server);
	return ERR_PTR(-ENOMEM);
}

static void free_server(struct tm_server *server)
{
	vfree(server->data);
	kvfree(server);
}

struct tm_server *tm_server_create(dev_t mapped, unsigned int queue)
{
	struct tm_serve *serve = get_serve(mapped);
	struct tm_server *server;
	int r;

	if (IS_ERR(serve))
		return ERR_CAST(serve);
	server = create_server(serve, queue);
	if (!IS_ERR(server)) {
		r = take_queue(server);
		if (!r) {
			atomic64_inc(&serve->nr_servers);
			return server;
		}
		free_server(server);
		server = ERR_PTR(r);
	}
	kref_put(&serve->ref, free_serve);
	return server;
}

/* No turn is under way: the file is closed. */
void tm_server_destroy(struct tm_server *server)
{
	struct tm_serve *serve = server->serve;
	struct tm_serve_queue *queue = server->queue;

	spin_lock_irq(&queue->lock);
	if (queue->server == server)
		give_up_locked(queue);
	spin_unlock_irq(&queue->lock);
	free_server(server);
	kref_put(&serve->ref, free_serve);
}

const struct tm_serve *tm_server_device(const struct tm_server *server)
{
	return server->serve;
}

/* Why it is not bound any more; 0: it is. */
static int state_locked(const struct tm_server *server)
{
	lockdep_assert_held(&server->queue->lock);
	if (server->serve->dead)
		return -ENODEV;
	return server->queue->server == server ? 0 : -ESTALE;
}

/* ------------------------------------------------------------------------- answer */

static void *slot_data(const struct tm_server *server, unsigned int tag)
{
	return server->data + ((size_t)tag * server->serve->features.slot_sectors << SECTOR_SHIFT);
}

/* Pages of one vector are neighbours, and all memory is mapped. */
static void copy_bio(struct bio *bio, void *data, bool to_bio)
{
	struct bvec_iter iter;
	struct bio_vec vec;

	__bio_for_each_bvec(vec, bio, iter, bio->bi_iter) {
		void *page = page_address(vec.bv_page) + vec.bv_offset;

		if (to_bio)
			memcpy(page, data, vec.bv_len);
		else
			memcpy(data, page, vec.bv_len);
		data += vec.bv_len;
	}
}

static blk_status_t status_of(int error)
{
	if (error > 0 || error < -MAX_ERRNO)
		return BLK_STS_IOERR;
	return errno_to_blk_status(error);
}

/* Invariant 3. The bio is the caller's from then on. */
static int claim_answered(struct tm_server *server, unsigned int tag)
{
	struct slot *slot;
	int r;

	if (tag >= server->serve->features.nr_tags)
		return -EINVAL;
	slot = &server->slots[tag];
	spin_lock_irq(&server->queue->lock);
	r = state_locked(server);
	if (!r && slot->state != SLOT_SENT)
		r = -EINVAL;
	if (!r)
		slot->state = SLOT_EMPTYING;
	spin_unlock_irq(&server->queue->lock);
	return r;
}

static void free_slot(struct tm_server *server, struct slot *slot)
{
	struct tm_serve_queue *queue = server->queue;

	spin_lock_irq(&queue->lock);
	slot->bio = NULL;
	slot->state = SLOT_FREE;
	server->nr_free++;
	wake_up(&queue->servers); /* a thread may wait for a tag */
	spin_unlock_irq(&queue->lock);
}

int tm_server_answer(struct tm_server *server, const struct tidemark_serve_answer *answer)
{
	struct slot *slot;
	struct bio *bio;
	int r = claim_answered(server, answer->tag);

	if (r)
		return r;
	slot = &server->slots[answer->tag];
	bio = slot->bio;
	if (!answer->error && bio_op(bio) == REQ_OP_READ)
		copy_bio(bio, slot_data(server, answer->tag), true);
	bio->bi_status = status_of(answer->error);
	free_slot(server, slot);
	atomic64_inc(&server->serve->nr_answered);
	bio_endio(bio);
	return 0;
}

/* ------------------------------------------------------------------------ receive */

static bool has_news_locked(const struct tm_server *server)
{
	return state_locked(server) ||
	       (!bio_list_empty(&server->queue->waiting) && server->nr_free);
}

static bool has_news(struct tm_server *server)
{
	bool news;

	spin_lock_irq(&server->queue->lock);
	news = has_news_locked(server);
	spin_unlock_irq(&server->queue->lock);
	return news;
}

/* A free tag for the oldest request: its number, -EAGAIN, or why it is not bound. */
static int take_request(struct tm_server *server)
{
	struct tm_serve_queue *queue = server->queue;
	int tag = 0, r;

	spin_lock_irq(&queue->lock);
	r = state_locked(server);
	if (!r && !has_news_locked(server))
		r = -EAGAIN;
	if (!r) {
		while (server->slots[tag].state != SLOT_FREE)
			tag++;
		server->slots[tag].state = SLOT_FILLING;
		server->slots[tag].bio = bio_list_pop(&queue->waiting);
		server->nr_free--;
	}
	spin_unlock_irq(&queue->lock);
	return r ? r : tag;
}

static u32 op_of(const struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return TIDEMARK_SERVE_READ;
	case REQ_OP_DISCARD:
		return TIDEMARK_SERVE_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return TIDEMARK_SERVE_ZEROES;
	default:
		return bio_sectors(bio) ? TIDEMARK_SERVE_WRITE : TIDEMARK_SERVE_FLUSH;
	}
}

static void fill(struct tm_server *server, unsigned int tag,
		 struct tidemark_serve_request *ret_request)
{
	struct bio *bio = server->slots[tag].bio;

	*ret_request = (struct tidemark_serve_request){ .tag = tag, .op = op_of(bio) };
	if (bio->bi_opf & REQ_FUA)
		ret_request->flags = TIDEMARK_SERVE_FUA;
	if (ret_request->op == TIDEMARK_SERVE_FLUSH)
		return;
	ret_request->offset = bio->bi_iter.bi_sector << SECTOR_SHIFT;
	ret_request->bytes = bio->bi_iter.bi_size;
	if (ret_request->op == TIDEMARK_SERVE_WRITE)
		copy_bio(bio, slot_data(server, tag), false);
}

/* It may have been given up, or the device failed, while the slot was filled. */
static int send(struct tm_server *server, unsigned int tag)
{
	struct tm_serve_queue *queue = server->queue;
	struct slot *slot = &server->slots[tag];
	int r;

	spin_lock_irq(&queue->lock);
	r = state_locked(server);
	if (!r) {
		slot->state = SLOT_SENT;
	} else {
		bio_list_add_head(&queue->waiting, slot->bio);
		slot->bio = NULL;
		slot->state = SLOT_FREE;
		server->nr_free++;
		wake_up(&queue->servers);
	}
	spin_unlock_irq(&queue->lock);
	return r;
}

static int receive_one(struct tm_server *server, struct tidemark_serve_request *ret_request)
{
	int tag = take_request(server);

	if (tag < 0)
		return tag;
	fill(server, tag, ret_request);
	return send(server, tag);
}

int tm_server_receive(struct tm_server *server, struct tidemark_serve_request *ret_requests,
		      unsigned int nr_max, unsigned int wait_ms)
{
	unsigned int nr = 0;
	long left = msecs_to_jiffies(wait_ms);
	int r = -EAGAIN;

	if (!nr_max)
		return 0;
	do {
		while (nr < nr_max) {
			r = receive_one(server, &ret_requests[nr]);
			if (r)
				break;
			nr++;
		}
		if (nr || (r && r != -EAGAIN))
			break;
		left = wait_event_interruptible_timeout(server->queue->servers, has_news(server),
							left);
	} while (left > 0);
	if (nr)
		return nr;
	if (left < 0)
		return -EINTR;
	return r == -EAGAIN ? 0 : r;
}

int tm_server_mmap(struct tm_server *server, struct vm_area_struct *vma)
{
	return remap_vmalloc_range(vma, server->data, vma->vm_pgoff);
}

bool tm_server_has_news(struct tm_server *server, struct file *file,
			struct poll_table_struct *wait)
{
	poll_wait(file, &server->queue->servers, wait);
	return has_news(server);
}

int tm_serve_init(void)
{
	expiry_queue = alloc_workqueue("tidemark-serve", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return expiry_queue ? 0 : -ENOMEM;
}

void tm_serve_exit(void)
{
	destroy_workqueue(expiry_queue);
}
