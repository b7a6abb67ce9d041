/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The identity (agent/volume.h) of what is on a device now, attached or not.
 */
#ifndef AGENT_VOLUME_IDENTITY_H
#define AGENT_VOLUME_IDENTITY_H

#include "agent/volume.h"

/**
 * Reads a few blocks of it. extent: nr_sectors 0 is the whole device. Errors, with a sentence:
 * -ENXIO (it is gone), -ENOMEM, those of opening it and of reading /sys.
 */
int volume_identity_read(const struct volume_extent *extent, char ret_id[TMC_TEXT_BYTES]);

#endif
