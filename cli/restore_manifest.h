/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What was restored where, and how it was verified, as one JSON object. Ranges are printed as
 * they are found: there may be millions of them.
 */
#ifndef CLI_RESTORE_MANIFEST_H
#define CLI_RESTORE_MANIFEST_H

#include <stdio.h>

struct restore_result;

void restore_manifest_print(FILE *out, const char *target, const struct restore_result *result);

/** The same into a file, durably, in place of what it held. Errors, with a sentence. */
int restore_manifest_save(const char *path, const char *target,
			  const struct restore_result *result);

#endif
