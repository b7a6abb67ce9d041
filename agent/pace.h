/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What keeps a sweep over a volume from going faster than it may: two buckets, of bytes and of
 * processor time, that are empty at first and hold a second's worth at most. Threads share
 * them. Only who reads of its own accord is paced; what writers wait for never is.
 */
#ifndef AGENT_PACE_H
#define AGENT_PACE_H

#include <pthread.h>
#include <stdint.h>

struct pace {
	uint64_t bytes_per_second; /* constant, as the next one; 0: no limit */
	unsigned int cpu_percent;  /* of one processor, by the whole process; 0: no limit */
	pthread_mutex_t lock;      /* the next three; times are of CLOCK_MONOTONIC */
	uint64_t bytes_due_ns;     /* by then what was asked for has been earned */
	uint64_t cpu_due_ns;       /* by then what was used has been */
	uint64_t cpu_seen_ns;      /* used by the process so far */
};

/**
 * How much to read at once, so that what a second allows is spread over it: from a chunk of
 * that size to TMC_BUFFER_BYTES, in whole chunks.
 */
uint32_t pace_run_chunks(uint64_t bytes_per_second, uint32_t chunk_bytes);

/** From now on: what was used before costs nothing. */
void pace_init(struct pace *pace, uint64_t bytes_per_second, unsigned int cpu_percent);

/**
 * Wait until so many bytes have been earned, whether they are about to be read or have been;
 * at most TMC_BUFFER_BYTES. keep_on is asked at least once, and ten times a second while
 * there is to be waited. From any thread. Errors: what keep_on returned below 0.
 */
int pace_wait(struct pace *pace, uint64_t bytes, int (*keep_on)(void *context), void *context);

/** When that will be, with the clocks given; for tests. */
uint64_t pace_due_ns(struct pace *pace, uint64_t bytes, uint64_t now_ns, uint64_t cpu_ns);

#endif
