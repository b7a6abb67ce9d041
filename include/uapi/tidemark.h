/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The contract between dm-tidemark.ko and the agent; the only header that both
 * sides include. It compiles as C99 and as C++.
 *
 * OBJECTS
 *
 *   attachment   one mapped device with the target "tidemark". It tracks the
 *                writes to a range of sectors of a live block device. It lives
 *                until the mapped device is removed, with or without an agent.
 *   channel      one open of /dev/tidemark, bound to one attachment. At most
 *                one channel is bound to an attachment at a time.
 *   epoch        the interval between two cuts, numbered from 1 per attachment.
 *   dirty set    chunks written in the running epoch, plus those of earlier
 *                epochs that no TIDEMARK_IOC_END has committed.
 *   frozen set   chunks that the latest cut froze: the dirty set at the cut, or
 *                every chunk with TIDEMARK_CUT_FULL. The bit of a chunk stands
 *                until the agent releases it or the module has preserved it.
 *   base         32 opaque bytes that the agent left with the last commit: the
 *                dirty set is relative to the image of that name. All zero
 *                means none: every chunk is dirty.
 *   stream       while it is on, every write to the range is a record in the
 *                ring, with its payload, in an order that respects completion:
 *                a write submitted after another one completed has the larger
 *                sequence number. For attachments whose table says "stream".
 *
 * A BACKUP
 *
 *   open, BIND, mmap, CUT, READ_FROZEN, then for each run of the frozen set:
 *   read the run from the live device (direct I/O), RELEASE it, and use only the
 *   chunks whose bit still stood. The others were about to be overwritten; what
 *   they held at the cut arrives in the ring as TIDEMARK_RECORD_PRESERVED. When
 *   the image is durable: END with TIDEMARK_END_COMMIT and the new base.
 *
 * CONTINUOUS PROTECTION
 *
 *   A CUT with TIDEMARK_CUT_STREAM turns the stream on at its instant, so that the
 *   cut's image and the records behind its TIDEMARK_RECORD_CUT are everything.
 *   With TIDEMARK_CUT_FUZZY nothing is preserved or held: the agent reads the
 *   frozen set at any time, gets each chunk in the state of some instant after the
 *   cut, and the records make it whole; after the last chunk was read, replayed up
 *   to any later sequence number, the image is that of the number.
 *   The tracker goes on meanwhile. Later fuzzy cuts acknowledge: when all records
 *   up to the cut's own are durable, END with TIDEMARK_END_COMMIT lets their chunks
 *   leave the dirty set. What was not acknowledged is dirty after the agent's death.
 *
 * WHEN THE STREAM CANNOT GO ON
 *
 *   A write that finds no room in the ring waits, at most stall_ms; then the stream
 *   is behind (producer page: stream_state). Records up to stream_last_seq have no
 *   hole. Writes after that are in the dirty set alone: a new CUT with
 *   TIDEMARK_CUT_STREAM tells which chunks they touched, and streams again.
 *
 * WHEN THE AGENT GOES AWAY
 *
 *   Closing the channel (the kernel does it when the agent is killed) aborts a
 *   running cut: its frozen set goes back into the dirty set, held writes go on
 *   at once, tracking goes on. It is closed when the last copy of its descriptor
 *   and the last of its mappings are gone; until then it stays bound. An agent that lives but stops draining the ring
 *   delays a write by at most stall_ms, once; then the cut is lost (below).
 *   Nothing that an agent does or fails to do makes a write fail.
 *
 * WHEN THE ATTACHMENT GOES AWAY
 *
 *   The mapped device can be removed while a channel is bound. Each call then
 *   returns -ENODEV, poll() reports EPOLLHUP, the mapping stays readable until
 *   it is unmapped.
 *
 * ACROSS A REBOOT
 *
 *   What an agent knew of the dirty set when the attachment before ended, it gives back
 *   with DIRTY while a fuzzy, full cut is open, and commits with the base of then. It has to
 *   prove that nothing was written in between; docs/reboot.md says how.
 *
 * CUT STATES (tidemark_ring_producer.cut_state)
 *
 *   NONE   -> ACTIVE  TIDEMARK_IOC_CUT
 *   ACTIVE -> NONE    TIDEMARK_IOC_END; close of the channel
 *   ACTIVE -> LOST    the module could not preserve a chunk; see lost_reason.
 *                     Reading on is pointless: what was not yet released may
 *                     have been overwritten
 *   LOST   -> NONE    TIDEMARK_IOC_END with TIDEMARK_END_ABORT; close
 *
 * RULES FOR ALL CALLS
 *
 *   open() and each ioctl need CAP_SYS_ADMIN in the initial user namespace
 *   (-EPERM). Reserved fields and undefined flag bits must be zero (-EINVAL).
 *   Addresses of user memory are passed as integers in __u64 fields (-EFAULT).
 *   Every call but BIND returns -ENOTCONN on a channel that is not bound, and
 *   -ENODEV when its attachment is gone. A call that fails changed nothing,
 *   where its description does not say otherwise.
 */
#ifndef _UAPI_TIDEMARK_H
#define _UAPI_TIDEMARK_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** Version of this contract. Raised when an old agent could misread a module. */
#define TIDEMARK_ABI_VERSION 1

#define TIDEMARK_DEVICE_NAME "tidemark" /**< /dev/tidemark */
#define TIDEMARK_TARGET_NAME "tidemark" /**< device-mapper target type */

#define TIDEMARK_SECTOR_BYTES 512

/** Chunk size: a power of two in this range. */
#define TIDEMARK_CHUNK_BYTES_MIN 4096
#define TIDEMARK_CHUNK_BYTES_MAX 1048576

/**
 * Size of a ring's data area: a power of two in this range, and at least four
 * chunks. Memory is taken at BIND and given back when the channel is closed
 * and its mapping is gone.
 */
#define TIDEMARK_RING_BYTES_MIN     65536
#define TIDEMARK_RING_BYTES_DEFAULT 16777216
#define TIDEMARK_RING_BYTES_MAX     1073741824

#define TIDEMARK_ID_BYTES   16
#define TIDEMARK_BASE_BYTES 32

/** A device number, as stat(2) and major()/minor() give it. */
struct tidemark_devno {
	__u32 major;
	__u32 minor;
};

/**
 * What has become of the live device. The attachment keeps its range in each case.
 * Only the first two can give a whole image.
 */
#define TIDEMARK_LIVE_OK    0
#define TIDEMARK_LIVE_GROWN 1 /**< the range ended with the device, which now goes on */
#define TIDEMARK_LIVE_SHORT 2 /**< it ends before the range does */
#define TIDEMARK_LIVE_GONE  3 /**< unplugged, or without a medium */

/**
 * What an attachment is. Sizes in bytes, chunk counts in chunks; the last chunk
 * is shorter where volume_bytes is not a multiple of chunk_bytes.
 */
struct tidemark_info {
	__u8 tracker_id[TIDEMARK_ID_BYTES]; /**< random, made at attach */
	__u8 base[TIDEMARK_BASE_BYTES];
	__u64 volume_bytes;
	__u64 start_sector; /**< of the range on the live device */
	__u64 nr_chunks;
	__u64 dirty_chunks; /**< an instant's count; grows under load */
	__u64 epoch;        /**< the running one */
	struct tidemark_devno live; /**< the live device */
	__u32 chunk_bytes;
	__u32 stall_ms;
	__u32 live_state; /**< TIDEMARK_LIVE_* */
	__u32 settle_ms;  /**< so long may writes of before the attachment still be on their way */
	/**
	 * Of the latest record that has a place in the ring, be it published or not: what a
	 * read of the live device returned before this call is in no record behind it.
	 * BIND: 0.
	 */
	__u64 last_seq;
};

/**
 * TIDEMARK_IOC_BIND: make this channel the agent of one attachment.
 *
 * Errors: -EINVAL (ring_bytes, flags, channel already bound), -EPROTONOSUPPORT
 * (abi is not the module's; abi is set to the module's), -ENXIO (mapped is no
 * tidemark device), -EBUSY (another channel is bound), -ENOMEM. After -EFAULT the
 * channel may be bound all the same: close it.
 */
struct tidemark_bind {
	__u32 abi;                    /**< in/out: TIDEMARK_ABI_VERSION */
	__u32 flags;                  /**< in: 0 */
	struct tidemark_devno mapped; /**< in: the mapped device */
	__u32 ring_bytes;             /**< in: 0 for the default; out: the size */
	__u32 reserved;
	struct tidemark_info info; /**< out */
};

/**
 * Freeze every chunk, not only the dirty ones: for a first image, or when the
 * repository does not hold the base.
 */
#define TIDEMARK_CUT_FULL (1u << 0)
/** Preserve nothing, hold nothing: only end the epoch and tell its chunks. */
#define TIDEMARK_CUT_FUZZY (1u << 1)
/** From the instant on the stream is on. No effect where it is already. */
#define TIDEMARK_CUT_STREAM (1u << 2)

/** One volume of a cut. */
struct tidemark_cut_volume {
	__s32 channel_fd;    /**< in: a bound channel, each at most once */
	__u32 flags;         /**< in: TIDEMARK_CUT_FULL, _FUZZY, _STREAM */
	__u64 epoch;         /**< out: the epoch that this cut ended */
	__u64 frozen_chunks; /**< out */
};

#define TIDEMARK_CUT_VOLUMES_MAX 64
#define TIDEMARK_CUT_FREEZE_MAX  256

/**
 * TIDEMARK_IOC_CUT: one instant over one or several attachments.
 *
 * In order: each block device of the freeze list has its mounted file system
 * frozen (devices without one are synced), all volumes are cut at one instant,
 * everything is thawed in reverse order, also on failure. A killed caller cannot
 * leave anything frozen: the call runs to its end. No step between the freeze
 * and the thaw waits for user space or for I/O.
 *
 * A write that was submitted and not completed at the instant is in the image
 * or not, and is dirty in the next epoch in both cases. A write submitted after
 * the completion of one that is not in the image is not in the image either.
 *
 * A write that was submitted before the attachment was made is not tracked, and can
 * land after the image was read. So a cut made before the attachment has settled
 * (tidemark_info.settle_ms) leaves its frozen set in the dirty set when it is
 * committed, and cannot turn the stream on. A freeze list that has the live device
 * itself (the mapped one, where that is the way in) settles it: what is mounted there has completed its writes, and the caller
 * says so that nobody else writes the device.
 *
 * Errors: -EINVAL (counts, flags, a channel twice), -EBADF (channel_fd is no
 * channel), -EBUSY (a volume has a cut that was not ended; a file system is
 * frozen by someone else), -ENXIO (no such block device in the freeze list),
 * -EOPNOTSUPP (TIDEMARK_CUT_STREAM where the table says "track"), -EAGAIN
 * (TIDEMARK_CUT_STREAM without room in the ring for the cut's record), -EINPROGRESS
 * (TIDEMARK_CUT_STREAM before the attachment has settled), -ENOMEM, or what the file
 * system's freeze returns. On error nothing was cut and nothing stays
 * frozen; but after -EFAULT the volumes may be cut, by when the answer could not be
 * written: close the channels.
 */
struct tidemark_cut {
	__u32 flags;      /**< in: 0 */
	__u32 nr_volumes; /**< in: 1 to TIDEMARK_CUT_VOLUMES_MAX */
	__u32 nr_freeze;  /**< in: 0 to TIDEMARK_CUT_FREEZE_MAX */
	__u32 reserved;
	__u64 volumes; /**< in: address of struct tidemark_cut_volume[] */
	__u64 freeze;  /**< in: address of struct tidemark_devno[] */
	__u64 time_ns; /**< out: CLOCK_REALTIME at the instant */
};

/**
 * TIDEMARK_IOC_READ_FROZEN: the frozen set as the cut made it, whatever was
 * released or preserved since. Bit n of word w stands for chunk
 * first_chunk + 64 * w + n. first_chunk is a multiple of 64; bits past the end
 * of the range are zero.
 *
 * Errors: -ENODATA (no cut), -EINVAL (range outside the volume).
 */
struct tidemark_read_frozen {
	__u64 first_chunk;
	__u64 nr_chunks;
	__u64 words; /**< in: address of __u64[(nr_chunks + 63) / 64] */
};

#define TIDEMARK_RELEASE_CHUNKS_MAX 4096

/**
 * TIDEMARK_IOC_RELEASE: these chunks were read from the live device; let writes
 * to them go on. Bit n of word w tells of chunk first_chunk + 64 * w + n: 1, the
 * bit still stood, what was read before this call is the cut's content; 0, it
 * did not, the content comes or came in the ring (or the chunk is not in the
 * frozen set, or was released before).
 *
 * Errors: -ENODATA (no cut of this epoch), -ESTALE (the cut is lost), -EINVAL
 * (range outside the volume, more than TIDEMARK_RELEASE_CHUNKS_MAX). After
 * -EFAULT the chunks are released all the same: abort the cut.
 */
struct tidemark_release {
	__u64 epoch; /**< in: of the cut */
	__u64 first_chunk;
	__u32 nr_chunks;
	__u32 reserved;
	__u64 words; /**< in: address of __u64[(nr_chunks + 63) / 64] */
};

/** The image is durable: forget the frozen set, remember the base. */
#define TIDEMARK_END_COMMIT 1
/** Put the frozen set back into the dirty set; the base stays. */
#define TIDEMARK_END_ABORT 2

/**
 * TIDEMARK_IOC_END: end a cut. Writes that are held go on.
 *
 * Errors: -ENODATA (no cut of this epoch), -ESTALE (commit of a lost cut), -EBUSY
 * (commit while bits of the frozen set stand), -EINVAL.
 */
struct tidemark_end {
	__u64 epoch;
	__u32 how; /**< TIDEMARK_END_COMMIT or TIDEMARK_END_ABORT */
	__u32 reserved;
	__u8 base[TIDEMARK_BASE_BYTES]; /**< with commit: not all zero */
};

/**
 * TIDEMARK_IOC_DIRTY: these chunks are dirty as well. Bit n of word w stands for chunk
 * first_chunk + 64 * w + n; first_chunk is a multiple of 64, bits past nr_chunks count for
 * nothing. They belong to the running epoch: the next cut freezes them, an open one does
 * not have them. No chunk becomes clean by it, so it can only cost reading.
 *
 * A module that is older than this call returns -ENOTTY on a bound channel.
 *
 * Errors: -EINVAL (range outside the volume), -ENOMEM. After -EFAULT some of the chunks may
 * be dirty.
 */
struct tidemark_dirty {
	__u64 first_chunk;
	__u64 nr_chunks;
	__u64 words; /**< in: address of __u64[(nr_chunks + 63) / 64] */
};

#define TIDEMARK_IOC_MAGIC 0xb7

#define TIDEMARK_IOC_BIND        _IOWR(TIDEMARK_IOC_MAGIC, 1, struct tidemark_bind)
/** Errors: none of its own. */
#define TIDEMARK_IOC_INFO        _IOR(TIDEMARK_IOC_MAGIC, 2, struct tidemark_info)
#define TIDEMARK_IOC_CUT         _IOWR(TIDEMARK_IOC_MAGIC, 3, struct tidemark_cut)
#define TIDEMARK_IOC_READ_FROZEN _IOW(TIDEMARK_IOC_MAGIC, 4, struct tidemark_read_frozen)
#define TIDEMARK_IOC_RELEASE     _IOW(TIDEMARK_IOC_MAGIC, 5, struct tidemark_release)
#define TIDEMARK_IOC_END         _IOW(TIDEMARK_IOC_MAGIC, 6, struct tidemark_end)
#define TIDEMARK_IOC_DIRTY       _IOW(TIDEMARK_IOC_MAGIC, 7, struct tidemark_dirty)

/*
 * THE RING
 *
 * mmap(NULL, 2 * page + 2 * ring_bytes, ..., MAP_SHARED, channel, offset), in
 * three mappings, page being the system's page size:
 *
 *   offset         length           protection
 *   0              page             read, write    tidemark_ring_consumer
 *   page           page             read           tidemark_ring_producer
 *   2 * page       2 * ring_bytes   read           the data area, twice
 *
 * The data area follows itself, so that a record that wraps is contiguous.
 * Positions count bytes since BIND, modulo 2^64; position p is at offset
 * p % ring_bytes of the data area.
 *
 * The consumer loads producer_pos (acquire), reads the records from consumer_pos
 * up to it, and stores the new consumer_pos (release). It is in poll(): EPOLLIN
 * when records wait, EPOLLPRI when the cut is lost or the stream behind, EPOLLHUP when the attachment
 * is gone.
 *
 * The module keeps its own positions and only reads consumer_pos, when it needs the
 * room. A value that goes backwards, beyond producer_pos, or that is not a multiple of
 * TIDEMARK_RECORD_ALIGN makes the ring unusable: the running cut is lost and the
 * stream behind, and so is each one until the channel is closed.
 *
 * The rest of the consumer's page is the agent's: zero after BIND, never read by the module,
 * and there as long as the channel is. Who gets a copy of the descriptor finds there what the
 * agent before left.
 */
struct tidemark_ring_consumer {
	__u64 consumer_pos;
};

#define TIDEMARK_CUT_NONE   0
#define TIDEMARK_CUT_ACTIVE 1
#define TIDEMARK_CUT_LOST   2

#define TIDEMARK_LOST_NOT      0
#define TIDEMARK_LOST_STALLED  1 /**< the ring stayed full for stall_ms */
#define TIDEMARK_LOST_CONSUMER 2 /**< consumer_pos made no sense */

#define TIDEMARK_STREAM_OFF    0 /**< the table says "track", or no cut asked for it */
#define TIDEMARK_STREAM_ON     1
#define TIDEMARK_STREAM_BEHIND 2

#define TIDEMARK_BEHIND_NOT       0
#define TIDEMARK_BEHIND_STALLED   1 /**< the ring stayed full for stall_ms */
#define TIDEMARK_BEHIND_CONSUMER  2 /**< consumer_pos made no sense */
#define TIDEMARK_BEHIND_OPERATION 3 /**< a write whose effect no record can tell */

struct tidemark_ring_producer {
	__u64 producer_pos;
	__u32 cut_state;
	__u32 lost_reason;
	__u32 stream_state;
	__u32 behind_reason;
	__u64 stream_last_seq; /**< when not on: of the last record before the hole */
};

#define TIDEMARK_RECORD_ALIGN 64

/** What a chunk of the frozen set held at the cut; payload: the chunk. */
#define TIDEMARK_RECORD_PRESERVED 1
/** The device could not read the chunk before it was overwritten; no payload. */
#define TIDEMARK_RECORD_UNREADABLE 2

/*
 * The records of the stream. A write larger than a quarter of the ring, or than
 * 1 MiB, comes as several records.
 */
/** Payload: nr_sectors at sector. */
#define TIDEMARK_RECORD_WRITE 3
/** Discard or secure erase: the content is undefined from here. */
#define TIDEMARK_RECORD_DISCARD 4
/** The sectors are zero. */
#define TIDEMARK_RECORD_ZEROES 5
/** What completed before this was submitted is durable when this completes. */
#define TIDEMARK_RECORD_FLUSH 6
/** The instant of a cut; epoch: the one that it ended. */
#define TIDEMARK_RECORD_CUT 7
/** A name that somebody gave to this point; payload: the text. */
#define TIDEMARK_RECORD_MARK 8
/**
 * The sectors may not hold what the records say: a recorded write failed just now,
 * or one landed that was submitted before the stream began. Read them again.
 */
#define TIDEMARK_RECORD_RESCAN 9

#define TIDEMARK_RECORD_PREFLUSH (1u << 0) /**< a FLUSH just before this write */
#define TIDEMARK_RECORD_FUA      (1u << 1) /**< durable when it completes */
#define TIDEMARK_RECORD_STARTS   (1u << 2) /**< CUT: the stream begins here */
#define TIDEMARK_RECORD_MORE     (1u << 3) /**< the same WRITE goes on in a later record */

/** Most bytes in the text of a mark. */
#define TIDEMARK_MARK_BYTES_MAX 255

/** A record: this header, then payload_bytes of payload, then padding. */
struct tidemark_record {
	__u32 record_bytes; /**< header, payload, padding: multiple of the alignment */
	__u32 type;
	__u64 seq;     /**< 1, 2, ... since BIND, without a gap */
	__u64 epoch;   /**< PRESERVED, UNREADABLE: of the cut, ignore those of an ended one */
	__u64 time_ns; /**< CLOCK_REALTIME_COARSE when it was recorded: as precise as a tick */
	__u64 chunk;   /**< PRESERVED, UNREADABLE */
	__u64 sector;  /**< of the range, from 0: WRITE, DISCARD, ZEROES, RESCAN */
	__u64 nr_sectors;
	__u32 payload_bytes;
	__u32 flags; /**< TIDEMARK_RECORD_PREFLUSH, _FUA, _STARTS, _MORE */
};

/* An array of negative size stops the compiler, in C99 and C++ alike. */
#define TIDEMARK_ASSERT_SIZE(type, bytes) \
	typedef char type##_has_size[sizeof(struct type) == (bytes) ? 1 : -1]

TIDEMARK_ASSERT_SIZE(tidemark_devno, 8);
TIDEMARK_ASSERT_SIZE(tidemark_info, 120);
TIDEMARK_ASSERT_SIZE(tidemark_bind, 144);
TIDEMARK_ASSERT_SIZE(tidemark_cut_volume, 24);
TIDEMARK_ASSERT_SIZE(tidemark_cut, 40);
TIDEMARK_ASSERT_SIZE(tidemark_read_frozen, 24);
TIDEMARK_ASSERT_SIZE(tidemark_release, 32);
TIDEMARK_ASSERT_SIZE(tidemark_end, 48);
TIDEMARK_ASSERT_SIZE(tidemark_dirty, 24);
TIDEMARK_ASSERT_SIZE(tidemark_ring_consumer, 8);
TIDEMARK_ASSERT_SIZE(tidemark_ring_producer, 32);
TIDEMARK_ASSERT_SIZE(tidemark_record, 64);

#endif /* _UAPI_TIDEMARK_H */
