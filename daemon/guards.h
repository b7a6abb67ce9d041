/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The protections that run, one for each volume of the config.
 */
#ifndef DAEMON_GUARDS_H
#define DAEMON_GUARDS_H

#include "daemon/config.h"

#include <json-c/json.h>

struct guards {
	void (*waits)(void); /* called every second while others have to end; or NULL */
	struct config config;
	struct protection **protections; /* one for each volume of it; NULL: could not start */
};

/**
 * Protect what this config says, and nothing else: volumes of which it says the same as
 * the one before go on undisturbed. Takes the config.
 */
void guards_adopt(struct guards *guards, struct config *config);

/** End all of them, durably. */
void guards_stop(struct guards *guards);

/** What control answers to "status"; members keep their names and meanings. */
struct json_object *guards_to_json(struct guards *guards);

/** One line for systemctl status. */
void guards_summary(struct guards *guards, char *ret_text, size_t bytes);

#endif
