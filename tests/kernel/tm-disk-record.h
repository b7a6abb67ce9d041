/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The test disk's log, as its file "log" is read: records one after the other, in
 * the order in which the disk did what they say. Machine byte order.
 */
#ifndef TM_DISK_RECORD_H
#define TM_DISK_RECORD_H

#include <linux/types.h>

enum td_op {
	TD_WRITE = 1,
	TD_FLUSH,
	TD_DISCARD,
	TD_WRITE_ZEROES,
	TD_SECURE_ERASE,
	TD_POWER_CUT, /* no request: on command */
	TD_POWER_ON,
	TD_RESIZE, /* sector: the new size */
};

#define TD_FLAG_FUA    (1u << 0)
#define TD_FLAG_NOWAIT (1u << 1)
#define TD_FLAG_POLLED (1u << 2)
#define TD_FLAG_FAILED (1u << 3) /* had no effect */

struct td_record {
	__u32 record_bytes; /* this header and the payload behind it */
	__u32 op;
	__u64 seq; /* 1, 2, ...; a gap: there was no room */
	__u64 time_ns; /* CLOCK_REALTIME */
	__u64 sector;
	__u32 nr_sectors;
	__u32 flags;
	__u64 hash;          /* of a write's payload, see td_hash() */
	__u32 payload_bytes; /* 0 where the disk was not told to keep it */
	__u32 reserved;
};

#define TD_HASH_START 0xcbf29ce484222325ull

/* FNV-1a over words of 8 bytes: every request is a multiple of that. */
static inline __u64 td_hash(__u64 hash, const void *data, unsigned long bytes)
{
	const __u64 *word = (const __u64 *)data, *end = word + bytes / 8;

	while (word < end)
		hash = (hash ^ *word++) * 0x100000001b3ull;
	return hash;
}

#endif
