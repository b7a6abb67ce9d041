/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What the command's exit status means. Scripts depend on it: numbers never
 * change, and tidemark(8) lists them. "status --check" has others, those of
 * cli/status_check.h.
 */
#ifndef CLI_EXIT_STATUS_H
#define CLI_EXIT_STATUS_H

enum exit_status {
	EXIT_STATUS_OK = 0,
	EXIT_STATUS_FAILED = 1,    /* I/O error, interrupted, everything else */
	EXIT_STATUS_USAGE = 2,     /* the command line makes no sense */
	EXIT_STATUS_REFUSED = 3,   /* would destroy something, or endanger the host */
	EXIT_STATUS_NOT_FOUND = 4, /* no such device, attachment, point, repository */
	EXIT_STATUS_DAMAGED = 5,   /* the repository is, or a volume has unreadable parts */
	EXIT_STATUS_KERNEL = 6,    /* no module, no permission, no key, tracking cannot work */
	EXIT_STATUS_BUSY = 7,      /* already attached, another backup, frozen */
	EXIT_STATUS_NO_SPACE = 8,
};

/** error: 0 or a negative errno of the agent, the restore tools or the catalog. */
enum exit_status exit_status_of(int error);

#endif
