/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Reads secrets, from files that are nobody else's and from the terminal.
 */
#ifndef CLI_SECRET_INPUT_H
#define CLI_SECRET_INPUT_H

#include <stddef.h>

/** The whole file as a string. Errors: -EPERM (others may read it), -E2BIG. */
int secret_read_file(const char *path, char *ret_text, size_t bytes);

/** One line of the terminal, without echo. Errors: -ENOTTY (none), -ECANCELED (^C). */
int secret_ask(const char *prompt, char *ret_text, size_t bytes);

/** No core dump of this process holds what it knows from now on. */
void secret_protect_process(void);

#endif
