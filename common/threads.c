// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Fewer threads than asked for are enough; none at all is an error.
 */
#include "common/threads.h"

#include "common/failure.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_STACK_BYTES (256u << 10)

struct threads {
	unsigned int nr;
	pthread_t ids[];
};

unsigned int threads_nr(unsigned int nr, unsigned int max)
{
	cpu_set_t cpus;

	if (!nr)
		nr = sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : (unsigned int)CPU_COUNT(&cpus);
	return nr < 1 ? 1 : nr > max ? max : nr;
}

int threads_start(unsigned int nr, unsigned int max, void *(*run)(void *context), void *context,
		  struct threads **ret_threads)
{
	struct threads *threads;

	nr = threads_nr(nr, max);
	threads = calloc(1, sizeof(*threads) + nr * sizeof(pthread_t));
	if (!threads)
		return -ENOMEM;
	while (threads->nr < nr && !pthread_create(&threads->ids[threads->nr], NULL, run, context))
		threads->nr++;
	if (!threads->nr) {
		free(threads);
		return -EAGAIN;
	}
	*ret_threads = threads;
	return 0;
}

void threads_join(struct threads *threads)
{
	if (!threads)
		return;
	while (threads->nr)
		pthread_join(threads->ids[--threads->nr], NULL);
	free(threads);
}

int threads_start_small(pthread_t *ret_thread, void *(*run)(void *context), void *context)
{
	pthread_attr_t small;
	int error;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, SMALL_STACK_BYTES);
	error = pthread_create(ret_thread, &small, run, context);
	pthread_attr_destroy(&small);
	return error ? failure_set(-error, "threads: %s", strerror(error)) : 0;
}
