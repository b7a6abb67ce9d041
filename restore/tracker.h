/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What the tracker of an attached target knows of it: which chunks may differ from a point.
 * docs/restore.md says when it is believed, and why that is right.
 */
#ifndef RESTORE_TRACKER_H
#define RESTORE_TRACKER_H

#include "agent/attachment.h"
#include "agent/channel.h"

#include <stdbool.h>
#include <stdint.h>
#include <tidemark.h>

#define TRACKER_WHY_BYTES 512

struct tracker {
	struct attachment attachment;
	struct channel *channel; /* NULL: the target is not attached */
	struct tmc_point base;
	uint64_t *dirty;         /* before the first write; NULL: not known */
	char why[TRACKER_WHY_BYTES]; /* why it is not believed */
};

/**
 * The attachment of the device at path, if there is one: from now on nobody else can be its
 * agent. Errors, with a sentence: -EBUSY (somebody is), -EPERM, -ENOPKG.
 */
int tracker_open(const char *path, struct tracker *ret_tracker);
void tracker_close(struct tracker *tracker);

/**
 * Which volume its device is now, whatever it was attached as. Errors: as
 * volume_identity_read().
 */
int tracker_identify(const struct tracker *tracker, char ret_id[TMC_TEXT_BYTES]);

/**
 * Sets the bits of chunks that may differ from the point; the device is open exclusively, and
 * nothing has been written. volume_id: what the device is now. Returns 1, or 0: nothing is
 * known, and why says why.
 */
int tracker_find_changed(struct tracker *tracker, struct tmc_repo *repo,
			 const struct tmc_point *point, const char *volume_id,
			 uint64_t *ret_changed);

/**
 * After the last write: nothing but chunks that were dirty or are set in written was written
 * to. Errors, with a sentence: -ESTALE (somebody else has written). Nothing to
 * compare with is no error.
 */
int tracker_check_alone(struct tracker *tracker, const uint64_t *written);

#endif
