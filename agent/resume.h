/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The dirty set from one attachment of a volume to the next one, over a reboot or not. The
 * rules, S1 to S4 and R1 to R5, are in docs/reboot.md.
 */
#ifndef AGENT_RESUME_H
#define AGENT_RESUME_H

#include "agent/attachment.h"
#include "agent/resume_volume.h"

#include <stdbool.h>
#include <stdint.h>

#define RESUME_REASON_BYTES 512

struct resume_report {
	bool done;                        /* saved, or resumed */
	uint64_t dirty_bytes;             /* when done */
	char reason[RESUME_REASON_BYTES]; /* when not: why everything will have to be read */
};

/**
 * Save what is dirty, to be detached behind this; nobody writes it any more. That there is
 * nothing to save or to prove is told in the report. Errors: those of channel_open() and of
 * the file system that the state is written to; nothing is saved then.
 */
int resume_save(const struct attachment *attachment, const struct resume_volume *volume,
		struct resume_report *ret_report);

/**
 * Go on from what was saved, where it is proved that nothing was written since. The volume
 * was attached just now; whatever fails, or is killed, leaves it as it was: all is dirty, and
 * there is no base. A saved state is gone when this returns.
 */
void resume_take_up(const struct attachment *attachment, const struct resume_volume *volume,
		    struct resume_report *ret_report);

#endif
