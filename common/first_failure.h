/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The first failure among several threads that work on one thing: its errno and
 * its sentence, handed to whoever asks in his own thread.
 */
#ifndef COMMON_FIRST_FAILURE_H
#define COMMON_FIRST_FAILURE_H

#include <pthread.h>
#include <stdatomic.h>

struct first_failure {
	pthread_mutex_t lock; /* text; writes of error */
	atomic_int error;
	char text[1024];
};

void first_failure_init(struct first_failure *first);

/** error: negative, this thread's failure_text() belongs to it. Returns error. */
int first_failure_note(struct first_failure *first, int error);

/** 0, or the first error, whose sentence becomes this thread's failure_text(). */
int first_failure_get(struct first_failure *first);

#endif
