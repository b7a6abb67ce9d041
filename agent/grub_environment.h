/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * GRUB's environment block, /boot/grub/grubenv: a file that GRUB writes in place while the
 * machine boots, around the file system, so that no mount and no tracker knows of it.
 */
#ifndef AGENT_GRUB_ENVIRONMENT_H
#define AGENT_GRUB_ENVIRONMENT_H

#include "agent/channel.h"
#include "agent/resume_volume.h"

/**
 * Its chunks are dirty from here on, where it lies on the file system that is mounted from the
 * volume's device. Not found: where that is not mounted, or as a part of another device.
 * Errors, with a sentence: of finding it, those of channel_add_dirty().
 */
int grub_environment_mark_dirty(struct channel *channel, const struct resume_volume *volume);

/** The same of one file, which need not exist. */
int grub_environment_mark_file(struct channel *channel, const struct resume_volume *volume,
			       const char *path);

#endif
