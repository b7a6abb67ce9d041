/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * One backup of a source: everything is read, what is new is stored.
 */
#ifndef AGENT_SOURCE_BACKUP_H
#define AGENT_SOURCE_BACKUP_H

#include "agent/backup.h"
#include "agent/source.h"

struct source_backup_request {
	struct source_request source;
	const struct tmc_compression *compression; /* NULL: the repository's own */
	bool full; /* build on no other point */
	bool progress;
	struct limits limits; /* the I/O class is of no use to standard input */
	void (*notice)(const char *text); /* things worth knowing on the way; or NULL */
};

/**
 * Errors, each with a sentence in failure_text(): those of source_open(), -EMEDIUMTYPE
 * (no repository), -ENODATA (an empty stream), -ESTALE (the size changed), -ENXIO (the
 * device is gone), -ECANCELED (a signal), -ENOSPC, -EBADMSG, -EIO.
 */
int source_backup_run(const struct source_backup_request *request,
		      struct backup_result *ret_result);

#endif
