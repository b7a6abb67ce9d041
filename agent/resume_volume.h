/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The volume whose state is saved and resumed: which it is, and its device, open for direct
 * reads. It may be attached or not.
 */
#ifndef AGENT_RESUME_VOLUME_H
#define AGENT_RESUME_VOLUME_H

#include "agent/attachment.h"
#include "agent/proof.h"
#include "agent/volume.h"

#include <stdbool.h>
#include <tidemark.h>

struct resume_volume {
	const char *directory; /* of saved states */
	struct volume_extent extent;
	struct proof_source source; /* its fd is ours */
	char volume_id[TMC_TEXT_BYTES];
};

struct volume_extent resume_extent_of(const struct attachment *attachment);

/**
 * directory: of saved states, the caller's, outlives it. Close it in each case. Errors, with a
 * sentence: -ENXIO (gone), those of opening, -ENOMEM.
 */
int resume_volume_open(const struct volume_extent *extent, const char *directory,
		       struct resume_volume *ret_volume);
void resume_volume_close(struct resume_volume *volume);

/**
 * Does no file system on it take writes, as far as this mount namespace knows? name: of the
 * attachment, for the sentence. Errors: -ETXTBSY, -ENXIO, those of reading /sys.
 */
int resume_volume_check_quiet(const struct resume_volume *volume, const char *name);

/** Is a file system mounted from it, in whatever mount namespace, or is it in use otherwise? */
bool resume_volume_is_in_use(const struct resume_volume *volume);

/**
 * Whatever was saved of this range is used by nobody: it is attached without being resumed, or
 * detached without being saved. Errors: of removing it; what cannot be identified has nothing.
 */
int resume_volume_forget(const struct volume_extent *extent);

#endif
