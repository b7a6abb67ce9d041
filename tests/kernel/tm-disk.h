/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The test disk's parts and what they say to each other. tm-disk-main.c tells what
 * it does and how it is told to.
 */
#ifndef TM_DISK_H
#define TM_DISK_H

#include <linux/blk-mq.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "tm-disk-record.h"

#define TD_RULES_MAX 8

struct dentry;

struct td_options {
	u64 size_bytes;
	u32 logical_bytes, physical_bytes;
	u32 nr_queues, nr_poll_queues, depth;
	u32 max_kb;
	bool memory; /* else null */
	bool cache, fua, discard;
	u64 log_bytes;
	bool log_payload;
	u32 delay_us;
	u32 window; /* requests shuffled at a time; below 2: none */
	u64 seed;
};

struct td_rule {
	u32 ops; /* bits by REQ_OP_*; 0: the rule is free */
	sector_t first_sector, last_sector;
	u64 count; /* how often still */
	u32 ppm;
	int error;
};

struct td_counters {
	u64 reads, writes, flushes, discards, write_zeroes, secure_erases;
	u64 fua, polled, failed;
	u64 kept, older, dropped; /* blocks, by power cuts */
};

struct td_log {
	u8 *data; /* NULL: none; vmalloc */
	u64 size_bytes, used_bytes;
	u64 seq, nr_dropped;
	struct td_record *open; /* the record being written */
	bool payload;
};

/* Set in create, then constant, where nothing else is said. */
struct td_disk {
	struct list_head node; /* disks_mutex */
	char name[DISK_NAME_LEN];
	unsigned int index; /* of its minors */
	struct td_options options;
	struct gendisk *gendisk;
	struct blk_mq_tag_set tag_set;
	struct td_queue *queues;
	struct dentry *dir;
	bool at_once; /* no part but the queue looks at requests; written by commands */
	bool gone;    /* surprise removal */

	/* Requests that wait to be shuffled. */
	spinlock_t window_lock;
	struct list_head window;
	unsigned int nr_window;
	struct hrtimer window_timer;

	spinlock_t lock; /* all below; interrupts off */
	bool powered;
	u64 random_state;
	struct td_rule rules[TD_RULES_MAX];
	struct td_counters counters;
	struct td_log log;
	struct xarray pages;    /* durable content by PAGE_SIZE, absent: zero */
	struct xarray blocks;   /* struct td_block by physical block, only with a cache */
	struct list_head dirty; /* blocks with content that was not flushed */
	unsigned int nr_prepared; /* writes that count on their pages being there */
	unsigned int block_shift; /* constant */
};

/* What rides on a request. */
struct td_command {
	struct list_head node;     /* window, or a queue's list */
	struct list_head versions; /* taken in prepare, for execute */
	struct hrtimer timer;
	blk_status_t status;
	bool counted; /* in nr_prepared */
};

/* splitmix64 */
static inline u64 td_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* tm-disk-queue.c: the gendisk and its queues. May sleep. */
int td_queue_init(void);
void td_queue_exit(void);
int td_queue_create(struct td_disk *disk);
void td_queue_destroy(struct td_disk *disk);
int td_queue_resize(struct td_disk *disk, u64 size_bytes);
/* The device is unplugged: what is under way fails, and so does what comes. */
void td_queue_mark_dead(struct td_disk *disk);
/* After each change of options, rules, power. */
void td_queue_choose_way(struct td_disk *disk);

/* tm-disk-store.c */
void td_store_init(struct td_disk *disk);
void td_store_destroy(struct td_disk *disk);
/* Takes what execute will need. Any context. BLK_STS_RESOURCE: try again later. */
blk_status_t td_store_prepare(struct td_disk *disk, struct request *rq);
/* Does what the request asks. Any context. */
blk_status_t td_store_execute(struct td_disk *disk, struct request *rq);
void td_store_power_cut(struct td_disk *disk, u64 seed);
void td_store_power_on(struct td_disk *disk);

/* tm-disk-fault.c */
int td_fault_add(struct td_disk *disk, const struct td_rule *rule);
void td_fault_clear(struct td_disk *disk);
bool td_fault_any(const struct td_disk *disk);
blk_status_t td_fault_check_locked(struct td_disk *disk, struct request *rq);

/* tm-disk-log.c: payload goes between begin and end, in pieces. */
int td_log_create(struct td_log *log, u64 size_bytes, bool payload);
void td_log_destroy(struct td_log *log);
void td_log_begin_locked(struct td_log *log, const struct td_record *record);
void td_log_payload_locked(struct td_log *log, const void *data, unsigned int bytes);
void td_log_end_locked(struct td_log *log, bool failed);
void td_log_note_locked(struct td_log *log, enum td_op op, sector_t sector);
void td_log_clear_locked(struct td_log *log);

#endif
