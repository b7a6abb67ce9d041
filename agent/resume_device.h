/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Saving and detaching, attaching and resuming, as one step each. directory: of saved states.
 */
#ifndef AGENT_RESUME_DEVICE_H
#define AGENT_RESUME_DEVICE_H

#include "agent/attachment.h"
#include "agent/resume.h"

/**
 * Save what is dirty and detach. That nothing could be saved is told in the report. Errors: it
 * stays attached, and nothing is saved: -ETXTBSY (a file system on it takes writes), those of
 * resume_save() and device_detach().
 */
int resume_device_save(const struct attachment *attachment, const char *directory,
		       struct resume_report *ret_report);

/** As resume_take_up(), of what was attached just now. */
void resume_device_take_up(const struct attachment *attachment, const char *directory,
			   struct resume_report *ret_report);

/**
 * Attach a whole device of which something was saved, in chunks of the size that it was tracked
 * in, and resume. Errors: -ENOENT (nothing was saved of it, or there is no such device), others
 * of saved_state_read(), those of device_attach(): -EALREADY (it is attached) among them.
 */
int resume_device_attach(const char *path, const char *name, const char *directory,
			 struct resume_report *ret_report);

#endif
