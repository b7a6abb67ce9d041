/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Where passphrases come from: a file that is named on the command line or in the
 * environment, a credential of systemd, the terminal. Never from an argument or
 * the environment themselves, which others can read.
 */
#ifndef CLI_UNLOCK_H
#define CLI_UNLOCK_H

#include "cli/exit_status.h"

#include <stddef.h>
#include <tidemark.h>

/**
 * Take the options that all verbs have out of argv: --passphrase-file FILE,
 * --accept-rollback. From then on whoever opens a repository has it unlocked.
 */
enum exit_status unlock_init(int *argc, char **argv);

/** Commands that are started from here on find the file that --passphrase-file named. */
void unlock_hand_on(void);

/**
 * Unlock with this file from now on, whatever the options said: a passphrase or a
 * recovery key. NULL: ask the terminal.
 */
void unlock_use_file(const char *path);

/** The repository's passphrase for init: as if it were opened, from a terminal twice. */
int unlock_first_passphrase(char ret_passphrase[TMC_PASSPHRASE_BYTES]);

/** Another one: from the file, or twice from the terminal where it is NULL. */
int unlock_new_passphrase(const char *path, char ret_passphrase[TMC_PASSPHRASE_BYTES]);

#endif
