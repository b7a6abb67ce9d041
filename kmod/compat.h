/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Gives older kernels the newest kernel's names. Force-included, and the only
 * file with a test of the kernel's version. Each block names the upstream change
 * and the first version that has it; the newest comes first. Built and tested are
 * 5.10, 6.1, 6.12 and 7.2: what came and went in between is not handled.
 *
 * Where the old kernel has nothing that could bear the new name, both ways stand
 * here under a name of ours (tm_bio_*).
 */
#ifndef TM_COMPAT_H
#define TM_COMPAT_H

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/version.h>
#include <trace/events/block.h>

/* 6.17, "workqueue: add new WQ_PERCPU flag": until then it is what a queue is without WQ_UNBOUND. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define WQ_PERCPU 0
#endif

/* 6.14, "block: force noio scope in blk_mq_freeze_queue" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define blk_mq_freeze_queue(queue)           (blk_mq_freeze_queue(queue), 0)
#define blk_mq_unfreeze_queue(queue, memory) ((void)(memory), blk_mq_unfreeze_queue(queue))
#endif

/* 6.9, "bdev: open block device as files". Until then the opaque pointer is the device. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define BLK_OPEN_READ FMODE_READ
#define bdev_file_open_by_dev(dev, mode, holder, ops) \
	((struct file *)blkdev_get_by_dev(dev, mode, holder))
#define file_bdev(file) ((struct block_device *)(file))
#define bdev_fput(file) blkdev_put(file_bdev(file), FMODE_READ)
#endif

/*
 * 6.8, "fs: rename freeze_bdev() and thaw_bdev()"; 5.11, "fs: simplify freeze_bdev/
 * thaw_bdev". Until then the caller keeps the super block, which stays what it is
 * for as long as it is frozen.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
static inline int bdev_freeze(struct block_device *bdev)
{
	return PTR_ERR_OR_ZERO(freeze_bdev(bdev));
}

static inline int bdev_thaw(struct block_device *bdev)
{
	struct super_block *sb = get_super(bdev);

	if (sb)
		drop_super(sb);
	return thaw_bdev(bdev, sb);
}
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define bdev_freeze freeze_bdev
#define bdev_thaw   thaw_bdev
#endif

/*
 * 6.9, "block: use queue_limits_commit_update in queue_discard_max_store": what a driver can
 * do has a name of its own, and max_discard_sectors is what is left of it.
 */
static inline void tm_limits_allow_discard(struct queue_limits *limits, bool discard)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	limits->max_user_discard_sectors = UINT_MAX;
#endif
	limits->max_hw_discard_sectors = discard ? UINT_MAX >> SECTOR_SHIFT : 0;
	limits->max_discard_sectors = limits->max_hw_discard_sectors;
	limits->discard_granularity = discard ? PAGE_SIZE : 0;
}

/* 6.3, "mm: introduce vma->vm_flags wrapper functions" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define vm_flags_set(vma, flags)   ((vma)->vm_flags |= (flags))
#define vm_flags_clear(vma, flags) ((vma)->vm_flags &= ~(flags))
#endif

/* 6.3, "block: remove ->rw_page": until then some RAM disks take pages past the block layer. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define tm_disk_bypasses_bios(disk) ((disk)->fops->rw_page)
#else
#define tm_disk_bypasses_bios(disk) false
#endif

/*
 * 6.2, "ftrace: abstract access to struct ftrace_regs"; 5.11, "ftrace: have the callbacks
 * receive a struct ftrace_regs instead of pt_regs".
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
#define ftrace_regs pt_regs
#define ftrace_regs_get_argument(regs, n)               regs_get_kernel_argument(regs, n)
#define ftrace_regs_set_instruction_pointer(regs, ip_) ((regs)->ip = (ip_))
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define ftrace_regs_get_argument(fregs, n)               regs_get_kernel_argument(&(fregs)->regs, n)
#define ftrace_regs_set_instruction_pointer(fregs, ip_) ((fregs)->regs.ip = (ip_))
#endif

/*
 * 5.11, "ftrace: remove FTRACE_OPS_FL_RECURSION_SAFE", and the registers above, which
 * are all there without being asked for.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
#define TM_FTRACE_FLAGS (FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION_SAFE)
#else
#define TM_FTRACE_FLAGS 0
#endif

/* 6.2 and stable 6.1, "ftrace: export ftrace_free_filter() to modules" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#define ftrace_free_filter(ops) ftrace_set_filter(ops, NULL, 0, 1)
#endif

/*
 * 5.18, "block: remove REQ_OP_WRITE_SAME support": a write of one block all over its
 * range; advancing its iterator leaves it on that block.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
static inline unsigned int tm_bio_op(const struct bio *bio)
{
	return bio_op(bio) == REQ_OP_WRITE_SAME ? REQ_OP_WRITE : bio_op(bio);
}
#else
#define tm_bio_op(bio) bio_op(bio)
#endif

/* 5.18, "block: pass a block_device and opf to bio_init" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
static inline void tm_bio_init(struct bio *bio, struct block_device *bdev, struct bio_vec *vecs,
			       unsigned short nr_vecs, unsigned int opf)
{
	bio_init(bio, vecs, nr_vecs);
	bio_set_dev(bio, bdev);
	bio->bi_opf = opf;
}
#define bio_init tm_bio_init
#endif

/*
 * 5.16, "block: switch polling to be bio based": until then who polls is told what for by
 * the return of submit_bio_noacct().
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
#define tm_submit_result_t    blk_qc_t
#define TM_SUBMITTED_LATER    BLK_QC_T_NONE
#define bio_clear_polled(bio) ((bio)->bi_opf &= ~REQ_HIPRI)
#else
#define tm_submit_result_t void
#define TM_SUBMITTED_LATER
#endif

/* 5.11, "block: remove the nr_sects field in struct hd_struct"; "block: switch lookup_bdev to dev_t" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
static inline sector_t bdev_nr_sectors(struct block_device *bdev)
{
	return i_size_read(bdev->bd_inode) >> SECTOR_SHIFT;
}

static inline int tm_lookup_bdev(const char *path, dev_t *ret_dev)
{
	struct block_device *bdev = lookup_bdev(path);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	*ret_dev = bdev->bd_dev;
	bdput(bdev);
	return 0;
}
#define lookup_bdev tm_lookup_bdev
#endif

/*
 * 5.12, "block: store a block_device pointer in struct bio"; "block: add a BIO_REMAPPED
 * flag". Until then a bio names a disk and the number of a partition, which is 0 once
 * its sectors are the disk's own.
 *
 * tm_bio_is_remapped(): its sectors are the whole disk's, and the core leaves them alone.
 * tm_bio_remap(): what blk_partition_remap() does.
 * tm_bio_node_sectors(): the size of what its sectors are those of; 0 where that has
 * vanished. Under rcu_read_lock_sched().
 * No call here can be traced, except in tm_bio_remap().
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 12, 0)
static __always_inline struct gendisk *tm_bio_disk(const struct bio *bio)
{
	return bio->bi_disk;
}

static __always_inline bool tm_bio_is_remapped(const struct bio *bio)
{
	return !bio->bi_partno;
}

static __always_inline struct hd_struct *tm_bio_part(const struct bio *bio)
{
	struct disk_part_tbl *table = rcu_dereference_raw(bio->bi_disk->part_tbl);

	return bio->bi_partno < table->len ? rcu_dereference_raw(table->part[bio->bi_partno]) : NULL;
}

static __always_inline sector_t tm_bio_node_sectors(const struct bio *bio)
{
	struct hd_struct *part = tm_bio_part(bio);

	return part ? part->nr_sects : 0;
}

/* A partition that has vanished meanwhile is left for the core to complain of. */
static inline void tm_bio_remap(struct bio *bio)
{
	struct hd_struct *part;

	rcu_read_lock();
	part = tm_bio_part(bio);
	if (part) {
		bio->bi_iter.bi_sector += part->start_sect;
		bio->bi_partno = 0;
		trace_block_bio_remap(bio->bi_disk->queue, bio, part_devt(part),
				      bio->bi_iter.bi_sector - part->start_sect);
	}
	rcu_read_unlock();
}
#else
static __always_inline struct gendisk *tm_bio_disk(const struct bio *bio)
{
	return bio->bi_bdev->bd_disk;
}

static __always_inline bool tm_bio_is_remapped(const struct bio *bio)
{
	return !bdev_is_partition(bio->bi_bdev) || bio_flagged((struct bio *)bio, BIO_REMAPPED);
}

static __always_inline sector_t tm_bio_node_sectors(const struct bio *bio)
{
	return tm_bio_is_remapped(bio) ? get_capacity(bio->bi_bdev->bd_disk) :
					 bdev_nr_sectors(bio->bi_bdev);
}

static inline void tm_bio_remap(struct bio *bio)
{
	struct block_device *part = bio->bi_bdev;

	bio->bi_iter.bi_sector += part->bd_start_sect;
	bio_set_flag(bio, BIO_REMAPPED);
	trace_block_bio_remap(bio, part->bd_dev, bio->bi_iter.bi_sector - part->bd_start_sect);
}
#endif

#endif /* TM_COMPAT_H */
