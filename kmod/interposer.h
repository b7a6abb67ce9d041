/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_INTERPOSER_H
#define TM_INTERPOSER_H

#include <linux/blk_types.h>

struct gendisk;
struct tm_attachment;
struct tm_flight;

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

/* Of a bio that was seen and has not landed. */
static inline struct tm_flight *tm_flight_of(const struct bio *bio)
{
	return bio->bi_private;
}

/* For a bio that was held and need not be any more: look on, submit if it passes. May sleep. */
enum tm_bio_fate tm_interposer_resubmit(struct bio *bio);

/*
 * Put the attachment on its disk; from now on its writes are seen. Takes care of
 * the hook. May sleep. -EBUSY (hook), -ENOMEM.
 */
int tm_interposer_attach(struct tm_attachment *a);
/*
 * Wait until what is in the disk's queue has completed: it may have passed unseen, and
 * could land after the first image was read. New writes wait meanwhile. Nothing is
 * waited for on bio-based devices that are not device-mapper's, and nowhere for bios
 * that are in no queue yet. May sleep, for as long as the device takes.
 */
void tm_interposer_drain(struct gendisk *gendisk);
/* Take it off. On return no CPU looks at it. Writes in flight may still be. May sleep. */
void tm_interposer_detach(struct tm_attachment *a);

/* The number of the instant, for tm_flight.cut_seq: called with the gate closed. */
u64 tm_interposer_next_cut_locked(void);

int tm_interposer_init(void);
/* Waits until the last write that carries our completion is done. */
void tm_interposer_exit(void);

#endif
