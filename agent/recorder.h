/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * From the ring to the journal, for as long as a channel is bound: stretch after stretch,
 * each begun by the cut that turns the stream on, and ended by what turns it off.
 * docs/journal.md has the rules. Threads:
 *
 *   the drainer   copies records out of the ring; waits for nothing but the pool's memory
 *   the keeper    reads again what has to be, and hands records to the journal
 *
 * The ring is the drainer's; cuts are made by whoever owns the recorder.
 */
#ifndef AGENT_RECORDER_H
#define AGENT_RECORDER_H

#include "agent/backlog.h"
#include "agent/chunk_read.h"
#include "agent/handover.h"
#include "common/first_failure.h"

#include <stdatomic.h>
#include <tidemark.h>

struct queue;
struct record_batch;

struct recorder_request {
	struct channel *channel; /* what is pointed to outlives the recorder */
	struct chunk_source source;
	struct tmc_repo *repo;
	const struct tmc_volume *volume;
	uint64_t first_seq;    /* of the next record; above all earlier ones of the volume */
	uint64_t rpo_ns;       /* a record is durable so soon */
	size_t memory_bytes;   /* of records that are not yet in the journal */
	const struct handover *handover; /* goes on from there; NULL: waits for a stretch */
};

enum recorder_state {
	RECORDER_IDLE,      /* no stream: everything that was recorded is durable */
	RECORDER_RECORDING,
	RECORDER_FAILED,    /* the repository or the ring; see recorder_failure() */
};

/* Seqs are the journal's unless they are called the module's. */
struct recorder_status {
	enum recorder_state state;
	uint64_t nr_stretches;  /* begun so far */
	uint64_t stretch;       /* the running one, or the latest */
	uint64_t first_seq;     /* of it */
	uint64_t seq;           /* of the latest record that the journal has taken */
	uint64_t module_seq;    /* the module's, of the same */
	uint64_t durable_seq;
	struct tmc_id durable_segment;
	uint64_t cut_epoch;     /* of the latest CUT record */
	uint64_t cut_seq;
	uint64_t nr_bytes;      /* of payloads */
	uint64_t nr_rereads;
};

struct recorder;

/**
 * handover: the ring has been resumed there, and the status is that of its stretch. Errors of
 * going on: those of tmc_journal_begin. Nothing was consumed then.
 */
int recorder_start(const struct recorder_request *request, struct recorder **ret_recorder);

/** The stretch stands: as long as it lasts, who comes next can go on in it. */
void recorder_hand_over(struct recorder *recorder);

/**
 * End: what is in the ring is kept and made durable, as far as that works, and handed over.
 * Frees it.
 */
int recorder_stop(struct recorder *recorder);

void recorder_get_status(struct recorder *recorder, struct recorder_status *ret_status);

/**
 * The time, CLOCK_REALTIME, of the oldest record that is not durable; 0: there is none. From
 * any thread, and no news is lost by it.
 */
uint64_t recorder_oldest_ns(struct recorder *recorder);

/** The failure and its sentence; 0: none. */
int recorder_failure(struct recorder *recorder);

/** Readable, until the status is asked for, when it has changed. */
int recorder_event_fd(struct recorder *recorder);

/** Have everything that is in the ring by now made durable soon. */
void recorder_hurry(struct recorder *recorder);

/* --------------------------------------------- what the threads of one share */

struct recorder {
	struct recorder_request request; /* constant, as are the queues and descriptors */
	struct queue *empty, *full;      /* of struct record_batch: to the keeper and back */
	struct record_batch **batches;
	size_t nr_batches;
	int wake_fd;  /* eventfd: the drainer is to look again */
	int event_fd; /* eventfd */
	pthread_t drainer, keeper;
	bool drainer_runs, keeper_runs;
	atomic_bool stopping;
	atomic_bool hurry;
	struct first_failure failure;
	struct tmc_journal *continued; /* on its way to the keeper */
	pthread_mutex_t lock; /* all below */
	struct recorder_status status;
	struct backlog backlog;
	struct handover taken;  /* by the journal; a handover once it is durable */
	bool hands_over;
};

void recorder_fail(struct recorder *recorder, int error);
/** Tell whoever waits; after a change of the status. */
void recorder_announce(struct recorder *recorder);

/** Begin the journal where the handover of the request ends. Errors: those of the catalog. */
int recorder_continue(struct recorder *recorder);
/** What the journal has taken, if it is durable by now, is what the next process goes on from. */
void recorder_hand_over_locked(struct recorder *recorder);

void *recorder_drain(void *recorder);
void *recorder_keep(void *recorder);

#endif
