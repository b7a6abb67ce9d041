/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One backup of one attached volume: everything between the user's words and a
 * restore point.
 */
#ifndef AGENT_BACKUP_H
#define AGENT_BACKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <tidemark.h>

struct backup_request {
	const char *volume;     /* name of an attachment, or path of its device */
	const char *repository;
	bool full;              /* read everything, whatever is known */
	bool freeze;
	bool progress;
	void (*notice)(const char *text); /* things worth knowing on the way; or NULL */
};

struct backup_result {
	struct tmc_point point;
	bool full; /* everything was read */
	bool froze;
	bool acknowledged; /* the module knows the point: the next one is incremental */
	uint64_t frozen_bytes;
	uint64_t read_bytes;
	uint64_t preserved_bytes;
	unsigned int attempts;
	uint64_t elapsed_ms;
};

/**
 * Errors, each with a sentence in failure_text(): -ENOENT, -ENOTUNIQ (the volume,
 * see device_find()), -EMEDIUMTYPE (no repository), -ETXTBSY (the repository lies
 * on the volume), -EINVAL (its chunks are of another size), -EBUSY (another
 * backup, frozen by someone else), -ESTALE (every attempt lost its cut),
 * -ECANCELED (a signal), -ENOSPC, -EBADMSG (the repository is damaged), -ENODEV
 * (detached meanwhile), -EIO. No point was made then.
 */
int backup_run(const struct backup_request *request, struct backup_result *ret_result);

#endif
