/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The protections that run, one for each volume of the config.
 */
#ifndef DAEMON_GUARDS_H
#define DAEMON_GUARDS_H

#include "daemon/config.h"
#include "daemon/fd_store.h"

#include <json-c/json.h>

struct guards {
	void (*waits)(void); /* called every second while others have to end; or NULL */
	struct fd_store fds; /* where channels outlive protections */
	struct channel_store channels; /* of it */
	struct config config;
	struct protection **protections; /* one for each volume of it; NULL: could not start */
};

/** Once, before anything else; fds and channels stay where they are. */
void guards_init(struct guards *guards, void (*waits)(void));

/**
 * Protect what this config says, and nothing else: volumes of which it says the same as
 * the one before go on undisturbed. Takes the config.
 */
void guards_adopt(struct guards *guards, struct config *config);

/** End all of them, durably, and let the next process take their channels over. */
void guards_exit(struct guards *guards);

/**
 * protection_accept() of the volume of that name. Errors: its own; -ENODEV, without a sentence:
 * there is no such volume here.
 */
int guards_accept(struct guards *guards, const char *name);

/** What control answers to "status"; members keep their names and meanings. */
struct json_object *guards_to_json(struct guards *guards);

/** One line for systemctl status. */
void guards_summary(struct guards *guards, char *ret_text, size_t bytes);

#endif
