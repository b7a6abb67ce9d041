/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Gives older kernels the newest kernel's names. Force-included, and the only
 * file with a test of the kernel's version. Each block names the upstream change
 * and the first version that has it.
 */
#ifndef TM_COMPAT_H
#define TM_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/ftrace.h>
#include <linux/version.h>

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

/* 6.8, "fs: rename freeze_bdev() and thaw_bdev()" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define bdev_freeze freeze_bdev
#define bdev_thaw   thaw_bdev
#endif

/* 6.3, "mm: introduce vma->vm_flags wrapper functions" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define vm_flags_set(vma, flags)   ((vma)->vm_flags |= (flags))
#define vm_flags_clear(vma, flags) ((vma)->vm_flags &= ~(flags))
#endif

/* 6.2, "ftrace: abstract access to struct ftrace_regs" */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define ftrace_regs_get_argument(fregs, n)               regs_get_kernel_argument(&(fregs)->regs, n)
#define ftrace_regs_set_instruction_pointer(fregs, ip_) ((fregs)->regs.ip = (ip_))
#endif

/* Up to 6.6 some RAM disks take pages past the block layer; the hook cannot see those. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
#define tm_disk_bypasses_bios(disk) ((disk)->fops->rw_page)
#else
#define tm_disk_bypasses_bios(disk) false
#endif

#endif /* TM_COMPAT_H */
