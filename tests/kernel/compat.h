/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * kmod/compat.h's counterpart for the modules of tests: the newest kernel's names on
 * older ones, and no test of the kernel's version elsewhere.
 */
#ifndef TM_TEST_COMPAT_H
#define TM_TEST_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/hrtimer.h>
#include <linux/version.h>

/* 6.13, "hrtimers: Introduce hrtimer_setup() to replace hrtimer_init()" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* 6.14, "block: remove BLK_MQ_F_SHOULD_MERGE" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define TM_BLK_MQ_F_SHOULD_MERGE BLK_MQ_F_SHOULD_MERGE
#else
#define TM_BLK_MQ_F_SHOULD_MERGE 0
#endif

/* 6.1, "blk-mq: make .map_queues return void" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
typedef int tm_map_queues_t;
#define TM_MAP_QUEUES_DONE 0
#else
typedef void tm_map_queues_t;
#define TM_MAP_QUEUES_DONE
#endif

/* 7.0: nodes are signed in blk_mq_ops.init_request. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
typedef unsigned int tm_numa_node_t;
#else
typedef int tm_numa_node_t;
#endif

/* A disk's queue limits, named alike on all kernels. */
struct tm_disk_limits {
	unsigned int logical_bytes, physical_bytes;
	unsigned int max_sectors;
	unsigned int max_zero_sectors; /* of a discard, erase, write-zeroes; 0: none of them */
	bool cache, fua;
};

/* 6.11, "block: move cache control settings out of queue->flags" */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static inline struct gendisk *tm_disk_alloc(struct blk_mq_tag_set *set,
					    const struct tm_disk_limits *limits, void *queuedata,
					    int minors)
{
	struct queue_limits lim = {
		.logical_block_size = limits->logical_bytes,
		.physical_block_size = limits->physical_bytes,
		.max_hw_sectors = limits->max_sectors,
		.max_hw_discard_sectors = limits->max_zero_sectors,
		.max_secure_erase_sectors = limits->max_zero_sectors,
		.max_write_zeroes_sectors = limits->max_zero_sectors,
		.discard_granularity = limits->physical_bytes,
		.features = (limits->cache ? BLK_FEAT_WRITE_CACHE : 0) |
			    (limits->fua ? BLK_FEAT_FUA : 0),
	};

	return blk_mq_alloc_disk(set, &lim, queuedata);
}
#else
static inline void tm_set_limits(struct request_queue *q, const struct tm_disk_limits *limits)
{
	blk_queue_logical_block_size(q, limits->logical_bytes);
	blk_queue_physical_block_size(q, limits->physical_bytes);
	blk_queue_max_hw_sectors(q, limits->max_sectors);
	blk_queue_max_discard_sectors(q, limits->max_zero_sectors);
	blk_queue_max_write_zeroes_sectors(q, limits->max_zero_sectors);
	q->limits.discard_granularity = limits->physical_bytes;
	blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
	blk_queue_flag_clear(QUEUE_FLAG_ADD_RANDOM, q);
	blk_queue_write_cache(q, limits->cache, limits->fua);
/* 5.19, "block: remove QUEUE_FLAG_DISCARD", "decouple REQ_OP_SECURE_ERASE" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
	if (limits->max_zero_sectors) {
		blk_queue_flag_set(QUEUE_FLAG_DISCARD, q);
		blk_queue_flag_set(QUEUE_FLAG_SECERASE, q);
	}
#else
	blk_queue_max_secure_erase_sectors(q, limits->max_zero_sectors);
#endif
}

/* 5.15, "block: add a blk_mq_alloc_disk"; 6.9 lets it take limits. */
static inline struct gendisk *tm_disk_alloc(struct blk_mq_tag_set *set,
					    const struct tm_disk_limits *limits, void *queuedata,
					    int minors)
{
	struct gendisk *gendisk;
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 15, 0)
	struct request_queue *q = blk_mq_init_queue(set);

	if (IS_ERR(q))
		return ERR_CAST(q);
	q->queuedata = queuedata;
	gendisk = alloc_disk(minors);
	if (!gendisk) {
		blk_cleanup_queue(q);
		return ERR_PTR(-ENOMEM);
	}
	gendisk->queue = q;
#else
	gendisk = blk_mq_alloc_disk(set, queuedata);
	if (IS_ERR(gendisk))
		return gendisk;
#endif
	tm_set_limits(gendisk->queue, limits);
	return gendisk;
}
#endif

/* 5.15, "block: add error handling for device_add_disk / add_disk" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 15, 0)
static inline int tm_disk_add(struct gendisk *gendisk)
{
	add_disk(gendisk);
	return 0;
}
#else
#define tm_disk_add(gendisk) add_disk(gendisk)
#endif

/* 6.0, "block: remove blk_cleanup_disk": the queue goes with the disk. */
static inline void tm_disk_put(struct gendisk *gendisk)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)
	blk_cleanup_queue(gendisk->queue);
#endif
	put_disk(gendisk);
}

/* 5.18, "block: fix surprise removal for drivers calling blk_set_queue_dying" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
#define blk_mark_disk_dead(disk) blk_set_queue_dying((disk)->queue)
#endif

/* 5.16, "block: add support for blk_mq_end_request_batch()": poll got an argument. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
#define TM_POLL_ARGS struct blk_mq_hw_ctx *hctx
#else
#define TM_POLL_ARGS struct blk_mq_hw_ctx *hctx, struct io_comp_batch *batch
#endif

/* 5.18, "block: remove REQ_OP_WRITE_SAME support" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
static inline int tm_write_same(const char *node, sector_t sector, sector_t nr_sectors,
				struct page *block)
{
	struct block_device *bdev = blkdev_get_by_path(node, FMODE_READ | FMODE_WRITE, NULL);
	int r;

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	r = blkdev_issue_write_same(bdev, sector, nr_sectors, GFP_KERNEL, block);
	blkdev_put(bdev, FMODE_READ | FMODE_WRITE);
	return r;
}
#else
static inline int tm_write_same(const char *node, sector_t sector, sector_t nr_sectors,
				struct page *block)
{
	return -EOPNOTSUPP;
}
#endif

#endif /* TM_TEST_COMPAT_H */
