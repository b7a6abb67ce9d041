/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a backup may take of the machine while it reads a volume. docs/schedule.md says what
 * of it is limited, and what never is.
 */
#ifndef AGENT_LIMITS_H
#define AGENT_LIMITS_H

#include <stdint.h>

/* All zero: no limits. */
struct limits {
	uint64_t bytes_per_second; /* read from all volumes together; 0: as fast as it goes */
	unsigned int cpu_percent;  /* of one processor; 0: as much as there is */
	int io_class;              /* as ioprio_set(2) has it; 0: that of the process */
};

/**
 * "50M", from 1M on, as a chunk may be as large as that; "0": no limit. "50%", from 1% to 10000%.
 * "idle", "best-effort" or "best-effort:0" to 7. Errors: -EINVAL, with a sentence that says
 * what it has to be, and is to follow the name and the text.
 */
int limits_parse_rate(const char *text, uint64_t *ret_bytes_per_second);
int limits_parse_cpu_share(const char *text, unsigned int *ret_percent);
int limits_parse_io_class(const char *text, int *ret_io_class);

#endif
