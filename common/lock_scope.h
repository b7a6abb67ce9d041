/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A mutex held until the end of the scope; once per scope.
 */
#ifndef COMMON_LOCK_SCOPE_H
#define COMMON_LOCK_SCOPE_H

#include <pthread.h>

static inline void lock_scope_leave(pthread_mutex_t **mutex)
{
	pthread_mutex_unlock(*mutex);
}

#define LOCK_SCOPE(mutex)                                                       \
	__attribute__((cleanup(lock_scope_leave), unused)) pthread_mutex_t *lock_scope_ = \
		(pthread_mutex_lock(mutex), (mutex))

#endif
