// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "agent/limits.h"
#include "common/failure.h"
#include "common/size_text.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <stdlib.h>
#include <string.h>
#include <tidemark.h>

#define BEST_EFFORT       "best-effort"
#define BEST_EFFORT_LEVEL 4 /* the kernel's own */
#define CPU_PERCENT_MAX   10000

int limits_parse_rate(const char *text, uint64_t *ret_bytes_per_second)
{
	uint64_t rate;

	if (size_text_parse(text, &rate) < 0 || (rate && rate < TMC_BUFFER_BYTES))
		return failure_set(-EINVAL, "is no rate; give bytes per second from 1M on, as 50M, or 0 "
				   "for no limit");
	*ret_bytes_per_second = rate;
	return 0;
}

int limits_parse_cpu_share(const char *text, unsigned int *ret_percent)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long percent = digits && digits < 6 ? strtoul(text, NULL, 10) : 0;

	if (percent < 1 || percent > CPU_PERCENT_MAX || strcmp(text + digits, "%") != 0)
		return failure_set(-EINVAL, "is no share; give percents of one processor from 1%% to "
				   "%d%%, as 50%%", CPU_PERCENT_MAX);
	*ret_percent = (unsigned int)percent;
	return 0;
}

int limits_parse_io_class(const char *text, int *ret_io_class)
{
	const char *level = text + strlen(BEST_EFFORT);

	if (strcmp(text, "idle") == 0)
		*ret_io_class = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0);
	else if (strcmp(text, BEST_EFFORT) == 0)
		*ret_io_class = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, BEST_EFFORT_LEVEL);
	else if (strncmp(text, BEST_EFFORT ":", strlen(BEST_EFFORT) + 1) == 0 && level[1] >= '0' &&
		 level[1] <= '7' && !level[2])
		*ret_io_class = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, level[1] - '0');
	else
		return failure_set(-EINVAL, "is no I/O class; give idle, best-effort, or best-effort:0 "
				   "to best-effort:7");
	return 0;
}
