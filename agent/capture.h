/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * From a cut to the moment when everything that it froze has been handed to the
 * catalog. Threads:
 *
 *   the caller   drains the ring, watches for a lost cut and for signals
 *   readers      read frozen chunks from the live device, release, hand over; at their pace
 *   the feeder   hands preserved chunks over
 *
 * Only the first must never wait, and it is the only one that does not touch the
 * catalog. A reader that waits for its pace has read nothing and has no buffer: what
 * is written meanwhile is preserved, drained and handed over as ever. A chunk of the
 * frozen set comes by exactly one way: its bit stood when it was released, or it is
 * in a record of the ring.
 */
#ifndef AGENT_CAPTURE_H
#define AGENT_CAPTURE_H

#include "agent/channel.h"
#include "agent/chunk_read.h"
#include "agent/frozen_cursor.h"
#include "agent/interrupt.h"
#include "agent/pace.h"
#include "common/first_failure.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <tidemark.h>

struct preserved;
struct progress;

#define CAPTURE_READERS 2

struct capture_request {
	struct channel *channel;
	struct channel_cut cut;
	struct tmc_backup *backup;
	const char *spill_dir;
	int live_fd; /* of the live device, O_DIRECT */
	const struct interrupt *interrupt;
	int stop_fd; /* readable: something else of the backup has failed; -1: none */
	struct progress *progress; /* may be shared by captures; its total is the caller's */
	struct pace *pace;         /* may be shared by captures */
	int io_class;              /* of the readers, for io_class_enter() */
};

struct capture_result {
	uint64_t frozen_bytes;
	uint64_t read_bytes;
	uint64_t preserved_bytes;
	uint64_t unreadable_chunks;
};

/**
 * Runs until the frozen set is complete. Errors: -ESTALE (the cut is lost),
 * -ECANCELED (a signal), -EPIPE (the catalog gives no more buffers: its commit
 * says why), -EPROTO (the module makes no sense), -ENODEV (detached), -ENXIO
 * (the device is gone, or shorter now), -EIO and others of reading and of the catalog.
 * The cut stays open in every case.
 */
int capture_run(const struct capture_request *request, struct capture_result *ret_result);

/* What the threads of one capture share. */
struct capture {
	const struct capture_request *request; /* constant, as are the next three */
	const struct channel_info *info;
	struct chunk_source source;
	struct preserved *preserved;
	struct frozen_cursor cursor;
	int wake_fd; /* eventfd: look at the state again */
	atomic_uint readers_left;
	atomic_bool feeder_left;
	atomic_bool stopping;
	atomic_uint_least64_t done_chunks; /* released standing, or in a record */
	atomic_uint_least64_t frozen_bytes;
	atomic_uint_least64_t read_bytes;
	atomic_uint_least64_t unreadable_chunks;
	atomic_uint_least64_t readable_chunk; /* the latest that was read; at first UINT64_MAX */
	uint64_t preserved_bytes; /* the caller's thread's */
	struct first_failure failure;
};

/** Stop everything because of this; failure_text() of the calling thread goes with it. */
void capture_fail(struct capture *capture, int error);

/** Passes on what the catalog said to this thread, and an errno that is not one of ours. */
int capture_catalog_failure(int error);

/** Make the caller's thread look at the state again. */
void capture_wake(struct capture *capture);

/**
 * After chunks that could not be read: does the device still read anywhere? Errors: -ENXIO.
 * A disk that is being pulled fails its reads before the kernel says that it is gone.
 */
int capture_check_reads(const struct capture *capture);

/** The bodies of the threads; argument: struct capture. */
void *capture_reader(void *argument);
void *capture_feeder(void *argument);

#endif
