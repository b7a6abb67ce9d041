/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One bound channel to the module: cut, read the frozen set, release, end, and
 * the ring. release may be called from several threads at once, everything else
 * belongs to one thread. What fails leaves a sentence in failure_text().
 *
 * Errors that every call can return: -ENODEV (the attachment was removed).
 */
#ifndef AGENT_CHANNEL_H
#define AGENT_CHANNEL_H

#include "agent/attachment.h"
#include "agent/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct channel;
struct handover_page;

struct channel_info {
	uint64_t volume_bytes;
	uint64_t start_sector;
	uint64_t nr_chunks;
	uint32_t chunk_bytes;
	uint32_t ring_bytes;
	dev_t live;
	bool has_base;
	uint8_t base[ATTACHMENT_BASE_BYTES];
};

struct channel_cut {
	uint64_t epoch;
	uint64_t frozen_chunks;
	uint64_t time_ns;
};

enum channel_cut_kind {
	CHANNEL_CUT_CHANGED,
	CHANNEL_CUT_FULL,
};

enum channel_cut_stream {
	CHANNEL_STREAM_NOT,   /* a cut to be read as it is */
	CHANNEL_STREAM_GOES_ON, /* fuzzy: only ends the epoch */
	CHANNEL_STREAM_STARTS,  /* fuzzy, and the stream is on from here */
};

/** Errors: -EBUSY (another backup runs), -ENOPKG (no or another module), -EPERM. */
int channel_open(const struct attachment *attachment, struct channel **ret_channel);
/**
 * Take over a channel that another process had bound, by a copy of its descriptor, which is
 * closed with it, and in every case of an error. Nothing is consumed; the ring is yet to be
 * resumed (ring.h). Errors: -ENODATA (no handover), -ESTALE (of another attachment), -EBUSY
 * (that process lives).
 */
int channel_take_over(const struct attachment *attachment, int fd, struct channel **ret_channel);
/** Aborts a running cut, but where somebody else has a copy of the descriptor. */
void channel_close(struct channel *channel);

const struct channel_info *channel_info(const struct channel *channel);
struct ring *channel_ring(struct channel *channel);
/** For the next agent of this channel. */
struct handover_page *channel_handover(struct channel *channel);

/** For poll(): POLLIN records, POLLPRI cut lost, POLLHUP attachment gone. */
int channel_fd(const struct channel *channel);

#define CHANNEL_CUT_VOLUMES_MAX 64

/** One volume of a cut. */
struct channel_cut_part {
	struct channel *channel; /* each at most once */
	enum channel_cut_kind kind;
	enum channel_cut_stream stream;
	struct channel_cut cut; /* out; the time is the same in all */
};

/**
 * One instant over 1 to CHANNEL_CUT_VOLUMES_MAX volumes. Errors: -EBUSY (a file system
 * is frozen by someone else), those of freezing, -EINPROGRESS (the stream cannot begin
 * before the attachment has settled). Nothing was cut then.
 */
int channel_cut(struct channel_cut_part *parts, size_t nr_parts, const dev_t *freeze,
		size_t nr_freeze);

enum channel_device {
	CHANNEL_DEVICE_OK,
	CHANNEL_DEVICE_GROWN, /* what is attached ended where it did, and it goes on now */
	CHANNEL_DEVICE_SHORT,
	CHANNEL_DEVICE_GONE,
};

/** What has become of the live device; of an attachment that was removed: ok. */
enum channel_device channel_device_state(struct channel *channel);

/**
 * Is the live device still all there? Errors: -ENXIO (gone, or shorter than what is
 * attached).
 */
int channel_check_device(struct channel *channel);

/** If not, the commit of a cut that was made before now forgets nothing. */
bool channel_has_settled(struct channel *channel);

/** tidemark_info.last_seq: what was read from the device by now is in no later record. */
int channel_last_seq(struct channel *channel, uint64_t *ret_seq);

/** first_chunk: multiple of 64. Errors: those of the contract. */
int channel_read_frozen(struct channel *channel, uint64_t first_chunk, uint64_t nr_chunks,
			uint64_t *ret_words);

/**
 * These chunks are dirty as well, cut or no cut; first_chunk: multiple of 64. Errors: -ENOPKG
 * (the module is older than this call).
 */
int channel_add_dirty(struct channel *channel, uint64_t first_chunk, uint64_t nr_chunks,
		      const uint64_t *words);

/** Bits of ret_words: whose content was read in time. Errors: -ESTALE (cut lost). */
int channel_release(struct channel *channel, uint64_t epoch, uint64_t first_chunk,
		    uint32_t nr_chunks, uint64_t *ret_words);

/** The image is durable. Errors: -ESTALE (cut lost), -EBUSY (bits stand). */
int channel_commit(struct channel *channel, uint64_t epoch,
		   const uint8_t base[ATTACHMENT_BASE_BYTES]);
int channel_abort(struct channel *channel, uint64_t epoch);
/** Whatever cut is open; none is no error. */
int channel_abort_any(struct channel *channel);

#endif
