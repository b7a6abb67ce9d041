/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One backup of one or several attached volumes at one instant: everything between
 * the user's words and a restore point of each. With a hook, an application is told of its
 * phases, docs/schedule.md.
 */
#ifndef AGENT_BACKUP_H
#define AGENT_BACKUP_H

#include "agent/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tidemark.h>

#define BACKUP_VOLUMES_MAX 64

struct backup_request {
	char *const *volumes; /* names of attachments, or paths of their devices */
	size_t nr_volumes;    /* 1 to BACKUP_VOLUMES_MAX */
	const char *group;    /* what the volumes are together, for people; NULL: nothing */
	const char *repository;
	const struct tmc_compression *compression; /* NULL: the repository's own */
	bool full;              /* read everything, whatever is known */
	bool freeze;
	bool progress;
	const char *hook;          /* absolute path of what is told of the phases; NULL: nobody is */
	uint64_t hook_timeout_ns;  /* of each phase */
	struct limits limits;      /* of reading the volumes, all of them together */
	void (*notice)(const char *text); /* things worth knowing on the way; or NULL */
	void (*warning)(const char *text); /* what went wrong beside the points themselves; or NULL */
};

enum backup_hook {
	BACKUP_HOOK_NONE,
	BACKUP_HOOK_DONE,
	BACKUP_HOOK_FAILED, /* in a phase that leaves the point as it is */
};

/* Of one volume. */
struct backup_result {
	bool made; /* the point exists; without it nothing below counts */
	struct tmc_point point;
	bool full; /* everything was read */
	bool froze;
	bool acknowledged; /* the module knows the point: the next one is incremental */
	uint64_t frozen_bytes;
	uint64_t read_bytes;
	uint64_t preserved_bytes;
	unsigned int attempts;
	enum backup_hook hook; /* the same in all */
	uint64_t elapsed_ms;
};

/**
 * ret_results: one for each volume, in the order of the request. All points are of the
 * same instant, and points of several volumes share their group. A volume that fails
 * before the first point is made fails all of them; where one fails later, the points
 * made before it stay, as their results say.
 *
 * Errors, each with a sentence in failure_text(): -ENOENT, -ENOTUNIQ (the volume,
 * see device_find()), -EMEDIUMTYPE (no repository), -ETXTBSY (the repository lies
 * on the volume), -EINVAL (its chunks are of another size; a volume given twice; the group's
 * name is too long),
 * -EBUSY (another backup, frozen by someone else), -ESTALE (every attempt lost its
 * cut), -ECANCELED (a signal), -ENOSPC, -EBADMSG (the repository is damaged), -ENODEV
 * (detached meanwhile), -ENXIO (the device is gone, or shorter now), -EIO; those of
 * hook_run() from a phase before the cut.
 */
int backup_run(const struct backup_request *request, struct backup_result *ret_results);

#endif
