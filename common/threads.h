/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A number of threads that run one function until they are joined.
 */
#ifndef COMMON_THREADS_H
#define COMMON_THREADS_H

#include <pthread.h>
#include <stddef.h>

struct threads;

/** nr 0: one per CPU; at most max. Errors: -ENOMEM, -EAGAIN. */
int threads_start(unsigned int nr, unsigned int max, void *(*run)(void *context), void *context,
		  struct threads **ret_threads);
/** Waits for all of them to return; frees. NULL is fine. */
void threads_join(struct threads *threads);

/** One thread, to be joined, with a small stack. Errors, with a sentence: -EAGAIN. */
int threads_start_small(pthread_t *ret_thread, void *(*run)(void *context), void *context);

/** What nr stands for. */
unsigned int threads_nr(unsigned int nr, unsigned int max);

#endif
