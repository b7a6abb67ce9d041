// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * counterkhz: print how fast this machine's time stamp counter runs, in kHz. For the
 * host: an emulated guest reads the host's counter.
 *
 * The counter is read between two looks at the clock; of many tries the one with the
 * least time between them counts, so that losing the processor costs no precision.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define NR_TRIES    200
#define DISTANCE_NS 200000000

struct sample {
	uint64_t ns, ticks;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct sample best_sample(void)
{
	uint64_t least = UINT64_MAX, before, ticks, after;
	struct sample best = { 0 };
	unsigned int i;

	for (i = 0; i < NR_TRIES; i++) {
		before = now_ns();
		ticks = __rdtsc();
		after = now_ns();
		if (after - before >= least)
			continue;
		least = after - before;
		best = (struct sample){ before + least / 2, ticks };
	}
	return best;
}

int main(void)
{
	struct timespec distance = { .tv_nsec = DISTANCE_NS };
	struct sample first = best_sample(), last;

	nanosleep(&distance, NULL);
	last = best_sample();
	printf("%llu\n", (unsigned long long)((last.ticks - first.ticks) * 1000000 /
					      (last.ns - first.ns)));
	return 0;
}
