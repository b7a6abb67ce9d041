/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_INTERPOSER_H
#define TM_INTERPOSER_H

#include <linux/blk_types.h>
#include <linux/ktime.h>

struct gendisk;
struct tm_attachment;
struct tm_disk;

enum tm_bio_fate {
	TM_BIO_PASSED, /* goes on along its own path, now */
	TM_BIO_HELD,   /* is ours until a worker submits it */
};

/*
 * For the hook. wants: a write or flush on a disk that has an attachment, not seen
 * before. Does not sleep, trace, or print; interrupts may be on.
 */
bool tm_interposer_wants(struct bio *bio);

/* For the hook: see the bio, in the submitter's context. Never sleeps. */
enum tm_bio_fate tm_interposer_submit(struct bio *bio);

/*
 * What rides on a write until it completes. The bio's own completion is kept
 * here, ours observes it (a write in flight over a cut must be dirty in the next
 * epoch as well) and hands on to the original.
 */
struct tm_flight {
	void *private;
	bio_end_io_t *end_io;
	struct tm_disk *disk;
	sector_t sector; /* on the whole disk, as submitted */
	unsigned int nr_sectors;
	bool waits_for_room; /* in the ring of a stream */
	u32 recorded_upto;   /* serial of the last attachment that has its record */
	sector_t next_sector; /* not recorded yet by the one after that */
	u64 cut_seq;         /* the latest cut of all at submission */
	ktime_t held_since;
};

struct tm_flight *tm_flight_of(struct bio *bio);

/* For a bio that was held and need not be any more: look on, submit if it passes. May sleep. */
enum tm_bio_fate tm_interposer_resubmit(struct bio *bio);

/*
 * Put the attachment on its disk; from now on its writes are seen. Takes care of
 * the hook. May sleep. -EBUSY (hook), -ENOMEM.
 */
int tm_interposer_attach(struct tm_attachment *a);
/*
 * Wait until each write has completed that was submitted before the attachment was
 * on its disk: it passed unseen and could land after the first image was read. New
 * writes wait meanwhile. false: this kind of device (bio-based, not device-mapper)
 * cannot tell. May sleep, for as long as the device takes.
 */
bool tm_interposer_drain(struct gendisk *gendisk);
/* Take it off. On return no CPU looks at it. Writes in flight may still be. May sleep. */
void tm_interposer_detach(struct tm_attachment *a);

/* The number of the instant, for tm_flight.cut_seq: called with the gate closed. */
u64 tm_interposer_next_cut_locked(void);

int tm_interposer_init(void);
/* Waits until the last write that carries our completion is done. */
void tm_interposer_exit(void);

#endif
