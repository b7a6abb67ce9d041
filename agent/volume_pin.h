/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The identity that goes by a volume's name, from one process to the next: a line in the file
 * volumes/NAME of $STATE_DIRECTORY, or of /var/lib/tidemark. docs/devices.md has the rules.
 */
#ifndef AGENT_VOLUME_PIN_H
#define AGENT_VOLUME_PIN_H

#include <tidemark.h>

/** Errors, with a sentence: -ENOENT (none is known), -EINVAL (no such name), those of reading. */
int volume_pin_read(const char *name, char ret_id[TMC_TEXT_BYTES]);

/** Durably, in the place of what was known. Errors, with a sentence: -EINVAL, the system's. */
int volume_pin_write(const char *name, const char *volume_id);

#endif
