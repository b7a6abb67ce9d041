// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A bucket is the time at which it will be empty of debt. Where that is long gone, it is a
 * second ago: so much credit there is, and no more.
 */
#include "agent/pace.h"
#include "common/clock_ns.h"
#include "common/lock_scope.h"

#include <tidemark.h>
#include <unistd.h>

#define SECOND_NS 1000000000u
#define REST_NS   100000000u
#define RUNS_PER_SECOND 32 /* at least */

uint32_t pace_run_chunks(uint64_t bytes_per_second, uint32_t chunk_bytes)
{
	uint64_t bytes = bytes_per_second / RUNS_PER_SECOND;

	if (!bytes_per_second || bytes > TMC_BUFFER_BYTES)
		bytes = TMC_BUFFER_BYTES;
	return bytes > chunk_bytes ? (uint32_t)bytes / chunk_bytes : 1;
}

void pace_init(struct pace *pace, uint64_t bytes_per_second, unsigned int cpu_percent)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	*pace = (struct pace){
		.bytes_per_second = bytes_per_second,
		.cpu_percent = cpu_percent,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.bytes_due_ns = now_ns,
		.cpu_due_ns = now_ns,
		.cpu_seen_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID),
	};
}

static uint64_t pay(uint64_t *due_ns, uint64_t cost_ns, uint64_t now_ns)
{
	uint64_t earliest_ns = now_ns > SECOND_NS ? now_ns - SECOND_NS : 0;

	if (*due_ns < earliest_ns)
		*due_ns = earliest_ns;
	return *due_ns += cost_ns;
}

uint64_t pace_due_ns(struct pace *pace, uint64_t bytes, uint64_t now_ns, uint64_t cpu_ns)
{
	uint64_t due_ns = now_ns, cpu_due_ns = now_ns, used_ns;

	LOCK_SCOPE(&pace->lock);
	/* Another thread, whose look at the clock was later, may have come first. */
	used_ns = cpu_ns > pace->cpu_seen_ns ? cpu_ns - pace->cpu_seen_ns : 0;
	pace->cpu_seen_ns += used_ns;
	if (pace->bytes_per_second)
		due_ns = pay(&pace->bytes_due_ns, bytes * SECOND_NS / pace->bytes_per_second, now_ns);
	if (pace->cpu_percent)
		cpu_due_ns = pay(&pace->cpu_due_ns, used_ns * 100 / pace->cpu_percent, now_ns);
	return due_ns > cpu_due_ns ? due_ns : cpu_due_ns;
}

int pace_wait(struct pace *pace, uint64_t bytes, int (*keep_on)(void *context), void *context)
{
	uint64_t due_ns = pace_due_ns(pace, bytes, clock_ns(CLOCK_MONOTONIC),
				      clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	int r;

	while ((r = keep_on(context)) >= 0) {
		uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
		uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;

		if (!left_ns)
			return 0;
		usleep((useconds_t)(left_ns < REST_NS ? left_ns : REST_NS) / 1000);
	}
	return r;
}
