// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * FDPOLL=0: else the service manager polls what it keeps, and each record that the module
 * writes would wake it. That an attachment is gone is seen by us, now or at the next start.
 */
#include "daemon/fd_store.h"
#include "common/lock_scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define BARRIER_US   5000000 /* a service manager that is busy is not waited for any longer */
#define NAME_BYTES_MAX 255   /* of the service manager */

/* ------------------------------------------------------------------------- ours */

/* Takes the descriptor. */
static void add_locked(struct fd_store *store, const char *name, int fd)
{
	struct kept_fd *grown = reallocarray(store->kept, store->nr + 1, sizeof(*grown));
	char *copy = strdup(name);

	if (grown)
		store->kept = grown;
	if (!grown || !copy) {
		free(copy);
		close(fd);
		return;
	}
	store->kept[store->nr++] = (struct kept_fd){.name = copy, .fd = fd};
}

static int remove_locked(struct fd_store *store, size_t nth)
{
	int fd = store->kept[nth].fd;

	free(store->kept[nth].name);
	store->kept[nth] = store->kept[--store->nr];
	return fd;
}

static void close_named_locked(struct fd_store *store, const char *name)
{
	for (size_t i = store->nr; i--;)
		if (strcmp(store->kept[i].name, name) == 0)
			close(remove_locked(store, i));
}

/* ----------------------------------------------------------------------- channels */

static int take(void *context, const char *name)
{
	struct fd_store *store = context;

	LOCK_SCOPE(&store->lock);
	for (size_t i = 0; i < store->nr; i++)
		if (strcmp(store->kept[i].name, name) == 0)
			return remove_locked(store, i);
	return -1;
}

/* With any other the service manager would keep it under a name of its own. */
static bool is_valid_name(const char *name)
{
	size_t bytes = strlen(name);

	for (size_t i = 0; i < bytes; i++)
		if (name[i] < ' ' || name[i] > '~' || name[i] == ':')
			return false;
	return bytes && bytes <= NAME_BYTES_MAX;
}

static void put(void *context, const char *name, int fd)
{
	struct fd_store *store = context;
	char message[NAME_BYTES_MAX + 64];
	int copy;

	if (!is_valid_name(name))
		return;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return;
	snprintf(message, sizeof(message), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	sd_pid_notify_with_fds(0, 0, message, &fd, 1);
	LOCK_SCOPE(&store->lock);
	close_named_locked(store, name);
	add_locked(store, name, copy);
}

/* Once the service manager has read this, it closes its copy. */
static void drop(void *context, const char *name)
{
	struct fd_store *store = context;

	if (sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name) > 0)
		sd_notify_barrier(0, BARRIER_US);
	LOCK_SCOPE(&store->lock);
	close_named_locked(store, name);
}

struct channel_store fd_store_channels(struct fd_store *store)
{
	return (struct channel_store){.take = take, .put = put, .drop = drop, .context = store};
}

/* --------------------------------------------------------------------------- life */

void fd_store_init(struct fd_store *store)
{
	char **names = NULL;
	int nr = sd_listen_fds_with_names(1, &names);

	*store = (struct fd_store){0};
	pthread_mutex_init(&store->lock, NULL);
	for (int i = 0; i < nr; i++) {
		add_locked(store, names[i], SD_LISTEN_FDS_START + i);
		free(names[i]);
	}
	free(names);
}

void fd_store_exit(struct fd_store *store)
{
	while (store->nr)
		close(remove_locked(store, 0));
	free(store->kept);
	store->kept = NULL;
}

/* The name of one that nobody wants. */
static char *find_unwanted(struct fd_store *store,
			   bool (*is_wanted)(void *context, const char *name), void *context)
{
	LOCK_SCOPE(&store->lock);
	for (size_t i = 0; i < store->nr; i++)
		if (!is_wanted(context, store->kept[i].name))
			return strdup(store->kept[i].name);
	return NULL;
}

void fd_store_sweep(struct fd_store *store, bool (*is_wanted)(void *context, const char *name),
		    void *context)
{
	char *name;

	while ((name = find_unwanted(store, is_wanted, context))) {
		drop(store, name);
		free(name);
	}
}
