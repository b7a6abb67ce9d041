/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Continuous protection of one volume, in a thread of its own, until it is stopped:
 * docs/journal.md has the states and the order of their steps. What fails is said, and
 * tried again.
 */
#ifndef AGENT_PROTECTION_H
#define AGENT_PROTECTION_H

#include "agent/catalog_failure.h"
#include "agent/channel_store.h"
#include "agent/known_volume.h"
#include "agent/live_volume.h"
#include "agent/recorder.h"
#include "agent/scan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <tidemark.h>

/** Of one volume. */
struct protection_settings {
	const char *name;       /* for people, and of the attachment that is made */
	const char *device;     /* path, or the name of an attachment */
	const char *repository;
	uint64_t rpo_ns;
	uint64_t points_ns;     /* between restore points; 0: none but the first */
	uint64_t keep_journal_ns; /* how far back instants can be had; 0: all are kept */
	uint64_t acknowledge_ns; /* between cuts that let the module forget */
	uint64_t scan_bytes_per_second; /* 0: as fast as it goes */
	size_t memory_bytes;
	const struct channel_store *store; /* outlives the protection; NULL: none */
};

enum protection_state {
	PROTECTION_STARTING,
	PROTECTION_SCANNING,
	PROTECTION_STREAMING,
	PROTECTION_WAITING, /* something failed, and is tried again */
};

struct protection_status {
	enum protection_state state;
	uint64_t state_ns;       /* CLOCK_REALTIME, as all times here: since when it is in it */
	uint64_t since_ns;       /* every instant from then on can be had; 0: it does not stream */
	uint64_t failing_ns;     /* the first failure since it streamed last; 0: none */
	char reason[512];        /* of the latest failure; empty: none yet */
	char attachment[ATTACHMENT_NAME_BYTES]; /* empty: not known yet */
	enum known_volume_device device;
	char refused_id[TMC_TEXT_BYTES]; /* of a device that was replaced: the one that is there */
	char volume_id[TMC_TEXT_BYTES];
	uint64_t volume_bytes;
	uint64_t scan_bytes;     /* to be read by the scan */
	uint64_t scanned_bytes;
	struct recorder_status recorder;
	uint64_t durable_ns;     /* every instant up to then is durable; 0: none */
	bool knows_lag;          /* false: nothing has been durable yet */
	uint64_t lag_ns;         /* age of the oldest write that may not be durable; 0: all are */
	uint64_t ring_bytes;     /* 0: no channel is open */
	uint64_t ring_waiting_bytes; /* of it */
	struct tmc_id point;     /* the latest exact one; zero: none */
	uint64_t point_ns;
	uint64_t point_checked_ns; /* when it was made, or found to lack nothing */
	uint64_t nr_gaps;
	uint64_t gap_ns;         /* when the latest was noticed */
};

enum protection_event { PROTECTION_INFO, PROTECTION_WARNING };

struct protection;

/** Copies the settings. say: called in the protection's thread. */
int protection_start(const struct protection_settings *settings,
		     void (*say)(const struct protection_settings *settings,
				 enum protection_event event, const char *text),
		     struct protection **ret_protection);
/**
 * Ask it to end. It goes on recording, so that nobody waits for the ring of one volume while
 * the repository of another one is slow, until it is let go; then wait for it, with everything
 * durable where that works, and free it. Each does what comes before it.
 */
void protection_ask_to_stop(struct protection *protection);
void protection_let_go(struct protection *protection);
void protection_stop(struct protection *protection);
/** Little is left to make durable. */
bool protection_has_settled(const struct protection *protection);
/** There is nothing to wait for any more. */
bool protection_has_ended(const struct protection *protection);

void protection_get_status(struct protection *protection, struct protection_status *ret_status);
const char *protection_state_name(enum protection_state state);
/**
 * What is there in the volume's place is the volume from now on; what is at work is not waited
 * for. Errors, with a sentence: -ENOENT (its device was not replaced), those of volume_pin_write().
 */
int protection_accept(struct protection *protection);

/* ------------------------------------------------ what the parts of it share */

/* What is durable when the records are that had a place in the ring at a time. */
struct protection_promise {
	uint64_t time_ns;    /* CLOCK_REALTIME; 0: none is on its way */
	uint64_t module_seq; /* of the latest of them */
	uint64_t seq;        /* the journal's, once it has them; 0: not yet */
};

struct protection {
	struct protection_settings *settings; /* constant, and ours */
	void (*say)(const struct protection_settings *settings, enum protection_event event,
		    const char *text);
	pthread_t thread;
	int stop_fd; /* eventfd; readable once it is to end */
	int leave_fd; /* eventfd; readable once it is let go */
	int retry_fd; /* eventfd; readable once it is to try again without a pause */
	atomic_bool has_settled, has_ended;
	pthread_mutex_t lock; /* status, shown; outside the recorder's */
	struct protection_status status;
	struct {
		struct recorder *recorder; /* what others may look at; NULL: nothing is open */
		const struct ring *ring;
	} shown;
	/* the thread's alone: */
	struct tmc_repo *journal_repo; /* the recorder's handle, which takes nothing from what there is */
	struct tmc_repo *repo; /* for one piece of work; NULL between them */
	char attachment[ATTACHMENT_NAME_BYTES]; /* what it is attached as */
	bool device_has_changed;  /* gone, or of another size: look for it at once */
	uint64_t next_look_ns;    /* CLOCK_MONOTONIC: at the device */
	struct live_volume live;
	struct recorder *recorder;
	bool has_base;
	struct tmc_id base;       /* what the module knows by now */
	bool stands;              /* the stretch has a point and the module's first commit */
	uint64_t whole_ns;        /* CLOCK_REALTIME: its instants from then on can be had */
	bool has_scan_points;     /* there may be some that exact ones are to replace */
	struct scan_progress scan;
	struct protection_promise promise;
	uint64_t next_point_ns;   /* CLOCK_MONOTONIC, as are the next three */
	uint64_t next_try_ns;     /* of a point that could not be made */
	uint64_t next_forget_ns;
	uint64_t next_cut_ns;
	uint64_t cut_epoch;       /* of an open cut; 0: none */
};

void protection_say(struct protection *p, enum protection_event event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void protection_set_state(struct protection *p, enum protection_state state);
void protection_note_gap(struct protection *p);
/** True: the first since it streamed last, or the reason is another one than before. */
bool protection_note_failure(struct protection *p, const char *reason);
/**
 * The latest one that is exact. checked_ns: when nothing was missing in it; of an idle volume
 * the same point comes again and again.
 */
void protection_note_point(struct protection *p, const struct tmc_point *point,
			   uint64_t checked_ns);
/** Let others look at the recorder and the ring; until hide, before these are closed. */
void protection_show(struct protection *p);
void protection_hide(struct protection *p);
/** -ECANCELED, with a sentence, once it is to end. */
int protection_check_stop(struct protection *p);

/** Before the repository is opened, which is for nothing without it. Errors: -ENXIO (gone). */
int protection_find_device(struct protection *p);
/**
 * The device that the volume has now, attached as it is now. Errors: those of
 * known_volume_attach().
 */
int protection_attach(struct protection *p, uint64_t chunk_bytes,
		      struct attachment *ret_attachment);
/** Now and then: -ENXIO, with a sentence, where it is gone or has another size. */
int protection_look_at_device(struct protection *p);

/**
 * The status is what the recorder's is by now. Errors: -ECANCELED, those of the recorder and of
 * protection_look_at_device().
 */
int protection_look(struct protection *p);
/** Before that wait for news of the recorder or the end, at most so long. */
int protection_wait(struct protection *p, uint64_t timeout_ns);

/**
 * A handle of its own for each piece of work: a session that lasts would keep each later
 * doom from being swept.
 */
int protection_open_repo(struct protection *p);
void protection_close_repo(struct protection *p);

/**
 * The image that the dirty set is relative to, as a point. 1: found; 0: there is none, everything
 * is to be read; ret_point is then the latest point, where ret_has_point. Errors: those of the
 * repository.
 */
int protection_find_base(struct protection *p, struct tmc_point *ret_point, bool *ret_has_point);

/**
 * Open the volume: with the channel of who was there before where that can be gone on with;
 * p->recorder is set then, and the stretch stands. Errors: those of live_volume_open().
 */
int protection_open_live(struct protection *p, const struct block_tree *tree);
/** handover: where it goes on; NULL: it waits for a stretch. */
int protection_start_recorder(struct protection *p, const struct handover *handover);
/** The channel is to outlive us. */
void protection_keep_channel(struct protection *p);
/** It is not. */
void protection_drop_channel(struct protection *p);
/** The recorder has ended, and whoever comes next can go on from there. */
bool protection_is_handed_over(struct protection *p);

/** From the cut that begins a stretch to its scan point. -EAGAIN: the stream ended meanwhile. */
int protection_begin_stretch(struct protection *p);
/** As long as the stretch lasts. 0: it has ended. */
int protection_follow(struct protection *p);
/** Let the module forget what is durable, before the channel is closed; no cut stays open. */
void protection_settle(struct protection *p);

/**
 * Make a point of all that is durable. Errors: -ENOENT (not just now: sectors that were read
 * again are unsettled).
 */
int protection_make_point(struct protection *p, const struct recorder_status *recorder);

/** When the next one is due, by the age of the latest that the volume has. */
void protection_plan_point(struct protection *p);

/**
 * Put exact points in the place of the volume's scan points, at the first instant that these
 * make whole, so that no instant is lost. Errors: -ENOENT (not just now).
 */
int protection_replace_scan_points(struct protection *p, uint64_t stretch);

/** Give up what is kept of the volume's journal no longer; says how much that is. */
int protection_forget_journal(struct protection *p);

/** End the open cut; base NULL: it is given up. */
int protection_end_cut(struct protection *p, const struct tmc_id *base);

#endif
