// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The gendisk, and the way of a request:
 *
 *   queue_rq --> batch --> window --> delay --> execute, complete
 *
 *   batch    requests wait for the last one of a plug, or for commit_rqs
 *   window   requests wait until there are enough to shuffle, or for a millisecond
 *   delay    each waits for a timer of its own
 *
 * What is not asked for is skipped; where nothing looks at requests at all (a null
 * disk without delay, window, rules and log) they complete in queue_rq: the floor.
 * On a poll queue a request waits for poll and takes effect there.
 */
#include "tm-disk.h"

#include <linux/blkdev.h>
#include <linux/module.h>

#define NR_MINORS  16
#define WINDOW_NS  NSEC_PER_MSEC
#define CACHED_MAX (16u << (20 - SECTOR_SHIFT)) /* of one discard: memory for versions */

/* One for each hardware queue. */
struct td_queue {
	struct td_disk *disk;
	spinlock_t lock;
	struct list_head waiting; /* lock: a batch, or what is to be polled */
};

static int major;

static void finish(struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);

	command->status = td_store_execute(rq->q->queuedata, rq);
	blk_mq_complete_request(rq);
}

static enum hrtimer_restart delay_is_over(struct hrtimer *timer)
{
	struct td_command *command = container_of(timer, struct td_command, timer);

	finish(blk_mq_rq_from_pdu(command));
	return HRTIMER_NORESTART;
}

static void delay(struct td_disk *disk, struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);
	u32 delay_us = READ_ONCE(disk->options.delay_us);

	if (delay_us)
		hrtimer_start(&command->timer, ns_to_ktime((u64)delay_us * NSEC_PER_USEC),
			      HRTIMER_MODE_REL_SOFT);
	else
		finish(rq);
}

/* ----------------------------------------------------------------------------- window */

static struct td_command *nth_command(struct list_head *list, unsigned int n)
{
	struct td_command *command;

	list_for_each_entry(command, list, node)
		if (n-- == 0)
			return command;
	return NULL;
}

static void release_shuffled(struct td_disk *disk, struct list_head *list, unsigned int nr)
{
	struct td_command *command;
	unsigned long flags;
	u64 random;

	for (; nr; nr--) {
		spin_lock_irqsave(&disk->lock, flags);
		random = td_random(&disk->random_state);
		spin_unlock_irqrestore(&disk->lock, flags);
		command = nth_command(list, random % nr);
		list_del(&command->node);
		delay(disk, blk_mq_rq_from_pdu(command));
	}
}

static void take_window_locked(struct td_disk *disk, struct list_head *ret_list,
			       unsigned int *ret_nr)
{
	list_splice_init(&disk->window, ret_list);
	*ret_nr = disk->nr_window;
	disk->nr_window = 0;
}

static enum hrtimer_restart window_is_over(struct hrtimer *timer)
{
	struct td_disk *disk = container_of(timer, struct td_disk, window_timer);
	unsigned long flags;
	unsigned int nr;
	LIST_HEAD(list);

	spin_lock_irqsave(&disk->window_lock, flags);
	take_window_locked(disk, &list, &nr);
	spin_unlock_irqrestore(&disk->window_lock, flags);
	release_shuffled(disk, &list, nr);
	return HRTIMER_NORESTART;
}

static void shuffle(struct td_disk *disk, struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);
	u32 window = READ_ONCE(disk->options.window);
	unsigned int nr = 0;
	unsigned long flags;
	LIST_HEAD(list);

	spin_lock_irqsave(&disk->window_lock, flags);
	list_add_tail(&command->node, &disk->window);
	if (++disk->nr_window >= window)
		take_window_locked(disk, &list, &nr);
	else if (disk->nr_window == 1)
		hrtimer_start(&disk->window_timer, ns_to_ktime(WINDOW_NS), HRTIMER_MODE_REL_SOFT);
	spin_unlock_irqrestore(&disk->window_lock, flags);
	release_shuffled(disk, &list, nr);
}

static void release(struct td_disk *disk, struct request *rq)
{
	if (READ_ONCE(disk->options.window) > 1)
		shuffle(disk, rq);
	else
		delay(disk, rq);
}

/* ------------------------------------------------------------------------------ blk-mq */

static void take_waiting(struct td_queue *queue, struct list_head *ret_list)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	list_splice_init(&queue->waiting, ret_list);
	spin_unlock_irqrestore(&queue->lock, flags);
}

static void wait_in(struct td_queue *queue, struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	list_add_tail(&command->node, &queue->waiting);
	spin_unlock_irqrestore(&queue->lock, flags);
}

static void commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct td_queue *queue = hctx->driver_data;
	struct td_command *command, *next;
	LIST_HEAD(list);

	if (hctx->type == HCTX_TYPE_POLL)
		return;
	take_waiting(queue, &list);
	list_for_each_entry_safe(command, next, &list, node)
		release(queue->disk, blk_mq_rq_from_pdu(command));
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx, const struct blk_mq_queue_data *data)
{
	struct td_queue *queue = hctx->driver_data;
	struct td_disk *disk = queue->disk;
	blk_status_t status;

	if (READ_ONCE(disk->at_once) && hctx->type != HCTX_TYPE_POLL) {
		blk_mq_start_request(data->rq);
		blk_mq_end_request(data->rq, BLK_STS_OK);
		return BLK_STS_OK;
	}
	status = td_store_prepare(disk, data->rq);
	if (status)
		return status;
	blk_mq_start_request(data->rq);
	wait_in(queue, data->rq);
	if (data->last)
		commit_rqs(hctx);
	return BLK_STS_OK;
}

static void complete_rq(struct request *rq)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);

	blk_mq_end_request(rq, command->status);
}

static int poll(TM_POLL_ARGS)
{
	struct td_queue *queue = hctx->driver_data;
	struct td_command *command, *next;
	int nr = 0;
	LIST_HEAD(list);

	take_waiting(queue, &list);
	list_for_each_entry_safe(command, next, &list, node) {
		struct request *rq = blk_mq_rq_from_pdu(command);

		command->status = td_store_execute(queue->disk, rq);
		blk_mq_end_request(rq, command->status);
		nr++;
	}
	return nr;
}

/* Newer kernels warn of queues that no processor could be mapped to. */
static unsigned int mapped(unsigned int nr_queues)
{
	return min(nr_queues, num_possible_cpus());
}

static tm_map_queues_t map_queues(struct blk_mq_tag_set *set)
{
	struct td_disk *disk = set->driver_data;
	struct blk_mq_queue_map *map = set->map;

	map[HCTX_TYPE_DEFAULT].nr_queues = mapped(disk->options.nr_queues);
	map[HCTX_TYPE_DEFAULT].queue_offset = 0;
	blk_mq_map_queues(&map[HCTX_TYPE_DEFAULT]);
	if (disk->options.nr_poll_queues) {
		map[HCTX_TYPE_READ].nr_queues = 0;
		map[HCTX_TYPE_POLL].nr_queues = mapped(disk->options.nr_poll_queues);
		map[HCTX_TYPE_POLL].queue_offset = disk->options.nr_queues;
		blk_mq_map_queues(&map[HCTX_TYPE_POLL]);
	}
	return TM_MAP_QUEUES_DONE;
}

static int init_hctx(struct blk_mq_hw_ctx *hctx, void *data, unsigned int index)
{
	struct td_disk *disk = data;

	hctx->driver_data = &disk->queues[index];
	return 0;
}

static int init_request(struct blk_mq_tag_set *set, struct request *rq, unsigned int index,
			tm_numa_node_t numa_node)
{
	struct td_command *command = blk_mq_rq_to_pdu(rq);

	hrtimer_setup(&command->timer, delay_is_over, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	return 0;
}

static const struct blk_mq_ops queue_ops = {
	.queue_rq = queue_rq,
	.commit_rqs = commit_rqs,
	.complete = complete_rq,
	.map_queues = map_queues,
	.poll = poll,
	.init_hctx = init_hctx,
	.init_request = init_request,
};

static const struct block_device_operations disk_ops = {
	.owner = THIS_MODULE,
};

/* ---------------------------------------------------------------------------- lifetime */

void td_queue_choose_way(struct td_disk *disk)
{
	const struct td_options *o = &disk->options;

	WRITE_ONCE(disk->at_once, !o->memory && !o->delay_us && o->window < 2 && disk->powered &&
					  !disk->gone && !disk->log.data && !td_fault_any(disk));
}

static int init_tag_set(struct td_disk *disk)
{
	struct blk_mq_tag_set *set = &disk->tag_set;

	set->ops = &queue_ops;
	set->nr_maps = disk->options.nr_poll_queues ? HCTX_MAX_TYPES : 1;
	set->nr_hw_queues = disk->options.nr_queues + disk->options.nr_poll_queues;
	set->queue_depth = disk->options.depth;
	set->cmd_size = sizeof(struct td_command);
	set->numa_node = NUMA_NO_NODE;
	set->flags = TM_BLK_MQ_F_SHOULD_MERGE;
	set->driver_data = disk;
	return blk_mq_alloc_tag_set(set);
}

static struct tm_disk_limits limits_of(const struct td_options *o)
{
	return (struct tm_disk_limits){
		.logical_bytes = o->logical_bytes,
		.physical_bytes = o->physical_bytes,
		.max_sectors = o->max_kb * 2,
		.max_zero_sectors = !o->discard ? 0 : o->cache ? CACHED_MAX : UINT_MAX >> 9,
		.cache = o->cache,
		.fua = o->fua,
	};
}

static int create_queues(struct td_disk *disk)
{
	unsigned int i, nr = disk->options.nr_queues + disk->options.nr_poll_queues;

	disk->queues = kcalloc(nr, sizeof(*disk->queues), GFP_KERNEL);
	if (!disk->queues)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		disk->queues[i].disk = disk;
		spin_lock_init(&disk->queues[i].lock);
		INIT_LIST_HEAD(&disk->queues[i].waiting);
	}
	return 0;
}

static int create_gendisk(struct td_disk *disk)
{
	struct tm_disk_limits limits = limits_of(&disk->options);
	struct gendisk *gendisk = tm_disk_alloc(&disk->tag_set, &limits, disk, NR_MINORS);
	int r;

	if (IS_ERR(gendisk))
		return PTR_ERR(gendisk);
	disk->gendisk = gendisk;
	gendisk->major = major;
	gendisk->first_minor = disk->index * NR_MINORS;
	gendisk->minors = NR_MINORS;
	gendisk->fops = &disk_ops;
	gendisk->private_data = disk;
	strscpy(gendisk->disk_name, disk->name, DISK_NAME_LEN);
	set_capacity(gendisk, disk->options.size_bytes >> SECTOR_SHIFT);
	r = tm_disk_add(gendisk);
	if (r)
		tm_disk_put(gendisk);
	return r;
}

int td_queue_create(struct td_disk *disk)
{
	int r;

	spin_lock_init(&disk->window_lock);
	INIT_LIST_HEAD(&disk->window);
	hrtimer_setup(&disk->window_timer, window_is_over, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	td_queue_choose_way(disk);
	r = create_queues(disk);
	if (r)
		return r;
	r = init_tag_set(disk);
	if (r)
		goto out_with_queues;
	r = create_gendisk(disk);
	if (r)
		goto out_with_tag_set;
	return 0;

out_with_tag_set:
	blk_mq_free_tag_set(&disk->tag_set);
out_with_queues:
	kfree(disk->queues);
	return r;
}

/* Whoever has the device open keeps the gendisk; no request comes after del_gendisk(). */
void td_queue_destroy(struct td_disk *disk)
{
	del_gendisk(disk->gendisk);
	tm_disk_put(disk->gendisk);
	hrtimer_cancel(&disk->window_timer);
	blk_mq_free_tag_set(&disk->tag_set);
	kfree(disk->queues);
}

int td_queue_resize(struct td_disk *disk, u64 size_bytes)
{
	set_capacity_and_notify(disk->gendisk, size_bytes >> SECTOR_SHIFT);
	return 0;
}

void td_queue_mark_dead(struct td_disk *disk)
{
	WRITE_ONCE(disk->gone, true);
	td_queue_choose_way(disk);
	blk_mark_disk_dead(disk->gendisk);
}

int td_queue_init(void)
{
	major = register_blkdev(0, "tm-disk");
	return major < 0 ? major : 0;
}

void td_queue_exit(void)
{
	unregister_blkdev(major, "tm-disk");
}
