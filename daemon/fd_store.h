/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Descriptors that outlive a protection: a copy in this process, for when the config is read
 * anew, and where a service manager started it one with that, for the next process
 * (sd_pid_notify_with_fds(3)). Its functions may be called from any thread.
 */
#ifndef DAEMON_FD_STORE_H
#define DAEMON_FD_STORE_H

#include "agent/channel_store.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct kept_fd {
	char *name;
	int fd;
};

struct fd_store {
	pthread_mutex_t lock; /* all below */
	struct kept_fd *kept;
	size_t nr;
};

/** What the service manager has kept for us; once, before there are threads. */
void fd_store_init(struct fd_store *store);
/** Closes the copies of this process. */
void fd_store_exit(struct fd_store *store);

/** Valid as long as the store. */
struct channel_store fd_store_channels(struct fd_store *store);

/** Give up whatever has a name that nobody wants. */
void fd_store_sweep(struct fd_store *store, bool (*is_wanted)(void *context, const char *name),
		    void *context);

#endif
