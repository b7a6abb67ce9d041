/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The devices of a job's volumes: all have to be there, for it is backed up as a whole.
 */
#ifndef DAEMON_JOB_DEVICES_H
#define DAEMON_JOB_DEVICES_H

#include "agent/known_volume.h"
#include "daemon/job_settings.h"

/** The first volume of which something is wrong; zeroes: nothing is. */
struct job_devices {
	enum known_volume_device state;
	const char *volume; /* the settings' */
	char refused_id[TMC_TEXT_BYTES];
	char reason[512];
};

/** known_volume_look() of each: 1: all are attached, 0: some are to be. Its errors. */
int job_devices_look(const struct job_settings *settings, struct job_devices *ret_devices);

/** known_volume_attach() of each; ret_attachments: one for each volume. Its errors. */
int job_devices_attach(const struct job_settings *settings, uint64_t chunk_bytes,
		       struct attachment *ret_attachments, struct job_devices *ret_devices);

/** What is in the volume's place is the volume. Errors: those of volume_pin_write(). */
int job_devices_accept(const struct job_devices *devices);

#endif
